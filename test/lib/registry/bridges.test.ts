import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connectAsync } from 'mqtt'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { hashPassword } from '../../../lib/broker/access/passwords.ts'
import type { PlatziverseError } from '../../../lib/errors.ts'
import { claimDelivery, type Claim } from '../../../lib/intake/pending-deliveries.ts'
import { attachBridge, closeOrphanBridges, detachBridge, type BridgeNodeOptions } from '../../../lib/registry/bridges.ts'
import { attachBroker, type RegisteredBroker } from '../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, openIntake, removeBroker, type Heard, type TestBroker } from '../../helpers/broker.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../helpers/remote-broker.ts'

const reading = (uuid = 'a1', rest = {}): string => JSON.stringify({ agent: { uuid }, metrics: [{ type: 't', value: 1 }], timestamp: 1_700_000_000_000, ...rest })

function claim (heard: Heard | undefined): Claim {
  const claim = claimDelivery(heard?.incoming?.delivery.id)
  assert.ok(claim)
  return claim
}

interface TestBridge { id: string, bridge: Bridge, options: BridgeNodeOptions, remove (): Promise<void> }

/** A bridge that fetches `agent/#`, and is subscribed. */
async function openBridge (t: TestContext, local: Pick<TestBroker, 'id'>, remote: TestBroker, rest: Partial<BridgeNodeOptions> = {}): Promise<TestBridge> {
  const id = randomUUID()
  const topics: BridgeNodeOptions['topics'] = [{ direction: 'both', filter: 'agent/#', localPrefix: '', remotePrefix: '', qos: 1 }]
  const options: BridgeNodeOptions = { id, clientId: id, broker: local.id, url: remote.url, topics, reconnect: { min: 20, max: 50 }, ...rest }
  const bridge = attachBridge(id, options)
  const remove = async (): Promise<void> => {
    await detachBridge(id)
    await closeOrphanBridges(() => false)
  }
  t.after(remove)
  await until(() => remote.place.clients(), clients => clients.some(({ clientId, subscriptions }) => clientId === id && subscriptions.length > 0))
  return { id, bridge, options, remove }
}

async function plain (t: TestContext): Promise<TestBroker> {
  return await openBroker(t)
}

test('what a bridge brings on the topics of agents goes through agent-in, and is acknowledged to the other broker once it is stored', async t => {
  const [local, remote] = [await plain(t), await plain(t)]
  const { heard } = openIntake(t, local.id)
  const subscriber = await local.client()
  const got: string[] = []
  subscriber.on('message', topic => { got.push(topic) })
  await subscriber.subscribeAsync('#')
  const { id, options, remove } = await openBridge(t, local, remote)
  const publisher = await remote.client()
  await publisher.publishAsync('agent/message', reading('a1', { seq: 1 }), { qos: 1 })
  await until(() => heard.length, n => n === 1)
  assert.deepEqual([heard[0]?.kind, heard[0]?.incoming?.delivery.clientId], ['message', id])
  // Nobody stored it: the next bridge of the session gets it again.
  await remove()
  attachBridge(id, options)
  await until(() => heard.filter(({ kind }) => kind === 'message').length, n => n === 2)
  claim(heard.findLast(({ kind }) => kind === 'message')).settle()
  await publisher.publishAsync('agent/message', reading('a1', { seq: 2 }), { qos: 1 })
  await until(() => heard.filter(({ kind }) => kind === 'message').length, n => n === 3)
  claim(heard.findLast(({ kind }) => kind === 'message')).settle()
  assert.deepEqual(got, [])
})

test('what breaks the contract is rejected and acknowledged as for clients', async t => {
  const [local, remote] = [await plain(t), await plain(t)]
  const { heard } = openIntake(t, local.id)
  const { bridge } = await openBridge(t, local, remote)
  await (await remote.client()).publishAsync('agent/message', 'no JSON', { qos: 1 })
  await until(() => bridge.statistics().received, n => n === 1)
  assert.deepEqual(heard.map(({ kind, rejected }) => [kind, rejected?.reason]), [['rejected', 'PAYLOAD_NOT_JSON']])
})

test('a message that nobody stores is given again, and not acknowledged', async t => {
  const [local, remote] = [await plain(t), await plain(t)]
  const { heard } = openIntake(t, local.id, { timeLimit: 100 })
  const { bridge } = await openBridge(t, local, remote)
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  await (await remote.client()).publishAsync('agent/message', reading(), { qos: 1 })
  assert.equal((await problem).code, 'DELIVERY_UNSETTLED')
  const again = () => heard.filter(({ kind }) => kind === 'message')
  await until(again, ({ length }) => length === 2)
  assert.equal(bridge.statistics().received, 0)
  claim(again()[1]).settle()
  await until(() => bridge.statistics().received, n => n === 1)
})

test('the rules hold for what a bridge brings: those for everyone, or of the user whom it has', async t => {
  const users = [{ username: 'ana', hash: await hashPassword('secret') }]
  const local = await openBroker(t, { users, rules: [{ subject: 'user', username: 'ana', access: 'write', topic: 'agent/#' }] })
  const remote = await plain(t)
  const { heard } = openIntake(t, local.id, { acknowledge: 'arrival' })
  const nobody = await openBridge(t, local, remote)
  const problem = waitFor<PlatziverseError>(nobody.bridge, 'problem')
  const publisher = await remote.client()
  await publisher.publishAsync('agent/message', reading(), { qos: 1 })
  const { code, message } = await problem
  assert.equal(code, 'BRIDGE_LOCAL_REFUSED')
  assert.match(message, /PUBLISH_FORBIDDEN/)
  assert.deepEqual([heard.length, nobody.bridge.statistics().dropped], [0, 1])
  await nobody.remove()
  const ana = await openBridge(t, local, remote, { localUser: 'ana' })
  await publisher.publishAsync('agent/message', reading(), { qos: 1 })
  await until(() => ana.bridge.statistics().received, n => n === 1)
  assert.equal(heard.length, 1)
})

test('a bridge does not speak for an agent of a user', async t => {
  const users = [{ username: 'ana', hash: await hashPassword('secret') }]
  const [local, remote] = [await openBroker(t, { users }), await plain(t)]
  const { heard } = openIntake(t, local.id, { acknowledge: 'arrival' })
  await (await local.client({ username: 'ana', password: 'secret' })).publishAsync('agent/message', reading(), { qos: 1 })
  const { bridge } = await openBridge(t, local, remote)
  await (await remote.client()).publishAsync('agent/message', reading(), { qos: 1 })
  await until(() => bridge.statistics().received, n => n === 1)
  assert.deepEqual(heard.map(({ kind, rejected }) => [kind, rejected?.reason]), [['message', undefined], ['rejected', 'AGENT_NOT_THEIRS']])
})

test('agents that came over a bridge are gone when it is removed, and when it was without a connection for long', async t => {
  const local = await plain(t)
  const { heard } = openIntake(t, local.id, { acknowledge: 'arrival' })
  const gone = () => heard.filter(({ kind }) => kind === 'disconnected').map(({ incoming }) => incoming?.payload.agent.uuid)
  const remotes = [await plain(t), await plain(t)] as const
  const lasting = await openBridge(t, local, remotes[0], { absence: 100 })
  const removed = await openBridge(t, local, remotes[1])
  await (await remotes[0].client()).publishAsync('agent/message', reading('absent'), { qos: 1 })
  await (await remotes[1].client()).publishAsync('agent/message', reading('removed'), { qos: 1 })
  await until(() => heard.length, n => n === 2)
  // A connection that comes back soon is no reason.
  remotes[0].place.control.disconnect(lasting.id)
  await until(() => lasting.bridge.statistics().reconnects, n => n === 1)
  await removed.remove()
  assert.deepEqual(gone(), ['removed'])
  remotes[0].place.control.disconnect(lasting.id, 3600)
  await until(gone, ({ length }) => length === 2)
  assert.deepEqual(gone(), ['removed', 'absent'])
})

test('a broker returns nothing to a bridge of what came from it, nor of what agent-out made of that', async t => {
  const [local, remote] = [await plain(t), await plain(t)]
  const { heard } = openIntake(t, remote.id)
  const { bridge } = await openBridge(t, local, remote, { topics: [{ direction: 'both', filter: '#', localPrefix: '', remotePrefix: '', qos: 1 }] })
  const publisher = await local.client()
  await publisher.publishAsync('plain', '1', { qos: 1 })
  await local.place.publish({ topic: 'agent/message', payload: reading(), qos: 1, retain: false })
  await until(() => heard.length, n => n === 1)
  const { clientId } = heard[0]?.incoming?.delivery ?? {}
  await remote.place.publish({ topic: 'agent/message', payload: reading(), qos: 1, retain: false }, `client:${clientId}`)
  claim(heard[0]).settle()
  await remote.place.publish({ topic: 'end', payload: '', qos: 1, retain: false })
  await until(() => bridge.statistics().received, n => n > 0)
  assert.deepEqual([bridge.statistics().received, bridge.statistics().sent], [1, 2])
})

test('a bridge goes on when its broker is deleted and comes back', async t => {
  const remote = await plain(t)
  const local = { id: randomUUID() }
  t.after(() => removeBroker(local.id))
  await attachBroker(local.id, brokerOptions())
  const { bridge } = await openBridge(t, local, remote, { topics: [{ direction: 'in', filter: 'x', localPrefix: '', remotePrefix: '', qos: 1 }] })
  await removeBroker(local.id)
  await attachBroker(local.id, brokerOptions())
  await (await remote.client()).publishAsync('x', '1', { qos: 1 })
  await until(() => bridge.statistics().received, n => n === 1, 5_000)
})

test('what a disabled bridge had not sent waits for it, and goes with one that is deleted', async t => {
  for (const isKept of [true, false]) {
    const [local, remote] = [await plain(t), await plain(t)]
    const { id, bridge, options } = await openBridge(t, local, remote)
    remote.place.control.disconnect(id, 3600)
    await until(() => bridge.state.state, state => state === 'connecting')
    await local.place.publish({ topic: 'agent/x', payload: '1', qos: 1, retain: false })
    await detachBridge(id)
    await closeOrphanBridges(() => isKept)
    const next = attachBridge(id, options)
    await nextTurn()
    assert.equal(next.statistics().buffered, isKept ? 1 : 0)
  }
})

/** Broker to Mosquitto to broker, whose agent-in hears. */
async function openChain (t: TestContext) {
  const mosquitto = await openMosquitto(t)
  const [near, far] = [await plain(t), await plain(t)]
  const { heard } = openIntake(t, far.id, { acknowledge: 'arrival' })
  const values = (): unknown[] => heard.flatMap(({ kind, incoming }) => kind === 'message' ? (incoming?.payload as { metrics: Array<{ value: number }> }).metrics[0]?.value : [])
  const bridgeOf = (broker: Pick<TestBroker, 'id'>, direction: 'in' | 'out', url = `mqtt://127.0.0.1:${mosquitto.port}`): Bridge => {
    const id = randomUUID()
    t.after(async () => {
      await detachBridge(id)
      await closeOrphanBridges(() => false)
    })
    return attachBridge(id, { id, clientId: id, broker: broker.id, url, topics: [{ direction, filter: 'agent/#', localPrefix: '', remotePrefix: '', qos: 1 }], reconnect: { min: 20, max: 50 } })
  }
  const say = async (place: RegisteredBroker, value: number, retain: boolean): Promise<void> => {
    await place.publish({ topic: 'agent/message', payload: JSON.stringify({ agent: { uuid: 'a' }, metrics: [{ type: 't', value }] }), qos: 1, retain })
  }
  return { mosquitto, near, far, values, bridgeOf, say }
}

test('with Mosquitto between two platforms, what one retains of agents is stored by the other once, and not again with the next bridge', { skip: withoutMosquitto }, async t => {
  const { near, far, values, bridgeOf, say } = await openChain(t)
  const inward = bridgeOf(far, 'in')
  await until(() => inward.state.state, state => state === 'connected')
  const outward = bridgeOf(near, 'out')
  await until(async () => {
    await say(near.place, 0, false)
    return values().length
  }, count => count > 0)
  await say(near.place, 1, true)
  await until(values, values => values.at(-1) === 1)
  await near.place.publish({ topic: 'agent/a/status', payload: 'connected', qos: 1, retain: true })
  await outward.close()
  const next = bridgeOf(near, 'out')
  await until(() => next.statistics().sent, sent => sent >= 1)
  await say(near.place, 2, false)
  await until(values, values => values.at(-1) === 2)
  assert.deepEqual(values().filter(value => value !== 0), [1, 2])
})

test('a broker without an agent-in does not pass on as news what another one retained of agents', { skip: withoutMosquitto }, async t => {
  const { mosquitto, near, far, values, bridgeOf, say } = await openChain(t)
  const device = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`, { reconnectPeriod: 0 })
  t.after(() => { device.end(true) })
  await device.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'a' }, metrics: [{ type: 't', value: 7 }] }), { qos: 1, retain: true })
  await device.publishAsync('agent/a/status', 'connected', { qos: 1, retain: true })
  const outward = bridgeOf(near, 'out', far.url)
  await until(() => outward.state.state, state => state === 'connected')
  const inward = bridgeOf(near, 'in')
  await until(() => inward.statistics().received, count => count === 2)
  await say(near.place, 8, false)
  await until(values, values => values.includes(8))
  assert.deepEqual(values(), [8])
  const retained: string[] = []
  for await (const { topic } of near.place.retained(['#'], t.signal)) retained.push(topic)
  assert.deepEqual(retained, ['agent/a/status'])
})

test('a bridge does not bring to a broker elsewhere as news what the other one retained of agents', { skip: withoutMosquitto }, async t => {
  const { mosquitto, bridgeOf } = await openChain(t)
  const device = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`, { reconnectPeriod: 0 })
  t.after(() => { device.end(true) })
  await device.publishAsync('agent/message', reading(), { qos: 1, retain: true })
  await device.publishAsync('agent/a1/status', 'connected', { qos: 1, retain: true })
  const elsewhere = await plain(t)
  const remote = await openRemote(t, remoteOptions(elsewhere.url))
  await remote.connected()
  const heard: string[] = []
  t.after(elsewhere.place.subscribe('agent/#', ({ topic }) => { heard.push(topic) }))
  const inward = bridgeOf(remote, 'in')
  await until(() => inward.statistics().received, count => count === 2)
  assert.deepEqual(heard, ['agent/a1/status'])
})
