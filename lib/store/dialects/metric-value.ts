/**
 * The `text` of a metric that is −0, beside its `value` 0: SQLite keeps a real that is whole as an integer, and integers have
 * no negative zero. The same on every database, so that a copy of it reads the same.
 */
export const negativeZero = '-0'

/** A metric's two columns; what comes out of a database may be the text of a number. */
export function valueAndText (value: number | string): [number | null, string | null] {
  if (typeof value === 'string') return [null, value]
  return Object.is(value, -0) ? [0, negativeZero] : [value, null]
}

/** The value in a metric's two columns; null where there is none. */
export function valueOf (value: unknown, text: unknown): number | string | null {
  if (value === null) return text as string | null
  return text === null ? Number(value) : -0
}
