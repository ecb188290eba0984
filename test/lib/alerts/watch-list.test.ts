import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alertRules } from '../../../lib/alerts/rules/alert-rule.ts'
import { savedRuleDefaults } from '../../../lib/alerts/rules/saved-rule.ts'
import { mostAlerts, WatchList } from '../../../lib/alerts/watch-list.ts'

const listOf = (types: string): WatchList => new WatchList(alertRules([{ ...savedRuleDefaults, id: 'r', name: 'r', types, value: 1 }]), () => undefined)

test('there is a most of alerts, beyond which types are not watched, and the list says so', () => {
  const list = listOf('*')
  const agent = list.agent('a', null, 0)
  for (let i = 0; i < mostAlerts; i++) assert.notEqual(list.series(agent, `t${i}`), null)
  assert.equal(list.isFull, false)
  assert.equal(list.series(agent, 'one more'), null)
  assert.deepEqual([list.size, list.isFull], [mostAlerts, true])
})

test('types that no rule is about are remembered up to a number, whoever invents them', () => {
  const list = listOf('temperature')
  for (const uuid of ['a', 'b']) {
    const agent = list.agent(uuid, null, 0)
    for (let i = 0; i < 150_000; i++) assert.equal(list.series(agent, `t${i}`), null)
    assert.notEqual(list.series(agent, 'temperature'), null, 'one that a rule is about always is')
  }
  const sizes = ['a', 'b'].map(uuid => list.known(uuid)?.series.size)
  assert.deepEqual(sizes, [150_001, 50_001])
  list.delete('a')
  const agent = list.agent('c', null, 0)
  list.series(agent, 'x')
  assert.equal(agent.series.size, 1, 'those of an agent that was forgotten make room')
})
