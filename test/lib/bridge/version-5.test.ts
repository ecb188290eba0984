import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { IPublishPacket, MqttClient } from 'mqtt'
import type { LocalBroker } from '../../../lib/bridge/bridge.ts'
import type { Delivered } from '../../../lib/broker/publication.ts'
import type { PlatziverseError } from '../../../lib/errors.ts'
import type { MessageProperties } from '../../../lib/mqtt/message-properties.ts'
import { client, connected, makeBridge, open, row, type Side } from '../../helpers/bridge.ts'
import { openBroker } from '../../helpers/broker.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'
import { freePort } from '../../helpers/node-red.ts'
import { answers, scriptedBroker, type Peer } from '../../helpers/scripted-broker.ts'

interface Local extends LocalBroker { heard: Delivered[] }

/** A broker of this package, and what it hears. */
async function openLocal (t: TestContext): Promise<Local> {
  const { place } = await openBroker(t)
  const heard: Delivered[] = []
  place.subscribe('#', message => { heard.push(message) })
  return {
    heard,
    publish: (publication, origin) => place.publish(publication, origin),
    subscribe: (filter, subscriber) => place.subscribe(filter, subscriber),
    retained: (filters, signal) => place.retained(filters, signal)
  }
}

async function mosquitto (t: TestContext): Promise<Side> {
  const { port } = await openMosquitto(t)
  return { port, url: `mqtt://127.0.0.1:${port}` }
}

/** Hears everything there in MQTT 5. */
async function hear (t: TestContext, side: Side): Promise<{ packets: IPublishPacket[], far: MqttClient }> {
  const far = await client(t, side, { protocolVersion: 5 })
  const packets: IPublishPacket[] = []
  far.on('message', (_topic, _payload, packet) => { packets.push(packet) })
  await far.subscribeAsync('#', { qos: 1 })
  return { packets, far }
}

const said: MessageProperties = {
  contentType: 'text/plain',
  responseTopic: 'answers/1',
  correlationData: Buffer.from([0, 255]),
  userProperties: [['b', '1'], ['b', '2'], ['a', '3']],
  isText: true
}
const asPacket = { contentType: 'text/plain', responseTopic: 'answers/1', correlationData: Buffer.from([0, 255]), payloadFormatIndicator: true }

for (const [name, skip, openRemote] of [['Mosquitto', withoutMosquitto, mosquitto], ['a broker of this package', false, openBroker]] as const) {
  test(`what a publisher says of its message crosses to ${name} and back, the expiry too, with the mark of the bridge behind it`, { skip }, async t => {
    const [local, remote] = [await openLocal(t), await openRemote(t)]
    const options = { topics: [row('both', '#')] }
    const bridge = makeBridge(t, local, remote, options)
    await open(t, bridge, remote, options)
    const { packets, far } = await hear(t, remote)
    await local.publish({ topic: 'out', payload: '1', qos: 1, retain: false, properties: { ...said, messageExpiry: 100 } })
    const { properties } = await until(() => packets.find(({ topic }) => topic === 'out'), packet => packet !== undefined) as IPublishPacket
    const { userProperties, messageExpiryInterval, ...others } = properties ?? {}
    assert.deepEqual(others, asPacket)
    const { 'platziverse-bridge': mark, ...own } = { ...userProperties }
    assert.deepEqual(own, { b: ['1', '2'], a: '3' })
    assert.match(String(mark), /^[\w-]{12}$/)
    assert.ok(messageExpiryInterval === 100 || messageExpiryInterval === 99, `${messageExpiryInterval}`)

    await far.publishAsync('in', '2', { qos: 1, properties: { ...asPacket, messageExpiryInterval: 50, userProperties: { b: ['1', '2'], a: '3' } } })
    const came = await until(() => local.heard.find(({ topic }) => topic === 'in'), message => message !== undefined) as Delivered
    const { messageExpiry, ...kept } = came.properties ?? {}
    assert.deepEqual(kept, { ...said, userProperties: [...said.userProperties ?? [], ['platziverse-bridge', String(mark)]] })
    assert.ok(messageExpiry === 50 || messageExpiry === 49, `${messageExpiry}`)
  })
}

test('user properties cross outwards in their order, whatever their names', async t => {
  const [local, remote] = [await openLocal(t), await openBroker(t)]
  const options = { topics: [row('out', '#')] }
  const bridge = makeBridge(t, local, remote, options)
  await open(t, bridge, remote, options)
  const arrived = new Promise<Delivered>(resolve => { remote.place.subscribe('out', resolve) })
  const userProperties: Array<[string, string]> = [['b', '1'], ['a', '2'], ['10', '3'], ['b', '4'], ['9', '5'], ['__proto__', '6'], ['a', '7'], ['', '']]
  await local.publish({ topic: 'out', payload: '1', qos: 1, retain: false, properties: { userProperties } })
  const { properties } = await arrived
  assert.deepEqual(properties?.userProperties?.slice(0, -1), userProperties)
  assert.equal(properties.userProperties.at(-1)![0], 'platziverse-bridge')
})

test('a message that circles over several bridges is recognised the first time that it is back', { skip: withoutMosquitto }, async t => {
  const [here, far] = [await openLocal(t), await openLocal(t)]
  const [one, other] = [await mosquitto(t), await mosquitto(t)]
  const ring = [[here, one, 'out'], [far, one, 'in'], [far, other, 'out'], [here, other, 'in']] as const
  const bridges = []
  for (const [local, remote, direction] of ring) {
    const bridge = makeBridge(t, local, remote, { topics: [row(direction, 'round')] })
    const ready = connected(bridge)
    bridge.open()
    await ready
    bridges.push(bridge)
  }
  // Each session has its subscription before anything is published.
  await new Promise(resolve => { setTimeout(resolve, 200) })
  const problem = waitFor<PlatziverseError>(bridges[0]!, 'problem')
  await here.publish({ topic: 'round', payload: '1', qos: 1, retain: false })
  assert.equal((await problem).code, 'BRIDGE_LOOP')
  assert.deepEqual(bridges.map(bridge => bridge.statistics().loops), [1, 0, 0, 0])
  assert.deepEqual([here.heard.length, far.heard.length], [2, 1])
})

test('what the other broker refuses is counted, told once for each reason, and not sent again; the next one is', async t => {
  const local = await openLocal(t)
  const remote = await scriptedBroker(t, peer => {
    const { send } = peer
    peer.send = packet => {
      const { cmd, messageId } = packet as { cmd: string, messageId: number }
      const asked = peer.got.findLast(packet => packet.cmd === 'publish' && packet.messageId === messageId) as IPublishPacket | undefined
      const isBad = cmd === 'puback' && asked?.topic === 'bad'
      send(isBad ? { ...packet, reasonCode: 0x87, properties: { reasonString: 'Not for bridges.' } } : packet)
    }
    answers(peer, { sessionPresent: false })
  })
  const bridge = makeBridge(t, local, remote, { topics: [row('out', '#')] })
  const problems: PlatziverseError[] = []
  bridge.on('problem', problem => { problems.push(problem) })
  bridge.open()
  await connected(bridge)
  for (const topic of ['bad', 'bad', 'good']) await local.publish({ topic, payload: '1', qos: 1, retain: false })
  await until(() => bridge.statistics(), ({ buffered, sent }) => buffered === 0 && sent === 1)
  assert.equal(bridge.statistics().dropped, 2)
  assert.deepEqual(problems.map(({ code, detail }) => [code, detail]), [['BRIDGE_REMOTE_REFUSED', 'The other broker refused a message on "bad": Not for bridges.']])
  assert.equal(remote.consumers.length, 1)
})

test('with QoS 2 a refusal is PUBREC; what PUBCOMP complains of was taken', async t => {
  const local = await openLocal(t)
  const remote = await scriptedBroker(t, peer => {
    peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, properties: {} })
    peer.on(packet => {
      const { cmd, messageId } = packet
      if (cmd === 'publish') peer.send({ cmd: 'pubrec', messageId, reasonCode: packet.topic === 'bad' ? 0x97 : 0, properties: {} })
      if (cmd === 'pubrel') peer.send({ cmd: 'pubcomp', messageId, reasonCode: 0x92, properties: {} })
    })
  })
  const bridge = makeBridge(t, local, remote, { topics: [row('out', '#', { qos: 2 })] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  await connected(bridge)
  for (const topic of ['bad', 'good']) await local.publish({ topic, payload: '1', qos: 2, retain: false })
  assert.equal((await problem).detail, 'The other broker refused a message on "bad": quota exceeded.')
  await until(() => bridge.statistics(), ({ buffered }) => buffered === 0)
  const { sent, dropped } = bridge.statistics()
  assert.deepEqual([sent, dropped], [1, 1])
})

/** Acknowledges the last message of each connection only once there were so many connections; before that it says why it hangs up. */
function hangsUp (reasonCode: number, times: number): (peer: Peer, before: number) => void {
  return (peer, before) => {
    if (before >= times) return answers(peer)
    peer.send({ cmd: 'connack', sessionPresent: before > 0, returnCode: 0, reasonCode: 0, properties: {} })
    peer.on(({ cmd }) => {
      if (cmd !== 'publish') return
      peer.send({ cmd: 'disconnect', reasonCode, properties: {} })
      peer.socket.end()
    })
  }
}

test('a broker that could not store a message, and says so as it hangs up, gets it again however often that is', async t => {
  const local = await openLocal(t)
  const remote = await scriptedBroker(t, hangsUp(0x97, 6))
  const bridge = makeBridge(t, local, remote, { topics: [row('out', '#')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  await connected(bridge)
  await local.publish({ topic: 'a', payload: '1', qos: 1, retain: false })
  const { code, detail } = await problem
  assert.deepEqual([code, detail], ['BRIDGE_UNREACHABLE', 'the broker hung up: quota exceeded.'])
  await until(() => bridge.statistics(), ({ sent }) => sent === 1)
  assert.equal(bridge.statistics().dropped, 0)
  assert.equal(remote.consumers.length, 7)
})

test('a message over which a broker hangs up with a reason of its own is given up, and those behind it go', async t => {
  const local = await openLocal(t)
  const remote = await scriptedBroker(t, hangsUp(0x99, 4))
  const bridge = makeBridge(t, local, remote, { topics: [row('out', '#')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem', ({ code }) => code === 'BRIDGE_REMOTE_REFUSED')
  bridge.open()
  await connected(bridge)
  for (const payload of ['bad', 'good']) await local.publish({ topic: 'a', payload, qos: 1, retain: false })
  await problem
  await until(() => bridge.statistics(), ({ sent }) => sent === 1)
  assert.equal(bridge.statistics().dropped, 1)
})

test('another broker gets no more at once, no larger, and with no higher QoS than it takes', async t => {
  const local = await openLocal(t)
  let [underWay, most] = [0, 0]
  const remote = await scriptedBroker(t, peer => {
    peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, properties: { receiveMaximum: 2, maximumPacketSize: 200, maximumQoS: 1, retainAvailable: false } })
    peer.on(packet => {
      if (packet.cmd !== 'publish') return
      most = Math.max(most, ++underWay)
      setTimeout(() => {
        underWay--
        peer.send({ cmd: 'puback', messageId: packet.messageId })
      }, 5)
    })
  })
  const bridge = makeBridge(t, local, remote, { topics: [row('out', '#', { qos: 2 })] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  await connected(bridge)
  await local.publish({ topic: 'large', payload: 'x'.repeat(200), qos: 1, retain: false })
  // All at once, or the answer to one may come before the next on a busy machine.
  await Promise.all(Array.from({ length: 10 }, (_, i) => local.publish({ topic: 'a', payload: String(i), qos: 2, retain: true })))
  const { code, detail } = await problem
  assert.equal(code, 'BRIDGE_REMOTE_REFUSED')
  assert.match(detail, /^A message on "large" has 2\d\d bytes, of 200 that are taken\.$/)
  await until(() => bridge.statistics(), ({ sent }) => sent === 10)
  const packets = remote.consumers.flatMap(({ got }) => got).filter(packet => packet.cmd === 'publish')
  assert.deepEqual(packets.map(({ qos, retain, payload }) => [qos, retain, payload.toString()]), Array.from({ length: 10 }, (_, i) => [1, false, String(i)]))
  assert.equal(most, 2)
  assert.equal(bridge.statistics().dropped, 1)
})

test('what expires while it waits for the other broker is not sent, and the rest says how long it is still worth', async t => {
  const local = await openLocal(t)
  const port = await freePort()
  const bridge = makeBridge(t, local, { url: `mqtt://127.0.0.1:${port}` }, { topics: [row('out', '#')] })
  bridge.open()
  for (const messageExpiry of [1, 100]) await local.publish({ topic: 'a', payload: String(messageExpiry), qos: 1, retain: false, properties: { messageExpiry } })
  await new Promise(resolve => { setTimeout(resolve, 1_100) })
  const remote = await scriptedBroker(t, peer => { answers(peer, { sessionPresent: false }) }, undefined, { host: '127.0.0.1', port })
  await until(() => bridge.statistics(), ({ sent }) => sent === 1)
  const [packet] = remote.consumers.flatMap(({ got }) => got).filter(packet => packet.cmd === 'publish')
  assert.equal(packet?.payload.toString(), '100')
  assert.ok([98, 99].includes(packet.properties?.messageExpiryInterval ?? 0), `${packet.properties?.messageExpiryInterval}`)
  assert.equal(bridge.statistics().dropped, 1)
})
