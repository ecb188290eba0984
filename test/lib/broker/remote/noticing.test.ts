import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { PlatziverseError } from '../../../../lib/errors.ts'
import { Problems } from '../../../../lib/problems.ts'
import { watchDropped, watchSilence } from '../../../../lib/broker/remote/unsaid.ts'
import type { Delivered, Subscriber } from '../../../../lib/broker/publication.ts'
import { openIntake } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker } from '../../../helpers/scripted-broker.ts'

const dropped = '$SYS/broker/publish/messages/dropped'

suite('of a Mosquitto a worker notices', { skip: withoutMosquitto }, () => {
  test('that agents publish with QoS 0, once', async t => {
    const { port } = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
    t.after(() => { client.end(true) })
    await client.publishAsync('agent/message', reading(), { qos: 1 })
    await until(() => heard.length, length => length === 1)
    assert.deepEqual(remote.problems, [])
    for (let i = 0; i < 3; i++) await client.publishAsync('agent/message', reading(), { qos: 0 })
    await until(() => heard.length, length => length === 4)
    assert.deepEqual(remote.problems.map(({ code, detail }) => `${code} ${detail}`), ['BROKER_QOS_LOW A message on "agent/message" came with QoS 0.'])
  })

  test('that it drops messages which it has acknowledged', async t => {
    const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 10\nsys_interval 1')
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version: '3.1.1' }))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
    t.after(() => { client.end(true) })
    await until(async () => {
      await Promise.all(Array.from({ length: 100 }, () => client.publishAsync('agent/message', reading(), { qos: 1 })))
      return remote.problems.map(({ code }) => code)
    }, codes => codes.includes('BROKER_DROPPED'), 20_000)
    assert.match(remote.problems.find(({ code }) => code === 'BROKER_DROPPED')?.detail ?? '', /^The broker dropped \d+ messages, because/)
    assert.ok(heard.length < 100)
    for (const one of heard.splice(0)) claim(one).settle()
  })
})

test('of what a broker dropped, that which is new is told, also where what was before is not', () => {
  for (const [values, told] of [
    [[[5, true], [5, false], [7, false]], ['2']], [[[5, false]], ['5']], [[[0, false], [3, false]], ['3']], [[[9, true], [0, false], [4, false]], ['4']], [[['x', false]], []]
  ] as Array<[Array<[number | string, boolean]>, string[]]>) {
    const details: string[] = []
    let hear: Subscriber = () => undefined
    const sender = { subscribe: (_filter: string, subscriber: Subscriber) => { hear = subscriber; return () => undefined } }
    watchDropped(sender, new Problems(({ detail }) => { details.push(detail) }))
    for (const [value, retain] of values) {
      const delivered: Delivered = { topic: dropped, payload: Buffer.from(String(value)), qos: 1, retain, clientId: undefined, origin: undefined }
      void hear(delivered)
    }
    assert.deepEqual(details.map(detail => /\d+/.exec(detail)?.[0]), told, JSON.stringify(values))
  }
})

test('a broker that hangs up on the question whether it drops messages is not asked again', async t => {
  const asked: boolean[] = []
  const broker = await scriptedBroker(t, peer => { answers(peer) }, (peer, before) => {
    peer.on(packet => {
      if (packet.cmd !== 'subscribe' || !packet.subscriptions.some(({ topic }) => topic === dropped)) return
      asked[before] = true
      peer.socket.destroy()
    })
    answers(peer)
  })
  const remote = await openRemote(t, remoteOptions(broker.url, { version: '5' }))
  openIntake(t, remote.id)
  await until(() => broker.senders.length, length => length === 2, 20_000)
  await remote.connected()
  // What it is asked on the second connection comes in order.
  await remote.place.publish({ topic: 'platform/x', payload: '', qos: 1, retain: false })
  assert.deepEqual(asked, [true])
  assert.equal(broker.senders.length, 2)
})

test('a worker that is given nothing says so after a minute in which something could have come', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const codes: string[] = []
  const problems = new Problems(problem => { codes.push(`${problem instanceof PlatziverseError && problem.code}: ${problem.detail}`) })
  const hears = [undefined, false]
  watchSilence(() => hears.shift(), () => ['$share/plant/agent/+'], problems)
  t.mock.timers.tick(60_000)
  assert.deepEqual(codes, [], 'it is not connected')
  t.mock.timers.tick(59_000)
  assert.deepEqual(codes, [])
  t.mock.timers.tick(300_000)
  assert.deepEqual(codes, ['BROKER_SILENT: Within a minute no message came for $share/plant/agent/+.'])

  const end = watchSilence(() => false, () => ['agent/+'], problems)
  end()
  watchSilence(() => true, () => ['agent/+'], problems)
  t.mock.timers.tick(300_000)
  assert.equal(codes.length, 1)
})
