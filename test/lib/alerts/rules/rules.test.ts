import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { alertRule, alertRules } from '../../../../lib/alerts/rules/alert-rule.ts'
import type { PlatziverseError } from '../../../../lib/errors.ts'
import { Maintenance } from '../../../../lib/alerts/rules/maintenance.ts'
import { matcherOf } from '../../../../lib/alerts/rules/patterns.ts'
import { savedMaintenanceDefaults } from '../../../../lib/alerts/rules/saved-maintenance.ts'
import { savedRuleDefaults, type SavedRule } from '../../../../lib/alerts/rules/saved-rule.ts'
import { addTo, changeOf, verdictOf, type Span } from '../../../../lib/alerts/rules/verdict.ts'

const ruleOf = (rule: Partial<SavedRule>) => alertRule({ ...savedRuleDefaults, name: 'r', types: '*', ...rule }, 0)

test('patterns: commas between them, a star for any characters', () => {
  for (const [patterns, text, expected] of [
    ['cpu', 'cpu', true], ['cpu', 'cpuLoad', false], ['cpu*', 'cpuLoad', true], ['*Load', 'cpuLoad', true], ['c*L*d', 'cpuLoad', true], ['a*a', 'a', false],
    ['x, cpu ', 'cpu', true], ['*', '', true], ['CPU', 'cpu', false], ['ab*bc', 'abc', false], ['a*b*c', 'acb', false], ['a.c', 'abc', false]
  ] as const) assert.equal(matcherOf(patterns)?.(text), expected, `${patterns} ${text}`)
  assert.equal(matcherOf(' , '), undefined)
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
  fc.assert(fc.property(texts, texts, (pattern, text) => {
    fc.pre(pattern !== '')
    const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(text)
    assert.equal(matcherOf(pattern)?.(text), expected)
  }))
})

test('what a value says, by each condition', () => {
  for (const [rule, value, expected] of [
    [{ condition: 'above', value: 90 }, 90, 'right'], [{ condition: 'above', value: 90 }, 90.1, 'wrong'], [{ condition: 'above', value: 90, end: 80 }, 85, 'between'],
    [{ condition: 'above', value: 90, end: 80 }, 80, 'right'], [{ condition: 'below', value: 5 }, 4, 'wrong'], [{ condition: 'below', value: 5 }, 5, 'right'],
    [{ condition: 'below', value: '5', end: '8' }, 6, 'between'], [{ condition: 'outside', value: 2, high: 8 }, 1, 'wrong'], [{ condition: 'outside', value: 2, high: 8 }, 9, 'wrong'],
    [{ condition: 'outside', value: 2, high: 8 }, 8, 'right'], [{ condition: 'outside', value: 2, high: 8 }, 2, 'right'], [{ condition: 'outside', value: 2, high: 8, end: 3, endHigh: 7 }, 7.5, 'between'], [{ condition: 'equals', value: 'on' }, 'on', 'wrong'],
    [{ condition: 'equals', value: 'true' }, 1, 'wrong'], [{ condition: 'equals', value: '5.0' }, 5, 'wrong'], [{ condition: 'equals', value: 5 }, 6, 'right'],
    [{ condition: 'above', value: 1 }, 'text', undefined], [{ condition: 'noNews', value: 60 }, 'text', undefined], [{ condition: 'noNews', value: 60 }, 1, 'right']
  ] as Array<[Partial<SavedRule>, number | string, string | undefined]>) assert.equal(verdictOf(ruleOf(rule), value), expected, JSON.stringify([rule, value]))
})

test('how much a value changed within a span', () => {
  let span: Span | undefined
  const changes = [[0, 10], [30, 12], [50, 5], [61, 6], [200, 26]].map(([at = 0, value = 0]) => {
    span = addTo(span, value, at, 60)
    return changeOf(span, 60)
  })
  // Of two that are as far apart as the span, both belong to it.
  assert.deepEqual(addTo({ from: 0, at: 30, least: 1, most: 2, last: 2 }, 3, 60, 60), { from: 0, at: 60, least: 1, most: 3, last: 3 })
  // The last two are 139 apart: 20 in 139 is as fast as 8.6 in 60.
  assert.deepEqual(changes.map(change => Math.round(change * 10) / 10), [0, 2, 7, 1, 8.6])
})

test('a rule that could not work is refused, by its name', () => {
  for (const [rule, problem] of [
    [{ types: '' }, 'needs types'], [{ condition: 'above' }, 'needs a number as "value"'], [{ condition: 'above', value: 'x' }, 'needs a number as "value"'],
    [{ value: 1, for: -1 }, 'needs seconds as "for"'], [{ value: 90, end: 95 }, 'could not end'], [{ condition: 'below', value: 5, end: 4 }, 'could not end'],
    [{ condition: 'outside', value: 5, high: 4 }, 'could not end'], [{ condition: 'outside', value: 10, high: 20, end: 16, endHigh: 15 }, 'could not end'], [{ condition: 'noNews', value: 0 }, 'needs seconds as "value"'],
    [{ condition: 'nope' }, 'has no such condition: "nope"'], [{ value: 1, severity: 'bad' }, 'has no such severity: "bad"'], [{ condition: 'changedFaster', value: 1, within: 0 }, 'needs seconds as "within"']
  ] as Array<[Partial<SavedRule>, string]>) {
    assert.throws(() => ruleOf(rule), (error: Error & { code?: string }) => error.code === 'ALERT_RULE_INVALID' && error.message.includes(`The rule "r" ${problem}`), JSON.stringify(rule))
  }
  assert.throws(() => alertRules([{ ...savedRuleDefaults, id: 'a', types: '*', value: 1 }, { ...savedRuleDefaults, id: 'a', name: 'other', types: '*', value: 1 }]), /The rule "other" has the id of another one/)
})

test('maintenance comes again by a cron line in its time zone', () => {
  // Sundays from two to four in the morning, in Madrid.
  const maintenance = new Maintenance({ ...savedMaintenanceDefaults, cron: '0 2 * * 0', minutes: 120, timezone: 'Europe/Madrid' })
  const at = (time: string): [boolean, string] => [maintenance.isOn(Date.parse(time)), new Date(maintenance.until(Date.parse(time))).toISOString()]
  assert.deepEqual(at('2026-11-28T23:00:00Z'), [false, '2026-11-29T01:00:00.000Z'])
  assert.deepEqual(at('2026-11-29T01:00:00Z'), [true, '2026-11-29T03:00:00.000Z'])
  assert.deepEqual(at('2026-11-29T02:59:59Z'), [true, '2026-11-29T03:00:00.000Z'])
  assert.deepEqual(at('2026-11-29T03:00:00Z'), [false, '2026-12-06T01:00:00.000Z'])
  // The clock was set back.
  assert.equal(maintenance.isOn(Date.parse('2026-11-29T02:00:00Z')), true)
  // Where the clocks change there is one each day all the same: at three where there is no half past two, and once where that comes twice.
  const nightly = new Maintenance({ ...savedMaintenanceDefaults, cron: '30 2 * * *', minutes: 60, timezone: 'Europe/Madrid' })
  const starts = (from: string): string[] => {
    const found: string[] = []
    for (let time = Date.parse(from), i = 0; i < 6; i++) {
      if (nightly.isOn(time)) found.push(new Date(time).toISOString())
      time = nightly.until(time)
    }
    return found
  }
  assert.deepEqual(starts('2026-03-27T12:00:00Z'), ['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z'])
  assert.deepEqual(starts('2026-10-23T12:00:00Z'), ['2026-10-24T00:30:00.000Z', '2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z'])
  for (const [broken, detail] of [
    [{ cron: 'nonsense' }, '"nonsense" is no cron line'], [{ cron: '2:00' }, '"2:00" is no cron line'], [{ cron: '0 25 * * *' }, '"0 25 * * *" is no cron line'],
    [{ cron: '0 2 * * *', timezone: 'Nowhere/At' }, 'There is no time zone "Nowhere/At"'], [{ cron: '0 2 * * *', minutes: 0 }, 'needs minutes']
  ] as const) {
    assert.throws(() => new Maintenance({ ...savedMaintenanceDefaults, ...broken }), (error: PlatziverseError) => error.code === 'ALERT_RULE_INVALID' && error.detail.includes(detail), detail)
  }
})
