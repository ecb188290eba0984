import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LocalBroker } from '../../../lib/bridge/bridge.ts'
import type { PlatziverseError } from '../../../lib/errors.ts'
import { aedesBroker, client, connected, listen, makeBridge, open, row } from '../../helpers/bridge.ts'
import { openBroker, type TestBroker } from '../../helpers/broker.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'
import { answers, scriptedBroker, waysToRefuseVersion5, type Peer } from '../../helpers/scripted-broker.ts'

function localOf ({ place }: TestBroker): LocalBroker {
  return {
    publish: (publication, origin) => place.publish(publication, origin),
    subscribe: (filter, subscriber) => place.subscribe(filter, subscriber),
    retained: (filters, signal) => place.retained(filters, signal)
  }
}

const way = ({ version, connect }: Peer): string => version === 5 ? '5' : (connect as { bridgeMode?: boolean }).bridgeMode === true ? '3.1.1 as a bridge' : '3.1.1'

for (const [title, refuses] of waysToRefuseVersion5) {
  test(`another broker that does not speak MQTT 5 and ${title} is spoken to in 3.1.1, without a word and from then on`, async t => {
    const local = await aedesBroker(t)
    const remote = await scriptedBroker(t, peer => {
      if (peer.version === 4) return answers(peer)
      if (refuses !== undefined) peer.send({ cmd: 'connack', ...refuses })
      peer.socket.end()
    })
    const bridge = makeBridge(t, local, remote, { topics: [row('both', 'a')], reconnect: { min: 5_000 } })
    const said: string[] = []
    bridge.on('problem', ({ code }) => { said.push(code) })
    bridge.on('state', ({ state }) => { said.push(state) })
    bridge.open()
    await until(() => said, ({ length }) => length === 2)
    assert.deepEqual(said, ['connecting', 'connected'])
    assert.deepEqual(remote.consumers.map(way), ['5', '3.1.1 as a bridge'])
  })
}

test('the version is the one that is wanted, and another one is not tried', async t => {
  const local = await aedesBroker(t)
  const remote = await scriptedBroker(t, peer => { answers(peer) })
  const old = makeBridge(t, local, remote, { topics: [row('out', 'a')], version: '3.1.1', bridgeBit: false })
  old.open()
  await connected(old)
  assert.deepEqual(remote.consumers.map(way), ['3.1.1'])

  const aged = await aedesBroker(t)
  const young = makeBridge(t, local, aged, { topics: [row('out', 'a')], version: '5' })
  const told = waitFor<PlatziverseError>(young, 'problem')
  young.open()
  assert.equal((await told).code, 'BRIDGE_UNREACHABLE')
})

test('with MQTT 5 the session is kept for ever, and not at all where it is to be clean', async t => {
  const local = await aedesBroker(t)
  const remote = await scriptedBroker(t, peer => { answers(peer) })
  for (const clean of [false, true]) {
    const bridge = makeBridge(t, local, remote, { topics: [row('in', 'a')], clean })
    bridge.open()
    await connected(bridge)
  }
  assert.deepEqual(remote.consumers.map(({ connect }) => [connect.clean, connect.properties]), [
    [false, { sessionExpiryInterval: 0xffff_ffff, receiveMaximum: 100 }], [true, { receiveMaximum: 100 }]
  ])
  const [subscribe] = await until(() => remote.consumers[1]?.got ?? [], ({ length }) => length > 0)
  assert.deepEqual(subscribe?.cmd === 'subscribe' && subscribe.subscriptions, [{ topic: 'a', qos: 1, nl: true, rap: true, rh: 0 }])
})

// Whether it is spoken to in 5 or in 3.1.1 is for it to say.
test('with a broker of this package each message crosses once, and keeps its flag', async t => {
  const [local, remote] = [await openBroker(t), await openBroker(t)]
  const options = { topics: [row('both', '#')] }
  const bridge = makeBridge(t, localOf(local), remote, options)
  await open(t, bridge, remote, options)
  const [here, there] = [await listen(t, local), await listen(t, remote)]
  for (let i = 0; i < 20; i++) await local.place.publish({ topic: 'same', payload: 'text', qos: 1, retain: false })
  await remote.place.publish({ topic: 'same', payload: 'text', qos: 1, retain: false })
  await remote.place.publish({ topic: 'kept', payload: 'far', qos: 1, retain: true })
  for (const side of [here, there]) {
    await until(() => side.texts(), texts => texts.includes('kept far'))
    assert.equal(side.texts().filter(text => text === 'same text').length, 21)
  }
  const retained: string[] = []
  for await (const { topic } of local.place.retained(['#'], t.signal)) retained.push(topic)
  assert.deepEqual(retained, ['kept'])
  assert.equal(bridge.statistics().loops, 0)
})

for (const version of ['5', '3.1.1'] as const) {
  test(`with Mosquitto and MQTT ${version}, what comes keeps its flag and is not sent back`, { skip: withoutMosquitto }, async t => {
    const [local, { port }] = [await openBroker(t), await openMosquitto(t)]
    const remote = { port, url: `mqtt://127.0.0.1:${port}` }
    const options = { topics: [row('both', '#')], version }
    const bridge = makeBridge(t, localOf(local), remote, options)
    await open(t, bridge, remote, options)
    const there = await listen(t, remote)
    for (let i = 0; i < 20; i++) await local.place.publish({ topic: 'same', payload: 'text', qos: 1, retain: false })
    await there.came(20)
    const { received } = bridge.statistics()
    const far = await client(t, remote)
    await far.publishAsync('kept', 'far', { qos: 1, retain: true })
    await until(() => bridge.statistics().received, count => count === received + 1)
    const retained: string[] = []
    for await (const { topic } of local.place.retained(['#'], t.signal)) retained.push(topic)
    assert.deepEqual(retained, ['kept'])
    assert.equal(bridge.statistics().loops, 0)
  })
}
