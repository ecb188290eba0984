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
