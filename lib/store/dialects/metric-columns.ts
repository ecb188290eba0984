import type { LatestRow, MessageRow } from './dialect.ts'

/** What identifies a metric. */
export const metricKey = 'series_id, ts, seq'
export const metricColumns = `${metricKey}, value, text`

/** The columns of a series for its newest metric, by those of the metric. */
export const newestColumns = { ts: 'last_ts', seq: 'last_seq', value: 'last_value', text: 'last_text' } as const

/** A row of `series`, with the columns of its newest metric. */
export type NewestRow = Record<typeof newestColumns[keyof typeof newestColumns], number | string | null>

/**
 * The `text` of a metric that is −0, beside its `value` 0: SQLite keeps a real that is whole as an integer, and integers have
 * no negative zero. The same on every database, so that a copy of it reads the same.
 */
export const negativeZero = '-0'

/** The two columns of a metric's value. */
export function valueAndText (value: number | string): [number | null, string | null] {
  if (typeof value === 'string') return [null, value]
  return Object.is(value, -0) ? [0, negativeZero] : [value, null]
}

/** The value in a metric's two columns; null where there is none. A database may give a number as text. */
export function valueOf (value: unknown, text: unknown): number | string | null {
  if (value === null) return text as string | null
  return text === null ? Number(value) : -0
}

/** The newest metric of a series: a boolean is 1 or 0. */
export interface NewestMetric {
  /** UTC ms. */
  ts: number
  value: number | string | null
}

/** The newest metric in a row of `series`; undefined where there is none. */
export function newestIn (row: NewestRow): NewestMetric | undefined {
  return row.last_ts === null ? undefined : { ts: Number(row.last_ts), value: valueOf(row.last_value, row.last_text) }
}

/** The columns of a series whose newest metric this is. */
export function newestRow (ts: number, seq: number | null, given: number | string): NewestRow {
  const [value, text] = valueAndText(given)
  return { last_ts: ts, last_seq: seq, last_value: value, last_text: text }
}

/** The newest metric of each series of these messages. */
export function newestOf (messages: MessageRow[]): LatestRow[] {
  const latest = new Map<number, LatestRow>()
  for (const row of messages) {
    const [ts, seq] = row
    for (let i = 2; i < row.length; i += 2) {
      const id = row[i] as number
      const newest = latest.get(id)
      if (newest === undefined || isNewer(ts, seq, newest)) latest.set(id, [id, ts, seq, row[i + 1] as number | string])
    }
  }
  return [...latest.values()]
}

/** The same, without the series whose newest metrics are written: each series is in one statement once. */
export function otherNewest (messages: MessageRow[], written: ReadonlySet<number>): LatestRow[] {
  const newest = newestOf(messages)
  return written.size === 0 ? newest : newest.filter(([id]) => !written.has(id))
}

export function seriesIn (latest: LatestRow[]): Set<number> {
  return new Set(latest.map(([id]) => id))
}

export function isNewer (ts: number, seq: number, [, lastTs, lastSeq]: LatestRow): boolean {
  return ts > lastTs || (ts === lastTs && seq > lastSeq)
}
