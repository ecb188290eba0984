import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectAsync } from 'mqtt'
import { agentInDefaults } from '../../nodes/agent-in/config.ts'
import { upgrade as agentIn } from '../../nodes/agent-in/migrations.ts'
import { agentOutDefaults } from '../../nodes/agent-out/config.ts'
import { upgrade as agentOut } from '../../nodes/agent-out/migrations.ts'
import { metricAlertDefaults } from '../../nodes/metric-alert/config.ts'
import { upgrade as metricAlert } from '../../nodes/metric-alert/migrations.ts'
import { metricQueryDefaults } from '../../nodes/metric-query/config.ts'
import { upgrade as metricQuery } from '../../nodes/metric-query/migrations.ts'
import { metricStoreDefaults } from '../../nodes/metric-store/config.ts'
import { upgrade as metricStore } from '../../nodes/metric-store/migrations.ts'
import { agentDefaults } from '../../nodes/platziverse-agent/config.ts'
import { upgrade as agent } from '../../nodes/platziverse-agent/migrations.ts'
import { bridgeDefaults } from '../../nodes/platziverse-bridge/config.ts'
import { upgrade as bridge } from '../../nodes/platziverse-bridge/migrations.ts'
import { brokerDefaults } from '../../nodes/platziverse-broker/config.ts'
import { upgrade as broker } from '../../nodes/platziverse-broker/migrations.ts'
import { databaseDefaults } from '../../nodes/platziverse-database/config.ts'
import { upgrade as database } from '../../nodes/platziverse-database/migrations.ts'
import { adds, upgradeBy, type Saved } from '../../nodes/shared/migrations.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { oldFlows } from '../helpers/old-flows.ts'

const nodes: Record<string, { upgrade (saved: Saved): object, defaults: object }> = {
  'agent-in': { upgrade: agentIn, defaults: agentInDefaults },
  'agent-out': { upgrade: agentOut, defaults: agentOutDefaults },
  'metric-alert': { upgrade: metricAlert, defaults: metricAlertDefaults },
  'metric-query': { upgrade: metricQuery, defaults: metricQueryDefaults },
  'metric-store': { upgrade: metricStore, defaults: metricStoreDefaults },
  'platziverse-agent': { upgrade: agent, defaults: agentDefaults },
  'platziverse-bridge': { upgrade: bridge, defaults: bridgeDefaults },
  'platziverse-broker': { upgrade: broker, defaults: brokerDefaults },
  'platziverse-database': { upgrade: database, defaults: databaseDefaults }
}

test('what a form of 0.1.0 once had of a series does not cut a list', () => {
  const old = { query: 'agents', limit: '20' }
  assert.equal(metricQuery(old as never).limit, '')
  assert.equal(metricQuery({ ...old, query: 'series' } as never).limit, '20')
  assert.equal(metricQuery({ ...metricQueryDefaults, ...old } as never).limit, '20', 'as today it was meant')
})

test('a node that 0.1.0 saved has every property of today, and keeps its own', async () => {
  let migrated = 0
  for (const [name, flow] of await oldFlows()) {
    for (const saved of flow) {
      const node = nodes[saved.type]
      if (node === undefined) continue
      const before = structuredClone(saved)
      const now = node.upgrade(saved)
      assert.deepEqual(saved, before, 'what was saved is not changed')
      assert.deepEqual(now, { ...node.defaults, ...saved }, `${name}: ${saved.type}`)
      assert.equal(node.upgrade(now as Saved), now, 'once is enough')
      migrated++
    }
  }
  assert.equal(migrated, 11)
})

// Node-RED's editor wrote what was shown under agent-out over its property "status", and saved that with the flow.
test('no property has a name under which the editor keeps something of its own on every node', () => {
  const taken = ['id', 'type', 'x', 'y', 'z', 'w', 'h', 'd', 'g', 'l', 'wires', 'inputs', 'outputs', 'ports', 'status', 'statusError', 'dirty', 'dirtyStatus', 'changed', 'moved', 'valid',
    'validationErrors', 'selected', 'highlighted', 'hovered', 'resize', 'infoText', 'links', 'credentials', 'icon', 'info', 'locked', 'users', '_def', '_config', '_ordered', '_orig', '__outputs']
  for (const [type, { defaults }] of Object.entries(nodes)) assert.deepEqual(Object.keys(defaults).filter(name => taken.includes(name)), [], type)
})

test('a node of today stays as it is', () => {
  for (const [type, { upgrade, defaults }] of Object.entries(nodes)) {
    const saved = { ...defaults }
    assert.equal(upgrade(saved), saved, type)
  }
})

test('null, as a program may have written it, counts as missing', () => {
  for (const [type, { upgrade, defaults }] of Object.entries(nodes)) {
    const saved: Saved = Object.fromEntries(Object.keys(defaults).map(name => [name, null]))
    assert.deepEqual(upgrade(saved), upgrade({}), type)
  }
})

test('steps are taken in their order, and what none knows is as in a new node', () => {
  const upgrade = upgradeBy({ host: 'new', port: 1, secure: true }, [
    { to: '0.2.0', migrate: adds({ address: 'old:7', secure: false }) },
    {
      to: '0.3.0',
      migrate ({ address, ...saved }) {
        if (address === undefined) return saved
        const [host, port] = String(address).split(':')
        return { ...saved, host, port: Number(port) }
      }
    }
  ])
  assert.deepEqual(upgrade({}), { host: 'old', port: 7, secure: false })
  assert.deepEqual(upgrade({ host: undefined, address: 'a:9', secure: true } as Saved), { host: 'a', port: 9, secure: true })
})

test('what `${ENV}` gives is text, and taken for what it says; what is nothing like its default is told, and replaced', () => {
  const upgrade = upgradeBy({ host: '', port: 1, secure: true, rows: [] as object[], limits: {} }, [], { items: { rows: { qos: 1, filter: '' } } })
  const kept = { host: 'a', port: '2', secure: false, rows: [{ qos: '2', filter: 'x', more: [] }], limits: { a: 1 } } as object
  assert.equal(upgrade(kept), kept)
  assert.deepEqual(upgrade({ host: 5, secure: 'false', rows: [{ filter: 7 }, { qos: null }] } as object), { host: '5', port: 1, secure: false, rows: [{ qos: 1, filter: '7' }, { qos: 1, filter: '' }], limits: {} })
  for (const rows of [{}, 'x', [null], ['x'], [[]], [{ qos: {} }], [{ filter: ['x'] }]]) {
    const told: string[] = []
    assert.deepEqual(upgrade({ host: [], port: true, secure: 'maybe', rows, limits: [] } as object, name => { told.push(name) }), { host: '', port: 1, secure: true, rows: [], limits: {} })
    assert.deepEqual(told, ['host', 'port', 'secure', 'rows', 'limits'])
  }
})

const load = useNodeRed()

test('a node that saved something unreadable is there, says so, opens nothing, and refuses every message', async () => {
  const broken: Record<string, object> = {
    'platziverse-broker': { port: 0, rules: 'x' }, 'platziverse-bridge': { topics: {} }, 'agent-in': { timeLimit: [5] }, 'platziverse-database': { overrides: {} },
    'metric-store': { grace: {} }, 'metric-query': { most: {} }, 'agent-out': { retain: 'maybe' }
  }
  const { node, status, receive, log } = await load([{ id: 'tab', type: 'tab' }, ...Object.entries(broken).map(([type, saved]) => ({ id: `the ${type}`, type, ...saved, ...type === 'platziverse-database' ? {} : { z: 'tab' } }))])
  for (const [type, saved] of Object.entries(broken)) {
    const name = Object.keys(saved).at(-1) as string
    const id = `the ${type}`
    assert.ok(node(id), type)
    assert.equal(status(id)?.fill, 'red', type)
    const told = (): number => log().filter(line => line.startsWith(`What was saved as "${name}" cannot be read. Open the node,`) && line.endsWith('(NODE_PROPERTY_INVALID)')).length
    assert.equal(told(), 1, type)
    if (type === 'platziverse-database') continue
    receive(id, { payload: 1 })
    await until(told, count => count === 2)
  }
  assert.equal(findBroker('the platziverse-broker').listener.state, 'closed')
})

for (const [name, flow] of await oldFlows()) {
  test(`the flow "${name}" that 0.1.0 saved runs as it is`, async t => {
    const folder = await temporaryFolder(t)
    // The core's nodes are not there, nor the agent's.
    const ours = flow.filter(({ type }) => type === 'tab' || (type in nodes && type !== 'platziverse-agent')).map(node => {
      if (node.type === 'platziverse-broker') return { ...node, port: '0' }
      return node.type === 'platziverse-database' ? { ...node, filename: join(folder, 'test.sqlite') } : node
    })
    const { url, log } = await load(ours)
    const client = await connectAsync(await url(String(ours.find(({ type }) => type === 'platziverse-broker')?.id)))
    const agent = { uuid: 'chip-1', username: 'ana', name: 'press', hostname: 'plant', pid: 1 }
    // Resolves with the PUBACK, after the commit.
    await client.publishAsync('agent/message', JSON.stringify({ agent, metrics: [{ type: 'temperature', value: 21.5 }] }), { qos: 1 })
    await client.endAsync()
    // Those of Node-RED itself are about the test's own set-up.
    assert.deepEqual(log().filter(line => !/^\[helper\]|^nodes\.credentials/.test(line)), [])
  })
}
