import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Alert } from '../../../lib/alerts/alert.ts'
import { afterPast, pastFrom } from '../../../lib/alerts/past.ts'
import { alertRule } from '../../../lib/alerts/rules/alert-rule.ts'
import { ok, type AlertState } from '../../../lib/alerts/rules/alert-state.ts'
import { savedRuleDefaults, type SavedRule } from '../../../lib/alerts/rules/saved-rule.ts'

const s = 1_000
const alertOf = (rule: Partial<SavedRule>, state: AlertState, changedAt = 0): Alert => ({
  rule: alertRule({ ...savedRuleDefaults, types: '*', value: 90, end: 80, ...rule }, 0), state, changedAt, span: undefined
}) as Alert

test('metrics before the newest one are asked for where they say more than it does', () => {
  const raised: AlertState = { phase: 'raised', since: 40 * s, right: 0, due: Infinity }
  const pending: AlertState = { phase: 'pending', since: 40 * s, right: 0, due: 100 * s }
  const ending: AlertState = { phase: 'ending', since: 40 * s, right: 60 * s, due: 100 * s }
  for (const [rule, state, changedAt, value, expected] of [
    [{}, ok, 0, 95, Infinity], [{ for: 10 }, ok, 0, 95, 80 * s], [{ for: 10 }, ok, 0, 20, Infinity],
    [{ for: 10 }, ok, 0, 85, Infinity],
    [{ endFor: 10 }, raised, 40 * s, 20, 80 * s], [{ endFor: 50 }, raised, 40 * s, 20, 40 * s + 1], [{ endFor: 10 }, raised, 40 * s, 85, Infinity],
    [{}, raised, 40 * s, 20, Infinity],
    [{ for: 60 }, pending, 0, 95, 40 * s + 1], [{ for: 60 }, pending, 0, 20, Infinity],
    [{ endFor: 60 }, ending, 40 * s, 20, 60 * s + 1], [{ endFor: 60 }, ending, 40 * s, 95, Infinity],
    [{ condition: 'changedFaster', value: 5, end: '', within: 30 }, ok, 0, 1, 70 * s], [{ condition: 'noNews', value: 60 }, ok, 0, 1, Infinity]
  ] as Array<[Partial<SavedRule>, AlertState, number, number, number]>) {
    assert.equal(pastFrom(alertOf(rule, state, changedAt), { ts: 100 * s, value }), expected, JSON.stringify([rule, state.phase, value]))
  }
})

test('each alert of a series takes those from its own time on', () => {
  const values = [[10, 95], [20, 95], [30, 20], [40, 95], [45, 'text'], [50, 95]].map(([at, value]) => ({ ts: Number(at) * s, seq: 0, value: value as number | string }))
  const heardAt = (ts: number): number => ts + 1
  assert.deepEqual(afterPast(alertOf({ for: 100 }, ok), 15 * s, values, heardAt).state, { phase: 'pending', since: 40 * s, right: 0, due: 140 * s + 1 })
  assert.deepEqual(afterPast(alertOf({ for: 100 }, ok), 45 * s, values, heardAt).state.since, 50 * s)
  assert.deepEqual(afterPast(alertOf({ for: 10 }, ok), 0, values.slice(0, 2), heardAt).turn, { at: 20 * s, value: 95 })
})
