import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { AgentStates, agentStatesOf, dropAgentStates, publicationOf } from '../../../lib/registry/agent-states.ts'
import { attachBroker, type RegisteredBroker } from '../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, removeBroker } from '../../helpers/broker.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../helpers/remote-broker.ts'

const of = (uuid: string) => ({ agent: { uuid } })

test('an agent\'s state is published when it changes, from its first message on', () => {
  const states = agentStatesOf('n1', 'broker')
  assert.deepEqual(states.changesBy('agent/message', of('a')), [{ uuid: 'a', topic: 'agent/a/status', payload: 'connected' }])
  assert.deepEqual(states.changesBy('agent/connected', of('a')), [])
  assert.equal(states.changesBy('agent/disconnected', of('a'))[0]?.payload, 'disconnected')
  assert.deepEqual(states.changesBy('agent/disconnected', of('a')), [])
  assert.equal(states.changesBy('agent/message', of('a'))[0]?.payload, 'connected')
  assert.equal(states.changesBy('agent/connected', of('b'))[0]?.payload, 'connected')
  assert.deepEqual(states.changesBy('other', of('c')), [])
  assert.deepEqual(states.changesBy('agent/message', 'text'), [])
})

test('an agent whose uuid is no level of a topic has no state', () => {
  for (const uuid of ['a/b', 'a+', '#', '/']) {
    assert.deepEqual(agentStatesOf('n3', 'broker').changesBy('agent/message', of(uuid)), [])
    assert.equal(agentStatesOf('n3', 'broker').forget(uuid), undefined)
  }
})

test('an agent that was forgotten is published anew, and a deploy forgets nothing', () => {
  agentStatesOf('n2', 'broker').changesBy('agent/message', of('a'))
  assert.deepEqual(agentStatesOf('n2', 'broker').changesBy('agent/message', of('a')), [])
  assert.deepEqual(agentStatesOf('n2', 'broker').forget('a'), { uuid: 'a', topic: 'agent/a/status', payload: '' })
  assert.equal(agentStatesOf('n2', 'broker').changesBy('agent/message', of('a'))[0]?.payload, 'connected')
  dropAgentStates('n2')
  assert.equal(agentStatesOf('n2', 'broker').changesBy('agent/message', of('a'))[0]?.payload, 'connected')
})

test('agents that are invented leave room for what others retain: who has been gone longest loses its state, and who is connected keeps it', () => {
  const states = agentStatesOf('n4', 'broker')
  states.changesBy('agent/message', of('honest'))
  for (let i = 1; i < 5000; i++) assert.equal(states.changesBy('agent/message', of(`invented-${i}`)).length, 1)
  assert.deepEqual(states.changesBy('agent/message', of('one-more')), [])
  states.changesBy('agent/disconnected', of('invented-7'))
  states.changesBy('agent/disconnected', of('invented-8'))
  assert.deepEqual(states.changesBy('agent/message', of('one-more')), [{ uuid: 'invented-7', topic: 'agent/invented-7/status', payload: '' }, { uuid: 'one-more', topic: 'agent/one-more/status', payload: 'connected' }])
  assert.deepEqual(states.changesBy('agent/connected', of('honest')), [])
})

test('a node that publishes to another broker begins anew there', () => {
  assert.equal(agentStatesOf('n5', 'one').changesBy('agent/message', of('a')).length, 1)
  assert.equal(agentStatesOf('n5', 'two').changesBy('agent/message', of('a')).length, 1)
  assert.deepEqual(agentStatesOf('n5', 'two').changesBy('agent/message', of('a')), [])
})

test('after a restart the states on the disk count, and make room for agents that are new', async t => {
  const folder = await temporaryFolder(t)
  const before = await openBroker(t, { folder })
  const retain = async (topic: string, payload: string) => { await before.place.publish({ topic, payload, qos: 1, retain: true }) }
  await Promise.all([
    ...Array.from({ length: 4_990 }, (_, i) => retain(`agent/a${i}/status`, 'connected')),
    ...Array.from({ length: 10 }, (_, i) => retain(`agent/b${i}/status`, 'disconnected')),
    retain('agent/lamp/status', 'online')
  ])
  await removeBroker(before.id)

  const states = new AgentStates(before.id)
  const restoring = states.restore(before.place, t.signal)
  await attachBroker(before.id, brokerOptions({ folder }))
  await restoring
  assert.equal((await retainedStates(t, before.place)).size, 5_001)
  assert.deepEqual(states.changesBy('agent/message', of('a0')), [], 'it is still connected')
  assert.deepEqual(states.changesBy('agent/disconnected', of('b0')), [])

  const say = async (topic: string, uuid: string) => { for (const change of states.changesBy(topic, of(uuid))) await before.place.publish(publicationOf(change)) }
  await say('agent/connected', 'b1')
  await say('agent/disconnected', 'a1')
  assert.equal((await retainedStates(t, before.place)).get('agent/a1/status'), 'disconnected')
  for (let i = 0; i < 11; i++) await say('agent/message', `new-${i}`)
  const retained = await retainedStates(t, before.place)
  assert.equal(retained.size, 5_001)
  assert.equal(retained.get('agent/lamp/status'), 'online', 'of another program')
  assert.equal(retained.get('agent/a0/status'), 'connected')
  assert.equal(retained.get('agent/a1/status'), undefined)
  assert.deepEqual([...retained].filter(([topic]) => /agent.b/.test(topic)), [['agent/b1/status', 'connected']], 'those that were gone went first')
  assert.equal([...retained].filter(([topic]) => /agent.a/.test(topic)).length, 4_988, 'then those that nobody heard of since')
  assert.deepEqual(states.forget('a9'), { uuid: 'a9', topic: 'agent/a9/status', payload: '' })
})

test('more states than the limit, as former versions left them, are cleared', async t => {
  const { place } = await openBroker(t)
  for (let i = 0; i < 5_003; i++) await place.publish({ topic: `agent/a${i}/status`, payload: i < 2 ? 'disconnected' : 'connected', qos: 1, retain: true })
  const states = new AgentStates('broker')
  await states.restore(place, t.signal)
  const retained = await retainedStates(t, place)
  assert.equal(retained.size, 5_000)
  assert.deepEqual([...retained.values()].filter(state => state === 'disconnected'), [])
  await place.publish({ topic: 'agent/late/status', payload: 'connected', qos: 1, retain: true })
  await states.restore(place, t.signal)
  assert.equal((await retainedStates(t, place)).size, 5_001, 'it counts once')
})

test('counting ends with the node, also while the broker is away', async t => {
  const { id, place } = await openBroker(t)
  await removeBroker(id)
  const ending = new AbortController()
  const restoring = new AgentStates(id).restore(place, ending.signal)
  ending.abort()
  await assert.rejects(restoring, { name: 'AbortError' })
})

test('states at a broker elsewhere may be of other workers, and are left alone', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
  const { id, place, connected } = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`))
  await connected()
  await Promise.all(Array.from({ length: 5_001 }, (_, i) => place.publish({ topic: `agent/a${i}/status`, payload: 'disconnected', qos: 1, retain: true })))
  const states = new AgentStates(id)
  await states.restore(place, t.signal)
  assert.equal(states.changesBy('agent/message', of('new')).length, 1)
  assert.equal((await retainedStates(t, place)).size, 5_001)
})

async function retainedStates (t: TestContext, place: RegisteredBroker): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { topic, payload } of place.retained(['agent/+/status'], t.signal)) found.set(topic, payload.toString())
  return found
}
