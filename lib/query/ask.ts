import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../errors.ts'
import { withoutStatement } from '../store/dialects/without-statement.ts'
import { agent, agents } from './agents.ts'
import { buckets } from './buckets/buckets.ts'
import { chartPoints } from './chart.ts'
import { latest, latestOfAll, types } from './series/latest.ts'
import type { ResultKind } from './series/names.ts'
import type { Query } from './parse.ts'
import { allRows, type About, type Reading } from './series/reading.ts'
import { series } from './series/series.ts'

export interface Answer {
  /** An array of rows or points; for the query `agent` that agent, except with `parts`. */
  payload: unknown
  /** How many rows there were so far. */
  rows: number
  about: About
  /** Only for `parts`. The last one says how many there were. */
  part?: { index: number, count?: number }
}

/** Attempts at an answer: each but the last met a pass of retention, which deletes once an hour. */
const mostAttempts = 10

/**
 * Ask the database. Memory holds `most` rows, or for `parts` two pages of that many, whatever the size of the answer.
 * @param db only read from
 * @param most rows that one answer may have
 * @returns one answer, or, for `parts`, as many as there are pages: each is read when it is asked for
 * @throws PlatziverseError QUERY_AGENT_UNKNOWN, QUERY_DATA_DELETED once the first part is given, QUERY_FAILED, QUERY_INVALID, QUERY_RANGE_TOO_LARGE,
 *   QUERY_SERIES_TEXT, QUERY_SERIES_UNKNOWN
 */
export async function * ask (db: Knex, query: Query, options: { result: ResultKind, most: number }): AsyncGenerator<Answer> {
  for (let attempt = 1, begun = false; ; attempt++) {
    try {
      for await (const answer of answersTo(db, query, options)) {
        begun = true
        yield answer
      }
      return
    } catch (cause) {
      if (!(cause instanceof PlatziverseError)) throw new PlatziverseError('QUERY_FAILED', `${whyFailed(cause)}.`, { cause })
      // Asked again, the answer is made of what retention left.
      if (cause.code !== 'QUERY_DATA_DELETED' || begun || attempt === mostAttempts) throw cause
    }
  }
}

async function * answersTo (db: Knex, query: Query, { result, most }: { result: ResultKind, most: number }): AsyncGenerator<Answer> {
  // What does not come in parts is as much as one message may have, and says how much there is.
  const reading = await read(db, query, result === 'parts' ? undefined : most)
  if (result === 'parts') return yield * partsOf(reading, most)
  const rows = await allRows(reading, most)
  const payload = result === 'chart' ? chartPoints(query, rows) : query.query === 'agent' ? rows[0] : rows
  yield { payload, rows: rows.length, about: reading.about }
}

function whyFailed (cause: unknown): string {
  // Knex would blame a missing call in the program.
  if (cause instanceof Error && cause.name === 'KnexTimeoutError') return 'No connection to the database was free, or could be made, in time'
  return withoutStatement(reasonOf(cause))
}

/** @param most rows of a list that may be cut; absent: all */
async function read (db: Knex, query: Query, most: number | undefined): Promise<Reading<unknown>> {
  switch (query.query) {
    case 'agents': return agents(db, {}, query.limit ?? most)
    case 'connectedAgents': return agents(db, { connected: true }, query.limit ?? most)
    case 'agentsOf': return agents(db, { username: query.username }, query.limit ?? most)
    case 'agent': return readingOf([await agent(db, query.uuid)])
    case 'types': return await types(db, query.uuid)
    case 'latest': return await latest(db, query.uuid)
    case 'latestOfAll': return latestOfAll(db, query.type, query.limit ?? most)
    case 'series': return await series(db, query)
    case 'buckets': return await buckets(db, { uuid: query.uuid, type: query.type }, query)
    case 'typeBuckets': return await buckets(db, { type: query.type }, query)
  }
}

function readingOf<Row> (rows: Row[]): Reading<Row> {
  return { about: {}, async * pages () { yield rows } }
}

/** Each page waits for the next one, so that the last part can say that it is the last; an answer without rows is one part. */
async function * partsOf ({ about, pages }: Reading<unknown>, size: number): AsyncGenerator<Answer> {
  let index = 0
  let rows = 0
  let waiting: unknown[] = []
  for await (const page of pages(size)) {
    if (rows > 0) yield { payload: waiting, rows, about, part: { index: index++ } }
    waiting = page
    rows += page.length
  }
  yield { payload: waiting, rows, about, part: { index, count: index + 1 } }
}
