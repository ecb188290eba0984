import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { beforeEach, test, type TestContext } from 'node:test'
import { PlatziverseError } from '../../../lib/errors.ts'
import { attachAgent, closeAllAgents, closeOrphanAgents, detachAgent, type AgentNodeOptions } from '../../../lib/registry/agents.ts'
import { startOutboxes, stopOutboxes, type OutboxHandler } from '../../../lib/registry/outbox.ts'
import { makeAgent, problem, startBroker } from '../../helpers/agent-broker.ts'
import { until } from '../../helpers/events.ts'

beforeEach(startOutboxes)

type Sent = Array<{ payload: { metrics?: Array<{ value: unknown }> } }>

function instance (sent: Sent = []): OutboxHandler {
  return { receive: () => undefined, send: msg => { sent.push(msg as Sent[number]) }, clone: msg => structuredClone(msg) }
}

/** The options of an agent that has nothing to measure. */
function optionsFor (t: TestContext, url: string): AgentNodeOptions {
  t.after(closeAllAgents)
  return { uuid: randomUUID(), place: '', broker: '', groups: [], interval: 60_000, reconnect: { min: 10, max: 50 }, mqtt: { url } }
}

test('what other agents say while the flows are stopped waits for the next instance, up to a limit; beyond, it is counted and told', async t => {
  const broker = await startBroker(t)
  const options = optionsFor(t, broker.url)
  const [id, first, sent] = [randomUUID(), instance(), [] as Sent]
  attachAgent(id, options, first)
  await broker.arrived('agent/connected')
  const other = makeAgent(t, { mqtt: { url: broker.url } })
  await other.connect()
  stopOutboxes()
  await detachAgent(id, first)
  // Of 60 KB each.
  const long = Array.from({ length: 60 }, (_, i) => ({ type: `t${i}`, value: 'x'.repeat(1000) }))
  for (let i = 0; i < 140; i++) await other.report(long)
  const agent = attachAgent(id, options, instance(sent))
  startOutboxes()
  const told = problem(agent, 'AGENT_BUFFER_FULL')
  await other.report({ type: 'last', value: 'last' })
  const [, dropped] = /dropped messages: (\d+)/.exec((await told).message) ?? []
  await until(() => sent.at(-1)?.payload.metrics?.[0]?.value, value => value === 'last')
  assert.ok(Number(dropped) > 5 && Number(dropped) < 15)
  assert.equal(sent.filter(({ payload }) => payload.metrics !== undefined).length, 141 - Number(dropped))
})

test('a node that is deleted and comes back at once says hello after its goodbye, and what could not be sent is told', async t => {
  const broker = await startBroker(t)
  const options = optionsFor(t, broker.url)
  const [id, first] = [randomUUID(), instance()]
  const agent = attachAgent(id, options, first)
  await once(agent, 'connected')
  broker.settle = ({ topic }) => topic === 'agent/message' ? new Promise(() => undefined) : undefined
  const report = agent.report({ type: 't', value: 1 })
  await detachAgent(id, first)
  const problems: PlatziverseError[] = []
  const closing = closeOrphanAgents(problem => { problems.push(problem) })
  attachAgent(id, options, instance())
  await closing
  await assert.rejects(report, { code: 'AGENT_CLOSED' })
  await broker.arrived('agent/connected', 2)
  assert.deepEqual(broker.arrivals.map(({ connection, topic }) => [connection, topic]), [[0, 'agent/connected'], [0, 'agent/message'], [0, 'agent/disconnected'], [1, 'agent/connected']])
  assert.deepEqual(problems.map(({ code }) => code), ['AGENT_CLOSED'])
})

test('what an agent could not send whose settings changed is told to the one that takes its place', async t => {
  const broker = await startBroker(t)
  const options = optionsFor(t, broker.url)
  const [id, first] = [randomUUID(), instance()]
  const agent = attachAgent(id, options, first)
  await once(agent, 'connected')
  broker.settle = ({ topic }) => topic === 'agent/message' ? new Promise(() => undefined) : undefined
  const report = agent.report({ type: 't', value: 1 })
  await detachAgent(id, first)
  const next = attachAgent(id, { ...options, interval: 50_000 }, instance())
  assert.notEqual(next, agent)
  const [, told] = await Promise.all([assert.rejects(report, { code: 'AGENT_CLOSED' }), problem(next, 'AGENT_CLOSED')])
  assert.match(told.message, /dropped messages: 1/)
  await broker.arrived('agent/connected', 2)
})
