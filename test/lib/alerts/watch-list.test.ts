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
  assert.equal(list.leftOut, 0)
  assert.equal(list.series(agent, 'one more'), null)
  assert.equal(list.series(agent, 'one more'), null)
  assert.deepEqual([list.size, list.leftOut, list.hasRoom], [mostAlerts, 1, false])
})

test('what was left out is watched when others make room, and goes on from its row', () => {
  const rules = alertRules([
    { ...savedRuleDefaults, id: 'r', name: 'r', types: '*', value: 1 }, { ...savedRuleDefaults, id: 'q', name: 'q', agents: 'b*', types: '*', value: 1 },
    { ...savedRuleDefaults, id: 'g', name: 'g', agents: 'b*', condition: 'agentGone' }
  ])
  const began: string[] = []
  const list = new WatchList(rules, ({ rule, agent, series, told }) => { if (agent.uuid !== 'a' && agent.uuid !== 'full') began.push(`${rule.id} ${agent.uuid} ${series?.type ?? ''} ${told}`) })
  const row = { rule: 'q', uuid: 'b', type: 't', state: { phase: 'raised', since: 1, right: 0, due: Infinity }, changedAt: 1, value: 2, told: true, toldAt: 1, acknowledged: false } as const
  list.remember([row])
  list.series(list.agent('a', null, 0), 't')
  const full = list.agent('full', null, 0)
  for (let i = 2; i < mostAlerts; i++) list.series(full, `t${i}`)
  // One place is left: not for two rules of a type, but for one about an agent.
  const b = list.agent('b', null, 0)
  assert.equal(list.series(b, 't'), null)
  const b2 = list.agent('b2', null, 0)
  assert.deepEqual([list.size, list.leftOut, began], [mostAlerts, 3, ['g b  false']])
  assert.deepEqual(list.forgetRows(), [], 'it may be of what is left out')
  list.delete('a')
  assert.equal(list.hasRoom, true)
  list.readmit()
  assert.equal(list.series(b, 't'), null, 'two places are needed')
  assert.deepEqual([list.size, list.leftOut], [mostAlerts, 2])
  list.delete('full')
  list.readmit()
  assert.notEqual(list.series(b, 't'), null)
  assert.deepEqual([list.leftOut, list.hasRoom, b2.alerts.length, list.raised], [0, false, 1, 1])
  assert.deepEqual(began, ['g b  false', 'g b2  false', 'r b t false', 'q b t true'])
  assert.deepEqual(list.forgetRows(), [])
})

test('an alert goes on from its row: when it is due, and what was told of it', () => {
  const rules = alertRules(['p', 'e', 'r'].map(id => ({ ...savedRuleDefaults, id, name: id, types: 't', value: 1, for: 10, endFor: 20 })))
  const list = new WatchList(rules, () => undefined)
  const row = { uuid: 'a', type: 't', changedAt: 5, value: 2, told: true, toldAt: 6, acknowledged: true }
  const state = { since: 1_000, right: 2_000, due: Infinity }
  list.remember([
    { ...row, rule: 'p', told: false, state: { ...state, phase: 'pending' } }, { ...row, rule: 'e', state: { ...state, phase: 'ending' } }, { ...row, rule: 'r', state: { ...state, phase: 'raised' } }
  ])
  const series = list.series(list.agent('a', null, 0), 't')
  assert.deepEqual(series?.alerts.map(({ state, told, toldAt, acknowledged, since }) => [state.phase, state.due, told, toldAt, acknowledged, since]), [
    ['pending', 11_000, false, 6, true, 1_000], ['ending', 22_000, true, 6, true, 1_000], ['raised', Infinity, true, 6, true, 1_000]
  ])
  assert.equal(list.raised, 2)
  list.delete('a')
  assert.deepEqual([list.raised, list.size, list.hasRoom], [0, 0, false])
})

test('an agent that was left out and is forgotten, or has another name, is no longer counted', () => {
  const list = new WatchList(alertRules([{ ...savedRuleDefaults, id: 'r', name: 'r', agents: 'x', types: '*', value: 1 }]), () => undefined)
  const full = list.agent('full', 'x', 0)
  for (let i = 0; i < mostAlerts; i++) list.series(full, `t${i}`)
  for (const uuid of ['a', 'b']) list.series(list.agent(uuid, 'x', 0), 't')
  assert.equal(list.leftOut, 2)
  list.delete('a')
  assert.equal(list.leftOut, 1)
  list.agent('b', 'y', 0)
  assert.equal(list.leftOut, 0)
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
