import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { connect, type IPublishPacket, type MqttClient } from 'mqtt'
import { Queues } from '../../../../lib/broker/persistence/queues.ts'
import { openBroker, type TestBroker } from '../../../helpers/broker.ts'
import { closing, once, until } from '../../../helpers/events.ts'

type Qos = 0 | 1 | 2

/** What a client gets until `end` comes, as `topic:qos`, with `r` for retained and `d` for DUP. */
function hear (client: MqttClient): { got: string[], end: Promise<unknown> } {
  const got: string[] = []
  const end = new Promise(resolve => {
    client.on('message', (topic, _payload, { qos, retain, dup }: IPublishPacket) => {
      if (topic === 'end') resolve(undefined)
      else got.push(`${topic}:${qos}${retain ? 'r' : ''}${dup ? 'd' : ''}`)
    })
  })
  return { got, end }
}

async function away (broker: TestBroker, client: MqttClient): Promise<void> {
  const { clientId } = client.options
  await client.endAsync()
  await until(() => broker.events, events => events.some(({ event, ...rest }) => event === 'disconnected' && 'clientId' in rest && rest.clientId === clientId))
}

/** The same session again; what it gets is heard from the first packet on. */
async function back (t: TestContext, broker: TestBroker, clientId: string): Promise<{ client: MqttClient, got: string[], end: Promise<unknown> }> {
  const client = connect(broker.url, { clientId, clean: false, reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  const heard = hear(client)
  await once(client, 'connect')
  return { client, ...heard }
}

for (const clean of [true, false]) {
  test(`overlapping filters of a ${clean ? 'clean' : 'kept'} session get a message once, at the highest QoS that they grant`, async t => {
    const broker = await openBroker(t)
    const publisher = await broker.client()
    for (const [wide, narrow, exact] of [[0, 1, 0], [1, 0, 0], [0, 2, 1], [2, 0, 0], [1, 2, 0], [0, 0, 2], [0, 0, 1], [2, 1, 0], [0, 0, 0]] as Qos[][]) {
      const client = await broker.client({ clean, clientId: `c${wide}${narrow}${exact}` })
      const { got, end } = hear(client)
      await client.subscribeAsync({ 'a/#': { qos: wide! }, 'a/+': { qos: narrow! }, 'a/b': { qos: exact! }, end: { qos: 0 } })
      for (const qos of [2, 1, 0] as const) await publisher.publishAsync('a/b', 'x', { qos })
      await publisher.publishAsync('end', '', { qos: 1 })
      await end
      const highest = Math.max(wide!, narrow!, exact!)
      assert.deepEqual(got, [2, 1, 0].map(qos => `a/b:${Math.min(qos, highest)}`), `${wide} ${narrow} ${exact}`)
      await client.endAsync()
    }
  })
}

test('a change of subscriptions changes the QoS at once', async t => {
  const broker = await openBroker(t)
  const [publisher, client] = await Promise.all([broker.client(), broker.client()])
  const { got, end } = hear(client)
  const send = () => publisher.publishAsync('a/b', 'x', { qos: 2 })
  await client.subscribeAsync({ 'a/b': { qos: 1 }, end: { qos: 0 } })
  await send()
  await client.subscribeAsync('a/+', { qos: 2 })
  await send()
  await client.unsubscribeAsync('a/+')
  await send()
  await client.subscribeAsync('a/b', { qos: 0 })
  await send()
  await publisher.publishAsync('end', '', { qos: 1 })
  await end
  assert.deepEqual(got, ['a/b:1', 'a/b:2', 'a/b:1', 'a/b:0'])
})

test('retained messages come at the QoS that is granted, and those of $ topics not for #', async t => {
  const broker = await openBroker(t)
  const [publisher, client] = await Promise.all([broker.client(), broker.client()])
  for (const topic of ['a/b', '$a/b']) await publisher.publishAsync(topic, 'x', { qos: 2, retain: true })
  const { got, end } = hear(client)
  await client.subscribeAsync(['#', '+/b'], { qos: 0 })
  await publisher.publishAsync('end', '', { qos: 1 })
  await end
  assert.deepEqual([...new Set(got)], ['a/b:0r'])
})

test('what waited for a session comes before what is published meanwhile, in order, each once and as granted', async t => {
  const broker = await openBroker(t)
  const [publisher, first] = await Promise.all([broker.client(), broker.client({ clientId: 'kept', clean: false })])
  await first.subscribeAsync({ 'a/+': { qos: 1 }, 'a/#': { qos: 0 } })
  await away(broker, first)
  const send = (i: number) => publisher.publishAsync('a/b', String(i), { qos: 2 })
  for (let i = 0; i < 300; i++) await send(i)
  const client = connect(broker.url, { clientId: 'kept', clean: false, reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  const got: number[] = []
  const wrong: IPublishPacket[] = []
  client.on('message', (_topic, payload, packet) => {
    got.push(Number(payload))
    if (packet.qos !== 1 || packet.retain) wrong.push(packet)
  })
  client.once('connect', () => { for (let i = 300; i < 400; i++) void send(i) })
  await until(() => got.length, length => length >= 400)
  assert.deepEqual([got, wrong], [Array.from({ length: 400 }, (_, i) => i), []])
})

test('while a session\'s queue cannot be read, a few megabytes are held for it; then the client is disconnected, and gets everything when it returns', async t => {
  const broker = await openBroker(t)
  const [publisher, first] = await Promise.all([broker.client(), broker.client({ clientId: 'kept', clean: false })])
  await first.subscribeAsync('a/#', { qos: 1 })
  await away(broker, first)
  // Of a disk that takes its time.
  const stream = t.mock.method(Queues.prototype, 'stream', () => new Readable({ objectMode: true, read () { /* not yet */ } }))
  const stalled = connect(broker.url, { clientId: 'kept', clean: false, reconnectPeriod: 0 })
  const ended = closing(stalled)
  await once(stalled, 'connect')
  for (let i = 0; i < 30; i++) await publisher.publishAsync('a/b', Buffer.alloc(200_000, i), { qos: 1 })
  await ended
  stream.mock.restore()
  const client = connect(broker.url, { clientId: 'kept', clean: false, reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  const got: Array<number | undefined> = []
  client.on('message', (_topic, payload) => { got.push(payload[0]) })
  await until(() => got.length, length => length >= 30)
  assert.deepEqual(got, Array.from({ length: 30 }, (_, i) => i))
})

test('a retained message that waited for a session does not come as a retained one', async t => {
  const broker = await openBroker(t)
  const [publisher, first] = await Promise.all([broker.client(), broker.client({ clientId: 'kept', clean: false })])
  await first.subscribeAsync(['a', 'end'], { qos: 1 })
  await away(broker, first)
  await publisher.publishAsync('a', 'x', { qos: 1, retain: true })
  await publisher.publishAsync('end', '', { qos: 1 })
  const { got, end } = await back(t, broker, 'kept')
  await end
  assert.deepEqual(got, ['a:1'])
})

for (const filter of ['quiet/a', 'quiet/#', '+/a', '$share/group/quiet/+']) {
  test(`a topic that nobody had subscribed to reaches who subscribes to ${filter}, and nobody once that ends`, async t => {
    const broker = await openBroker(t)
    const [publisher, client] = await Promise.all([broker.client(), broker.client()])
    const got: string[] = []
    client.on('message', (_topic, payload) => { got.push(payload.toString()) })
    for (let round = 0; round < 3; round++) {
      for (const qos of [0, 1, 2] as const) await publisher.publishAsync('quiet/a', `to nobody ${qos}`, { qos })
      await client.subscribeAsync(filter, { qos: 2 })
      for (const qos of [0, 1, 2] as const) await publisher.publishAsync('quiet/a', `${round} ${qos}`, { qos })
      await until(() => got.length, n => n === (round + 1) * 3)
      await client.unsubscribeAsync(filter)
    }
    const heard: string[] = []
    broker.place.subscribe(filter.replace('$share/group/', ''), ({ payload }) => { heard.push(payload.toString()) })
    await publisher.publishAsync('quiet/a', 'last', { qos: 1 })
    assert.deepEqual(heard, ['last'])
    assert.deepEqual(got, [0, 1, 2].flatMap(round => [0, 1, 2].map(qos => `${round} ${qos}`)))
  })
}

test('the DUP of a publisher is its own affair', async t => {
  const broker = await openBroker(t)
  const [publisher, client] = await Promise.all([broker.client(), broker.client()])
  const { got, end } = hear(client)
  await client.subscribeAsync(['a', 'end'], { qos: 1 })
  await publisher.publishAsync('a', 'x', { qos: 1, dup: true })
  await publisher.publishAsync('end', '', { qos: 1 })
  await end
  assert.deepEqual(got, ['a:1'])
})

test('the members of a shared subscription take turns, also in kept sessions, and who leaves gets no more', async t => {
  const broker = await openBroker(t)
  const [publisher, one, two, all] = await Promise.all([broker.client(), broker.client({ clientId: 'one', clean: false }), broker.client(), broker.client()])
  const heard = [one!, two!, all!].map(hear)
  for (const client of [one!, two!]) await client.subscribeAsync({ '$share/group/a/+': { qos: 1 }, end: { qos: 1 } })
  await all!.subscribeAsync(['a/#', 'end'], { qos: 1 })
  for (let i = 0; i < 10; i++) await publisher!.publishAsync('a/b', 'x', { qos: 1 })
  await until(() => heard.map(({ got }) => got.length), lengths => lengths.join() === '5,5,10')
  await two!.unsubscribeAsync('$share/group/a/+')
  for (let i = 0; i < 4; i++) await publisher!.publishAsync('a/b', 'x', { qos: 2 })
  await publisher!.publishAsync('end', '', { qos: 1 })
  await Promise.all(heard.map(({ end }) => end))
  assert.deepEqual(heard.map(({ got }) => got.length), [9, 5, 14])
  assert.ok(heard.every(({ got }) => got.every(each => each === 'a/b:1')))
  await one!.endAsync()
  await publisher!.publishAsync('a/b', 'x', { qos: 1 })
  await until(() => heard[2]!.got.length, length => length === 15)
})

test('a message that a thousand filters of a client match costs the event loop no turn for each of them', async t => {
  const broker = await openBroker(t)
  const client = await broker.client()
  const filters = Array.from({ length: 1_000 }, (_, i) => Array.from({ length: 10 }, (_, level) => (i >> level & 1) === 1 ? '+' : 'x').join('/'))
  await client.subscribeAsync(filters, { qos: 0 })
  let received = 0
  client.on('message', () => { received++ })
  const publisher = await broker.client()
  const turns = t.mock.method(globalThis, 'setImmediate')
  for (let i = 0; i < 20; i++) await publisher.publishAsync('x/x/x/x/x/x/x/x/x/x', 'x', { qos: 1 })
  await until(() => received, count => count === 20)
  const count = turns.mock.callCount()
  assert.ok(count < 20 * 100, String(count))
  assert.equal(received, 20)
})
