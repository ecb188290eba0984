import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentColumnNames, agentRow, agentTuple, changesOfAgents, describeAgent, descriptionFields, isDescribed, type AgentRow } from '../../../../lib/store/dialects/agent-columns.ts'

const agent: AgentRow = { instance: 'i', lastSeenAt: 3, connectedAt: 2, connected: true, pid: 1, hostname: 'h', name: 'n', username: 'u', uuid: 'a', cameSeq: 6, cameAt: 5, spokeAt: 7 }

test('the values of an agent are in the order of its columns', () => {
  assert.deepEqual(Object.fromEntries(agentColumnNames.map((column, i) => [column, agentTuple(agent, 4)[i]])),
    { uuid: 'a', username: 'u', name: 'n', hostname: 'h', pid: 1, connected: true, connected_at: 2, last_seen_at: 3, instance: 'i', came_seq: 6, came_at: 5, spoke_at: 7 })
  assert.deepEqual(agentTuple(agent, 4).slice(agentColumnNames.length), [4])
})

test('what looks at another column is assigned first', () => {
  const changes = changesOfAgents({ given: column => `new.${column}`, there: column => column, later: (there, given) => `greatest(${there}, ${given})` })
  const assigned = [...changes.matchAll(/(?:^|, )(\w+) = /g)].map(([, column]) => column)
  assert.deepEqual(assigned, ['usual_interval', 'connected_at', 'connected', 'spoke_at', 'username', 'name', 'hostname', 'pid', 'last_seen_at', 'instance', 'came_seq', 'came_at', 'updated_at'])
  assert.match(changes, /, username = coalesce\(new\.username, username\), /)
  assert.match(changes, /, last_seen_at = case when .+ else greatest\(last_seen_at, new\.last_seen_at\) end, instance = new\.instance, /)
})

test('each thing that agents say of themselves is remembered, and compared', () => {
  const said = { username: 'u', name: 'n', hostname: 'h', pid: 1 }
  assert.deepEqual(agentRow({ uuid: 'a', ...said }, 3, 'i', { ...agent, connected: false }), { ...agent, connectedAt: 3 })
  assert.deepEqual(agentRow({ uuid: 'a' }, 2, 'i', agent), agent)
  assert.deepEqual(Object.keys(describeAgent({})), descriptionFields)
  assert.deepEqual(describeAgent({}, said), said)
  assert.deepEqual(describeAgent(said, describeAgent({})), said)
  for (const field of descriptionFields) {
    assert.deepEqual(describeAgent({ [field]: null }, said), said)
    assert.equal(isDescribed(said, { [field]: said[field] }), true)
    assert.equal(isDescribed(said, { [field]: 'other' }), false, field)
  }
  assert.equal(isDescribed(said, {}), true)
})
