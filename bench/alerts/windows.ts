import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { alertRule } from '../../lib/alerts/rules/alert-rule.ts'
import { afterTime, afterValue, isRaised, ok } from '../../lib/alerts/rules/alert-state.ts'
import { savedRuleDefaults } from '../../lib/alerts/rules/saved-rule.ts'
import { verdictOf } from '../../lib/alerts/rules/verdict.ts'

/** The share of a series from which its limits are made; what comes after it is judged. */
export const learned = 0.15
/** How much wider than what was seen there the limits are, on each side, as a share of its range; and the span of right values after which an alert ends, in s. */
export const widened = 0.2
export const endsAfter = 7_200

export interface Judged {
  series: string
  days: number
  /** Windows that somebody labelled as anomalous after the part from which limits were made, and those of them in which an alert was raised. */
  windows: number
  found: number
  /** Alerts outside of them. */
  falseAlarms: number
}

/** Replays the series of a folder, as CSV of `timestamp,value` in UTC, by one rule each; `windows.json` has the labelled windows of each file. */
export function judgeFolder (folder: string): Judged[] {
  const labelled = JSON.parse(readFileSync(join(folder, 'windows.json'), 'utf8')) as Record<string, Array<[from: string, to: string]>>
  return Object.entries(labelled).map(([file, windows]) => {
    const rows = readFileSync(join(folder, file), 'utf8').trim().split('\n').slice(1).map(line => line.split(',') as [string, string]).map(([time, value]) => ({ at: utc(time), value: Number(value) }))
    return judge(file.replace('.csv', ''), rows, windows.map(([from, to]) => ({ from: utc(from), to: utc(to) })))
  })
}

/** @param rows in the order of their times */
export function judge (series: string, rows: ReadonlyArray<{ at: number, value: number }>, labelled: ReadonlyArray<{ from: number, to: number }>): Judged {
  const first = Math.floor(rows.length * learned)
  const seen = rows.slice(0, first).map(({ value }) => value)
  const [low, high] = [Math.min(...seen), Math.max(...seen)]
  const margin = (high - low) * widened
  const rule = alertRule({ ...savedRuleDefaults, name: series, types: '*', condition: 'outside', value: low - margin, high: high + margin, endFor: endsAfter }, 0)
  let state = ok
  const raised: number[] = []
  const judged = rows.slice(first)
  for (const { at, value } of judged) {
    const before = afterTime(state, at)
    state = afterValue(before, verdictOf(rule, value) ?? 'between', at, at, rule)
    if (!isRaised(before) && isRaised(state)) raised.push(at)
  }
  const from = judged[0]?.at ?? 0
  const windows = labelled.filter(({ to }) => to >= from)
  return {
    series,
    days: ((judged.at(-1)?.at ?? from) - from) / 86_400_000,
    windows: windows.length,
    found: windows.filter(({ from, to }) => raised.some(at => at >= from && at <= to)).length,
    falseAlarms: raised.filter(at => !windows.some(({ from, to }) => at >= from && at <= to)).length
  }
}

function utc (time: string): number {
  return Date.parse(`${time.slice(0, 19).replace(' ', 'T')}Z`)
}
