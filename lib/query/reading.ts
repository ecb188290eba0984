import { PlatziverseError } from '../errors.ts'

/** Where buckets were computed from. */
export type Source = 'raw' | 'hours' | 'days'

/** What is known of an answer beside its rows. */
export interface About {
  /** Absent: the query has no buckets. */
  source?: Source
  /** The width of the buckets in ms; wider than what was asked for where retention deleted what that needs. */
  bucket?: number
  /** The range that was read, `from` included and `to` not; UTC ms. */
  from?: number | undefined
  to?: number | undefined
}

/** An answer that is read page by page. */
export interface Reading<Row> {
  about: About
  /** How many rows there are, where that is known before reading. */
  count?: number
  /** Pages of 1 to `size` rows; none when there is nothing. Each is read when it is asked for. */
  pages (size: number): AsyncIterable<Row[]>
}

/**
 * All rows at once.
 * @throws PlatziverseError QUERY_RANGE_TOO_LARGE when they are more than `most`
 */
export async function allRows<Row> (reading: Reading<Row>, most: number): Promise<Row[]> {
  const tooLarge = (): PlatziverseError => new PlatziverseError('QUERY_RANGE_TOO_LARGE', `The answer has more than ${most} rows.`)
  if (reading.count !== undefined && reading.count > most) throw tooLarge()
  const rows: Row[] = []
  for await (const page of reading.pages(most + 1)) {
    if (rows.length + page.length > most) throw tooLarge()
    rows.push(...page)
  }
  return rows
}
