import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, test, type TestContext } from 'node:test'
import fc from 'fast-check'
import helper from 'node-red-node-test-helper'
import { errorHelp } from '../../lib/errors.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import agentIn from '../../nodes/agent-in/agent-in.ts'
import { agentInDefaults } from '../../nodes/agent-in/config.ts'
import agentOut from '../../nodes/agent-out/agent-out.ts'
import { agentOutDefaults } from '../../nodes/agent-out/config.ts'
import { savedMaintenanceDefaults } from '../../lib/alerts/rules/saved-maintenance.ts'
import { savedRuleDefaults } from '../../lib/alerts/rules/saved-rule.ts'
import { metricAlertDefaults } from '../../nodes/metric-alert/config.ts'
import metricAlert from '../../nodes/metric-alert/metric-alert.ts'
import { metricQueryDefaults } from '../../nodes/metric-query/config.ts'
import metricQuery from '../../nodes/metric-query/metric-query.ts'
import { metricStoreDefaults } from '../../nodes/metric-store/config.ts'
import metricStore from '../../nodes/metric-store/metric-store.ts'
import { agentDefaults } from '../../nodes/platziverse-agent/config.ts'
import agent from '../../nodes/platziverse-agent/platziverse-agent.ts'
import { bridgeDefaults } from '../../nodes/platziverse-bridge/config.ts'
import bridge from '../../nodes/platziverse-bridge/platziverse-bridge.ts'
import { brokerDefaults } from '../../nodes/platziverse-broker/config.ts'
import broker from '../../nodes/platziverse-broker/platziverse-broker.ts'
import { databaseDefaults } from '../../nodes/platziverse-database/config.ts'
import database from '../../nodes/platziverse-database/platziverse-database.ts'
import { closeAll } from '../../nodes/shared/broker.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { callsOf, loadNodes } from '../helpers/loaded-nodes.ts'
import { oldFlows, type SavedNode } from '../helpers/old-flows.ts'
import { holds } from './fuzz.ts'
import { environment, flowsOf } from './saved.ts'

// Flows that a program wrote, an older version saved or somebody edited by hand: whatever their properties say, each node is there, says
// with a code what is wrong, and opens nothing that it was not told to.

helper.init(createRequire(import.meta.url).resolve('node-red'))
const uncaught: unknown[] = []
const note = (error: unknown): void => { uncaught.push(error) }
before(async () => {
  Object.assign(process.env, environment)
  process.on('uncaughtException', note).on('unhandledRejection', note)
  await new Promise<void>(resolve => { helper.startServer(resolve) })
})
after(async () => {
  await new Promise<void>(resolve => { helper.stopServer(resolve) })
  process.off('uncaughtException', note).off('unhandledRejection', note)
})

/** A listener of each transport, a rule of each kind, and so on: what lists of a node hold. */
const listener = { transport: 'ws', host: '127.0.0.1', port: 0, path: '', certificates: 'none' }
const listeners = [listener, { ...listener, transport: 'path', path: '/fuzz' }, { ...listener, transport: 'tls' }]
const rules = [{ subject: 'everyone', username: '', access: 'readwrite', topic: 'a/#' }, { subject: 'user', username: 'u', access: 'deny', topic: '%u/#' }]
const alertRules = [{ ...savedRuleDefaults, id: 'rule', name: 'hot', types: 'cpu', value: 90 }, { ...savedRuleDefaults, id: 'gone', condition: 'agentGone' }]
const nodes: SavedNode[] = [
  { id: 'broker', type: 'platziverse-broker', ...brokerDefaults, port: 0, listeners, rules, limits: { connections: 10 }, wires: [[], []] },
  { id: 'bridge', type: 'platziverse-bridge', ...bridgeDefaults, broker: 'broker', url: 'mqtt://127.0.0.1:1', wires: [[]] },
  { id: 'in', type: 'agent-in', ...agentInDefaults, broker: 'broker', wires: [['store'], ['store'], ['store'], []] },
  { id: 'database', type: 'platziverse-database', ...databaseDefaults, overrides: [{ type: 'cpu', rawDays: '1', hourDays: '2', dayDays: '3' }] },
  { id: 'store', type: 'metric-store', ...metricStoreDefaults, database: 'database', wires: [['out']] },
  { id: 'query', type: 'metric-query', ...metricQueryDefaults, database: 'database', wires: [[]] },
  { id: 'alert', type: 'metric-alert', ...metricAlertDefaults, database: 'database', rules: alertRules, maintenance: [{ ...savedMaintenanceDefaults, cron: '0 2 * * 0' }], wires: [[], [], []] },
  { id: 'out', type: 'agent-out', ...agentOutDefaults, broker: 'broker', wires: [] },
  { id: 'agent', type: 'platziverse-agent', ...agentDefaults, cpu: false, memory: false, temperature: false, disk: false, network: false, url: 'mqtt://127.0.0.1:1', wires: [[]] }
]

/** All errors that were logged. */
function errors (): string[] {
  const logged = (helper.log().args as Array<[{ level: number, msg: unknown }]>).map(([entry]) => entry)
  return logged.filter(({ level }) => level <= 20 && level > 0).map(({ msg }) => String((msg as Error | undefined)?.stack ?? msg))
}

async function deployed (t: TestContext, flow: SavedNode[]): Promise<void> {
  const userDir = await temporaryFolder(t)
  helper.settings({ userDir })
  try {
    // On a tab, or Node-RED takes a text that is the id of another node for a reference.
    await loadNodes([broker, bridge, agentIn, database, metricStore, metricQuery, metricAlert, agentOut, agent], [{ id: 'tab', type: 'tab' }, ...flow.map(node => node.type === 'platziverse-database' ? node : { ...node, z: 'tab' })])
    for (const { id, type } of flow) {
      const node = helper.getNode(id)
      assert.ok(node, `${type} is not there: ${errors().join('\n')}`)
      if (type === 'metric-query') node.receive({ payload: '' })
      if (type === 'agent-out') node.receive({ topic: 'agent/disconnected', payload: { agent: { uuid: 'x', name: null } } } as never)
      if (type === 'platziverse-agent') node.receive({ payload: { type: 'a', value: 1 } })
    }
    for (const { id, type } of flow) if (type !== 'platziverse-database') await until(() => callsOf(helper.getNode(id), 'status').length, count => count > 0, 2_000)
    for (const { id, type, anonymous, userCount = 0, login } of flow) {
      if (type !== 'platziverse-broker' || [true, 'true', '${FUZZ_TRUE}'].includes(anonymous as never) || userCount !== 0 || login === 'flow') continue
      for (const state of findBroker(id).listenerStates) if (state.state === 'listening') assert.match(state.host, /^(127\.|::1)/, 'it is open to the network')
    }
    for (const error of errors()) assert.ok(Object.keys(errorHelp).some(code => error.includes(code)), `no code: ${error}`)
  } finally {
    await helper.unload()
    await closeAll()
  }
  assert.deepEqual(uncaught.splice(0), [])
}

test('whatever properties a flow has, every node is there, and says with a code what is wrong', { timeout: 600_000 }, async t => {
  await holds(t, fc.asyncProperty(flowsOf(nodes), flow => deployed(t, flow)), 25)
})

test('so it is with what version 0.1.0 saved', { timeout: 600_000 }, async t => {
  for (const flow of (await oldFlows()).values()) {
    const ours = flow.filter(({ type }) => nodes.some(node => node.type === type)).map(node => 'port' in node ? { ...node, port: 0 } : node)
    await holds(t, fc.asyncProperty(flowsOf(ours), flow => deployed(t, flow)), 8)
  }
})
