import { PlatziverseError } from '../../errors.ts'
import type { CalendarUnit } from './names.ts'

/** Where buckets were computed from. */
export type Source = 'raw' | 'hours' | 'days'

/** What is known about an answer beside its rows. */
export interface About {
  /** Absent: the query has no buckets. */
  source?: Source
  /** The width of the buckets in ms, or a unit of the calendar; wider than what was asked for where retention deleted what that needs. */
  bucket?: number | CalendarUnit
  /** Of buckets of the calendar. */
  timezone?: string
  /** The range that was read, `from` included and `to` not; UTC ms. */
  from?: number | undefined
  to?: number | undefined
  /** How many rows there would be without a limit, once the last page is read. */
  total?: number
  /** Of agents: how many of those are connected. */
  connected?: number
}

/** An answer that is read page by page. */
export interface Reading<Row> {
  about: About
  /** How many rows there are, where that is known before reading. */
  count?: number
  /** How many places there are for rows, where most may be empty. */
  places?: number
  /** Pages of 1 to `size` rows; none when there is nothing. Each is read when it is asked for. */
  pages (size: number): AsyncIterable<Row[]>
}

/** What an answer is made of was deleted while it was being read. */
export function dataDeleted (): PlatziverseError {
  return new PlatziverseError('QUERY_DATA_DELETED', 'Retention deleted metrics or hours while the answer was being read.')
}

/** Most buckets looked at for each row of an answer: with more, a question that is cheap to ask takes seconds to answer. */
const placesPerRow = 100

/**
 * All rows at once.
 * @throws PlatziverseError QUERY_RANGE_TOO_LARGE when they are more than `most`
 */
export async function allRows<Row> (reading: Reading<Row>, most: number): Promise<Row[]> {
  const tooLarge = (): PlatziverseError => new PlatziverseError('QUERY_RANGE_TOO_LARGE', `The answer has more than ${most} rows.`)
  if (reading.count !== undefined && reading.count > most) throw tooLarge()
  const mostPlaces = most * placesPerRow
  if ((reading.places ?? 0) > mostPlaces) throw new PlatziverseError('QUERY_RANGE_TOO_LARGE', `The range has ${reading.places} buckets, and ${mostPlaces} is the limit of an answer that does not come in parts.`)
  const rows: Row[] = []
  for await (const page of reading.pages(most + 1)) {
    if (rows.length + page.length > most) throw tooLarge()
    // Not as arguments: some 100,000 of them are more than the stack takes.
    for (const row of page) rows.push(row)
  }
  return rows
}
