import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import mqttPacket from 'mqtt-packet'
import { Bridge, type LocalBroker } from '../../../lib/bridge/bridge.ts'
import { BridgeBuffer } from '../../../lib/bridge/buffer.ts'
import { LoopGuard } from '../../../lib/bridge/loops.ts'
import { BridgeTopics } from '../../../lib/bridge/topics.ts'
import { PlatziverseError } from '../../../lib/errors.ts'
import { aedesBroker, client, listen, makeBridge, open, openBridge, row } from '../../helpers/bridge.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { freePort } from '../../helpers/node-red.ts'
import { answers, scriptedBroker } from '../../helpers/scripted-broker.ts'

test('a topic that the other broker does not let it hear is told, and the others come', async t => {
  const local = await aedesBroker(t)
  const refusing = await aedesBroker(t, { authorizeSubscribe: (_client, subscription, done) => { done(null, subscription.topic === 'no' ? null : subscription) } })
  const here = await listen(t, local)
  const bridge = makeBridge(t, local, refusing, { topics: [row('in', 'no'), row('in', 'yes')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  const { code, detail } = await problem
  assert.equal(code, 'BRIDGE_SUBSCRIPTION_REFUSED')
  assert.match(detail, /: no\./)
  const b = await client(t, refusing)
  await b.publishAsync('no', '1', { qos: 1 })
  await b.publishAsync('yes', '2', { qos: 1 })
  await here.came(1)
  assert.deepEqual(here.texts(), ['yes 2'])
})

test('a message that is too large for the bridge is dropped, acknowledged and counted, and the others come', async t => {
  const local = await aedesBroker(t)
  const here = await listen(t, local)
  const remote = await scriptedBroker(t, peer => {
    answers(peer)
    peer.on(({ cmd }) => {
      if (cmd !== 'subscribe') return
      const message = { cmd: 'publish', topic: 'in', qos: 1, dup: false, retain: false }
      peer.send({ ...message, payload: Buffer.alloc(17_000_000), messageId: 1 })
      peer.send({ ...message, payload: 'small', messageId: 2 })
    })
  })
  const bridge = makeBridge(t, local, remote, { topics: [row('in', 'in')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  assert.deepEqual([(await problem).code, (await problem).detail], ['BROKER_PACKET_TOO_LARGE', 'A message on "in" has 17000012 bytes, of 16777216 that are taken.'])
  await here.came(1)
  await until(() => remote.consumers[0]?.got.filter(({ cmd }) => cmd === 'puback').length, count => count === 2)
  assert.deepEqual(here.texts(), ['in small'])
  const { connected, received, dropped } = bridge.statistics()
  assert.deepEqual([connected, received, dropped], [true, 1, 1])
})

/** A broker that knows no bridges: it answers protocol level 0x84 with CONNACK 1, as HiveMQ does, or hangs up. */
function withoutBridges (answer: boolean): (socket: Socket) => Socket {
  return socket => {
    const read = socket.read.bind(socket)
    let isFirst = true
    socket.read = size => {
      const chunk = read(size) as Buffer | null
      if (chunk === null || !isFirst) return chunk
      isFirst = false
      if (chunk[8] !== 0x84) return chunk
      if (answer) socket.end(mqttPacket.generate({ cmd: 'connack', returnCode: 1, sessionPresent: false }))
      else socket.destroy()
      return null
    }
    return socket
  }
}

for (const [name, answer] of [['refuses', true], ['hangs up on', false]] as const) {
  test(`with a broker that ${name} bridges, each message still crosses once: its echo is dropped`, async t => {
    const [local, remote] = [await aedesBroker(t), await aedesBroker(t, {}, withoutBridges(answer))]
    const [here, there] = [await listen(t, local), await listen(t, remote)]
    const bridge = await openBridge(t, local, remote, { topics: [row('both', '#')] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    for (let i = 0; i < 20; i++) await a.publishAsync('same', 'text', { qos: 1 })
    await until(() => bridge.statistics(), ({ loops }) => loops === 20)
    await b.publishAsync('same', 'text', { qos: 1 })
    await b.publishAsync('end', '', { qos: 1 })
    for (const side of [here, there]) {
      await until(() => side.texts(), texts => texts.includes('end '))
      assert.equal(side.texts().filter(text => text === 'same text').length, 21)
    }
  })
}

test('two bridges between the same brokers carry each message once each, and no more', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const [here, there] = [await listen(t, local), await listen(t, remote)]
  for (let i = 0; i < 2; i++) await openBridge(t, local, remote, { topics: [row('both', 'a')] })
  const publisher = await client(t, local)
  await publisher.publishAsync('a', 'x', { qos: 1 })
  const copies = ({ texts }: typeof here): number => texts().filter(text => text === 'a x').length
  await until(() => [copies(here), copies(there)], ([a, b]) => a === 3 && b === 2)
  // The two copies there come back, each by the bridge that did not bring it, and go no further.
  await publisher.publishAsync('a', 'end', { qos: 1 })
  await until(() => here.texts().filter(text => text === 'a end').length, n => n === 3)
  assert.deepEqual([copies(here), copies(there)], [3, 2])
})

test('brokers that bridge to each other do not send a message round for ever, and say so', async t => {
  const [one, other] = [await aedesBroker(t), await aedesBroker(t)]
  // aedes hangs up on a session that subscribes while something is published to it.
  const options = { topics: [row('out', 'a/#'), row('both', 'b')], clean: true }
  const there = await listen(t, other)
  const bridges = [makeBridge(t, one, other, options), makeBridge(t, other, one, options)] as const
  // It is said once, and what probes whether a bridge has subscribed may come round often enough.
  const problem = Promise.race(bridges.map(bridge => waitFor<PlatziverseError>(bridge, 'problem')))
  await open(t, bridges[0], other, options)
  await open(t, bridges[1], one, options)
  const publisher = await client(t, one)
  await publisher.publishAsync('a/b', 'round', { qos: 1 })
  await publisher.publishAsync('b', 'round', { qos: 1 })
  const { code, message } = await problem
  assert.equal(code, 'BRIDGE_LOOP', message)
  // Nothing moves any more once nothing was counted for a while.
  const sum = (): string => bridges.map(bridge => JSON.stringify(bridge.statistics())).join()
  let before = ''
  await until(async () => {
    before = sum()
    await new Promise(resolve => { setTimeout(resolve, 200) })
    return sum()
  }, after => after === before)
  assert.ok(there.got.length < 200, `${there.got.length}`)
})

test('a bridge to the broker that it belongs to gives up and says so', async t => {
  const local = await aedesBroker(t)
  const bridge = makeBridge(t, local, local, { topics: [row('both', '#')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  assert.equal((await problem).code, 'BRIDGE_TO_ITSELF')
  assert.equal(bridge.state.state, 'closed')
})

test('the buffer is bounded: what comes beyond is dropped, counted and told once', async t => {
  const local = await aedesBroker(t)
  const remote = { url: `mqtt://127.0.0.1:${await freePort()}` }
  const bridge = makeBridge(t, local, remote, { topics: [row('out', 'a')], buffer: { messages: 10 } })
  const problems: string[] = []
  bridge.on('problem', ({ code }) => { problems.push(code) })
  bridge.open()
  const a = await client(t, local)
  for (let i = 0; i < 15; i++) await a.publishAsync('a', String(i), { qos: 1 })
  await a.publishAsync('a', 'QoS 0 does not wait', { qos: 0 })
  await until(() => bridge.statistics(), ({ dropped }) => dropped === 6)
  await until(() => problems, ({ length }) => length === 2)
  assert.deepEqual(problems.sort(), ['BRIDGE_BUFFER_FULL', 'BRIDGE_UNREACHABLE'])
  const left = await bridge.close()
  assert.deepEqual(left.map(({ payload }) => String(payload)), Array.from({ length: 10 }, (_, i) => String(i)))
  // What was left goes with the next bridge.
  const other = await aedesBroker(t)
  const there = await listen(t, other)
  const next = new Bridge(local, { id: 'next', url: other.url, topics: [row('out', 'a')] }, left)
  t.after(() => next.close(100))
  next.open()
  await there.came(10)
  assert.deepEqual(there.texts(), left.map(({ payload }) => `a ${String(payload)}`))
})

test('a connection that breaks again and again loses nothing of QoS 1', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const got: Record<'here' | 'there', Set<string>> = { here: new Set(), there: new Set() }
  local.subscribe('in', ({ payload }) => { if (String(payload) !== 'probe') got.here.add(String(payload)) })
  remote.subscribe('out', ({ payload }) => { got.there.add(String(payload)) })
  await openBridge(t, local, remote, { topics: [row('in', 'in'), row('out', 'out')] })
  for (let i = 0; i < 500; i++) {
    await Promise.all([
      local.publish({ topic: 'out', payload: String(i), qos: 1, retain: false }),
      remote.publish({ topic: 'in', payload: String(i), qos: 1, retain: false })
    ])
    if (i % 50 === 25) remote.cut()
    if (i % 5 === 0) await new Promise(resolve => { setTimeout(resolve, 5) })
  }
  await until(() => [got.here.size, got.there.size], ([here, there]) => here === 500 && there === 500)
  const order = Array.from({ length: 500 }, (_, i) => String(i))
  assert.deepEqual([...got.there], order)
  // aedes sends what waited for a session between what is new.
  assert.deepEqual([...got.here].sort((a, b) => Number(a) - Number(b)), order)
})

test('what this broker refuses is dropped and told, and what follows comes', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const here: string[] = []
  const refusing: LocalBroker = {
    ...local,
    async publish ({ payload }) {
      if (String(payload) === 'bad') throw new PlatziverseError('PUBLISH_FAILED', 'It was refused.')
      here.push(String(payload))
    }
  }
  const bridge = await openBridge(t, refusing, remote, { topics: [row('in', 'a')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  const b = await client(t, remote)
  await b.publishAsync('a', 'bad', { qos: 1 })
  await b.publishAsync('a', 'good', { qos: 1 })
  assert.equal((await problem).code, 'BRIDGE_LOCAL_REFUSED')
  await until(() => here, texts => texts.includes('good'))
  assert.equal(bridge.statistics().dropped, 1)
})

test('bridges that are replaced before they began leave what the first one left, with what came meanwhile', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const options = { id: `replaced-${process.pid}`, topics: [row('out', 'a')] }
  // It answers nothing any more, so what is sent stays unacknowledged.
  remote.aedes.authorizePublish = () => undefined
  const first = await openBridge(t, local, remote, options)
  await local.publish({ topic: 'a', payload: '1', qos: 1, retain: false })
  const second = makeBridge(t, local, remote, options)
  second.open(first.leave(200))
  // aedes lets a listener go in the next turn.
  await nextTurn()
  await local.publish({ topic: 'a', payload: '2', qos: 1, retain: false })
  const third = makeBridge(t, local, remote, options)
  third.open(second.leave(200))
  const { unsent } = await third.leave(200)
  assert.deepEqual(unsent.map(({ payload }) => payload.toString()), ['1', '2'])
  assert.equal(second.state.state, 'closed')
})

// https://github.com/TheAgentK/tuya-mqtt/issues/48: a topic with a wildcard had each broker that got it hang up.
test('a topic with a wildcard, which a lax broker sends, is dropped and told, and what follows comes', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const here = await listen(t, local)
  const bridge = await openBridge(t, local, remote, { topics: [row('in', '#')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  for (const topic of ['T2 candle 5W RGB+CW', 'good']) await remote.publish({ topic, payload: '1', qos: 1, retain: false })
  const { code, detail } = await problem
  assert.deepEqual([code, detail], ['BRIDGE_LOCAL_REFUSED', 'The topic T2 candle 5W RGB+CW has a wildcard.'])
  const texts = await until(() => here.texts(), texts => texts.includes('good 1'))
  assert.deepEqual(texts.filter(text => text.endsWith(' 1')), ['good 1'])
  assert.equal(bridge.statistics().dropped, 1)
})

for (const [name, options] of Object.entries({
  'no address': { url: 'nowhere' },
  'an address of another protocol': { url: 'http://192.0.2.1' },
  'no topics': { topics: [] },
  'a wrong filter': { topics: [row('in', 'a#')] },
  'an empty topic': { topics: [row('in', '')] },
  'a wildcard in a prefix': { topics: [row('in', 'a', { localPrefix: '+/' })] },
  'a wrong QoS': { topics: [row('in', 'a', { qos: 3 as never })] },
  'a wrong buffer': { buffer: { messages: 0 } },
  'a certificate that is none': { url: 'mqtts://192.0.2.1', tls: { cert: 'none', key: 'none' } }
})) {
  test(`${name} is an error that names it`, () => {
    const local: LocalBroker = { publish: async () => undefined, subscribe: () => () => undefined, async * retained () {} }
    assert.throws(() => new Bridge(local, { id: 'a', url: 'mqtt://192.0.2.1', topics: [row('in', 'a')], ...options }), { code: 'BRIDGE_OPTION_INVALID' })
  })
}

test('of several rows the first that matches decides, and nothing is subscribed to twice', () => {
  const topics = new BridgeTopics([
    row('out', 'a/b', { remotePrefix: 'first/' }), row('out', 'a/#', { remotePrefix: 'second/', qos: 2 }), row('both', '+/b', { qos: 0 })
  ])
  assert.deepEqual(topics.outward('a/b'), { topic: 'first/a/b', qos: 1 })
  assert.deepEqual(topics.outward('a/c'), { topic: 'second/a/c', qos: 2 })
  assert.deepEqual(topics.outward('c/b'), { topic: 'c/b', qos: 0 })
  assert.equal(topics.outward('c'), undefined)
  assert.deepEqual(topics.local, [{ filter: 'a/#', qos: 2 }, { filter: '+/b', qos: 1 }])
  assert.deepEqual(topics.remote, [{ filter: '+/b', qos: 0 }])
  assert.deepEqual([topics.isFirst(0, 'a/b'), topics.isFirst(1, 'a/b'), topics.isFirst(1, 'c/b')], [true, false, true])
})

test('the buffer keeps its order, also of what is put back', () => {
  const buffer = new BridgeBuffer({ messages: 5000, bytes: 1e6 }, 2)
  const message = (i: number) => ({ topic: String(i), payload: Buffer.from('x'), qos: 1 as const, retain: false })
  for (let i = 0; i < 3000; i++) assert.ok(buffer.add(message(i)))
  for (let i = 0; i < 2000; i++) buffer.remove(buffer.take()!)
  const taken = buffer.take()!
  buffer.putBack(taken)
  assert.deepEqual(buffer.all().map(({ topic }) => topic), Array.from({ length: 1000 }, (_, i) => String(2000 + i)))
  assert.equal(buffer.take(), taken)
  assert.ok(buffer.take())
  assert.equal(buffer.take(), undefined, 'the window is full')
  assert.equal(buffer.bytes, 5000)
  assert.equal(buffer.add({ ...message(1), payload: Buffer.alloc(1e6) }), false)
})

test('many publishers of the same text are no loop, and what is forgotten is no echo', () => {
  let now = 0
  const guard = new LoopGuard(() => now)
  const text = Buffer.from('on')
  for (; now < 60_000; now += 600) for (const publisher of ['a', 'b']) assert.equal(guard.leaves('t', text, publisher), false)
  guard.echoes('t', text)
  assert.equal(guard.returns('t', text), true)
  assert.equal(guard.returns('t', text), false)
  guard.echoes('t', text)
  now += 10_000
  assert.equal(guard.returns('t', text), false)
})
