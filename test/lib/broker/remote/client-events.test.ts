import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectAsync } from 'mqtt'
import type { Subscriber } from '../../../../lib/broker/publication.ts'
import { clientEventSources, watchClients } from '../../../../lib/broker/remote/client-events.ts'
import { openIntake, type Heard } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'

test('Mosquitto says in its log which clients come and go, and each agent is said to be gone once, unless it is back', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t, 'allow_anonymous true\nlog_dest topic\nlog_dest stderr\nlog_type information\nlog_type notice')
  const url = `mqtt://127.0.0.1:${port}`
  const watcher = await connectAsync(url)
  t.after(() => watcher.endAsync(true))
  const gone: string[] = []
  const seen: string[] = []
  let subscribed = false
  const subscribe = (filter: string, subscriber: Subscriber) => {
    watcher.subscribe(filter, () => { subscribed = true })
    watcher.on('message', (topic, payload) => {
      seen.push(payload.toString())
      void subscriber({ topic, payload, qos: 0, retain: false, clientId: undefined, origin: undefined })
    })
    return () => undefined
  }
  t.after(watchClients('mosquitto', { subscribe }, ({ payload }) => { gone.push(JSON.parse(payload.toString()).agent.uuid) }, 300))
  await until(() => subscribed, isSo => isSo)
  await connectAsync(url, { clientId: 'platziverse-says goodbye (p2, c0).' }).then(client => client.endAsync())
  await connectAsync(url, { clientId: 'vanishes' }).then(client => { client.options.reconnectPeriod = 0; client.stream.destroy() })
  await until(() => gone.length, length => length === 2)
  assert.deepEqual(gone.toSorted(), ['says goodbye (p2, c0).', 'vanishes'])
  // Back at once: no goodbye. And one whose connection the next one takes over never went.
  const before = await connectAsync(url, { clientId: 'platziverse-back', reconnectPeriod: 0 })
  await before.endAsync()
  await connectAsync(url, { clientId: 'platziverse-back', reconnectPeriod: 0 })
  const again = await connectAsync(url, { clientId: 'platziverse-back', reconnectPeriod: 0 })
  t.after(() => again.endAsync(true))
  await connectAsync(url, { clientId: 'last' }).then(client => client.endAsync())
  await until(() => gone.length, length => length === 3)
  assert.equal(gone[2], 'last')
  assert.ok(seen.length >= 8, seen.join('\n'))
})

test('each worker of a Mosquitto hears of each client that went', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t, 'allow_anonymous true\nlog_dest topic\nlog_dest stderr\nlog_type information\nlog_type notice')
  const url = `mqtt://127.0.0.1:${port}`
  const workers = await Promise.all([1, 2].map(async () => {
    const remote = await openRemote(t, remoteOptions(url, { clientEvents: 'mosquitto' }))
    const { heard } = openIntake(t, remote.id, { acknowledge: 'arrival' })
    await remote.connected()
    return heard
  }))
  // What subscribes after the first connection is there for the second one.
  for (const clientId of ['platziverse-first', 'platziverse-second']) await connectAsync(url, { clientId }).then(client => client.endAsync())
  const said = (heard: Heard[]) => heard.filter(({ kind, incoming }) => kind === 'disconnected' && incoming?.payload.agent.uuid === 'second').length
  await until(() => workers.map(said), all => all.every(count => count > 0))
  assert.deepEqual(workers.map(said), [1, 1])
})

test('a client id that is too long for an agent is nobody\'s, and is not kept', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const gone: string[] = []
  let heard: Subscriber = () => undefined
  const subscribe = (_filter: string, subscriber: Subscriber) => {
    heard = subscriber
    return () => undefined
  }
  t.after(watchClients('mosquitto', { subscribe }, ({ payload }) => { gone.push(JSON.parse(payload.toString()).agent.uuid) }))
  for (const clientId of [`platziverse-${'a'.repeat(128)}`, `platziverse-${'b'.repeat(129)}`, 'c'.repeat(60_000)]) {
    void heard({ topic: '$SYS/broker/log/N', payload: Buffer.from(`1795962085: Client ${clientId} disconnected.`), qos: 0, retain: false, clientId: undefined, origin: undefined })
  }
  t.mock.timers.tick(5_000)
  assert.deepEqual(gone, ['a'.repeat(128)])
})

test('goodbyes that wait for the database are bounded, however often clients come and go', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const taken: Array<() => void> = []
  let heard: Subscriber = () => undefined
  const subscribe = (_filter: string, subscriber: Subscriber) => {
    heard = subscriber
    return () => undefined
  }
  t.after(watchClients('mosquitto', { subscribe }, (_, done) => { taken.push(done) }))
  const leave = (clients: number): void => {
    for (let i = 0; i < clients; i++) void heard({ topic: '$SYS/broker/log/N', payload: Buffer.from(`1: Client c${i} disconnected.`), qos: 0, retain: false, clientId: undefined, origin: undefined })
    t.mock.timers.tick(5_000)
  }
  for (let round = 0; round < 3; round++) leave(40_000)
  assert.equal(taken.length, 100_000)
  for (const done of taken.splice(0, 10)) done()
  leave(40_000)
  assert.equal(taken.length, 100_000)
})

// eclipse-mosquitto/mosquitto#536: lines of bridges are among them.
test('of Mosquitto\'s lines, only those of clients that come and go are read', () => {
  const { read } = clientEventSources.mosquitto
  const of = (line: string) => read('', `1795962085: ${line}`)
  assert.deepEqual(of('New client connected from 127.0.0.1:44396 as visitor (p2, c0, k60, u\'u\').'), { event: 'connected', clientId: 'visitor' })
  assert.deepEqual(of('New client connected from ::1:44396 as a (b) (p5, c1, k60).'), { event: 'connected', clientId: 'a (b)' })
  for (const line of [
    'Client visitor disconnected.', 'Client visitor closed its connection.', 'Client visitor disconnected due to protocol error.', 'Client visitor has exceeded timeout, disconnecting.',
    'Client visitor disconnected, no longer authorised.', 'Client visitor been disconnected by administrative action.', 'Client visitor disconnected: Out of memory.',
    'Socket error on client visitor, disconnecting.', 'Bad socket read/write on client visitor: Invalid input.',
    // As 2.1.2 writes it.
    'Client visitor [127.0.0.1:50598] disconnected.', 'Client visitor [127.0.0.1:50602] disconnected: connection closed by client.', 'Client visitor [::1:50616] disconnected: protocol error.',
    'Client visitor [10.0.0.7:1] disconnected: exceeded timeout.', 'Client visitor [:0] disconnected: administrative action.', 'Client visitor [10.0.0.7:1] disconnected: bad socket read/write: Invalid input'
  ]) {
    assert.deepEqual(of(line), { event: 'disconnected', clientId: 'visitor' }, line)
  }
  assert.deepEqual(of('Client visitor disconnected due to x closed its connection.'), { event: 'disconnected', clientId: 'visitor disconnected due to x' })
  assert.deepEqual(of('Client a: b [1] [127.0.0.1:50598] disconnected.'), { event: 'disconnected', clientId: 'a: b [1]' })
  for (const stamp of ['', '2026-11-29T17:43:41: ', '2026-11-29 17:43:41: ', '2026-11-29T17:43:41+0000: ']) assert.deepEqual(read('', `${stamp}Client visitor disconnected.`), { event: 'disconnected', clientId: 'visitor' }, stamp)
  // What looks like a line within another one is a client id.
  assert.deepEqual(of('Socket error on client a: Client visitor has exceeded timeout, disconnecting.'), { event: 'disconnected', clientId: 'a: Client visitor has exceeded timeout' })
  assert.deepEqual(of('Client a: Client visitor disconnected.'), { event: 'disconnected', clientId: 'a: Client visitor' })
  assert.equal(of(`Client ${'a disconnected due to '.repeat(100_000)}`), undefined)
  for (const line of ['Client visitor3 already connected, closing old connection.', 'Client visitor [127.0.0.1:50604] disconnected: session taken over.', 'New connection from 127.0.0.1:1 on port 1883.', 'Connecting bridge foo (192.0.2.1:1883)', 'Connecting bridge Client a disconnected. (192.0.2.1:1883)', 'visitor disconnected.', 'Client a\nClient b disconnected.', '']) {
    assert.equal(of(line), undefined, line)
  }
})

test('EMQX says it in JSON, as its documentation has it', () => {
  const { read } = clientEventSources.emqx
  const came = { username: 'foo', ts: 1625572213873, sockport: 1883, proto_ver: 4, proto_name: 'MQTT', keepalive: 60, ipaddress: '127.0.0.1', expiry_interval: 0, connected_at: 1625572213873, connack: 0, clientid: 'emqtt-8348fe27a87976ad4db3', clean_start: true }
  const left = { username: 'foo', ts: 1625572213873, sockport: 1883, reason: 'tcp_closed', proto_ver: 4, proto_name: 'MQTT', ipaddress: '127.0.0.1', disconnected_at: 1625572213873, clientid: 'emqtt-8348fe27a87976ad4db3' }
  const topic = '$SYS/brokers/emqx@127.0.0.1/clients/emqtt-8348fe27a87976ad4db3'
  assert.deepEqual(read(`${topic}/connected`, JSON.stringify(came)), { event: 'connected', clientId: came.clientid })
  assert.deepEqual(read(`${topic}/disconnected`, JSON.stringify(left)), { event: 'disconnected', clientId: left.clientid })
  for (const reason of ['takenover', 'discarded']) assert.equal(read(`${topic}/disconnected`, JSON.stringify({ ...left, reason })), undefined)
  for (const payload of ['', 'null', '{}', '[]', '{"clientid":5}']) assert.equal(read(`${topic}/disconnected`, payload), undefined, payload)
  assert.equal(read(`${topic}/subscribed`, JSON.stringify(left)), undefined)
})
