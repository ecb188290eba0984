import { PlatziverseError } from '../errors.ts'
import type { BucketRange } from './buckets.ts'
import { aggregates, queryNames, resultKinds, type Aggregate, type ResultKind } from './names.ts'
import type { SeriesQuery } from './series.ts'
import { toDuration, toTime } from './times.ts'

/** A query as somebody wrote it: a form, a message, a URL. Null and empty text mean that it says nothing. */
export type QueryInput = Partial<Record<typeof properties[number], unknown>>

const properties = ['query', 'uuid', 'type', 'username', 'from', 'to', 'limit', 'order', 'bucket', 'aggregates', 'fill', 'result'] as const

/** A query that was checked; times are UTC ms. */
export type Query =
  | { query: 'agents' | 'connectedAgents' }
  | { query: 'agentsOf', username: string }
  | { query: 'agent' | 'types' | 'latest', uuid: string }
  | { query: 'series' } & SeriesQuery
  | { query: 'buckets', uuid: string, type: string } & BucketRange
  | { query: 'typeBuckets', type: string } & BucketRange

/**
 * Check a query. Properties that it does not use are not looked at.
 * @param now UTC ms, which times such as `-24h` count from
 * @throws PlatziverseError QUERY_INVALID
 */
export function parseQuery (input: QueryInput, now: number): Query {
  const query = choice(input, 'query', queryNames)
  switch (query) {
    case 'agents':
    case 'connectedAgents': return { query }
    case 'agentsOf': return { query, username: text(input, 'username') }
    case 'agent':
    case 'types':
    case 'latest': return { query, uuid: text(input, 'uuid') }
    case 'series': return { query, uuid: text(input, 'uuid'), type: text(input, 'type'), ...range(input, now), limit: limit(input), order: order(input) }
    case 'buckets': return { query, uuid: text(input, 'uuid'), type: text(input, 'type'), ...bucketRange(input, now) }
    case 'typeBuckets': return { query, type: text(input, 'type'), ...bucketRange(input, now) }
  }
}

/** @throws PlatziverseError QUERY_INVALID */
export function parseResult (input: QueryInput): ResultKind {
  return choice(input, 'result', resultKinds, 'objects')
}

type Name = typeof properties[number]

function invalid (name: Name, what: string): PlatziverseError {
  return new PlatziverseError('QUERY_INVALID', `"${name}" ${what}.`)
}

/** A property as text, blanks included: names may begin and end with them. Undefined when it says nothing. */
function given (input: QueryInput, name: Name): string | undefined {
  const value = input[name]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string' && typeof value !== 'number') throw invalid(name, 'is neither text nor a number')
  return String(value)
}

function text (input: QueryInput, name: Name): string {
  const value = given(input, name)
  if (value === undefined) throw invalid(name, 'is missing')
  // No database has a longer one, and PostgreSQL takes no NUL.
  if (value.length > 255 || value.includes('\0')) throw invalid(name, 'is not a text of at most 255 characters')
  return value
}

function choice<Choice extends string> (input: QueryInput, name: Name, choices: readonly Choice[], fallback?: Choice): Choice {
  const value = given(input, name)?.trim() ?? fallback
  const found = choices.find(choice => choice === value)
  if (found === undefined) throw invalid(name, `is none of ${choices.join(', ')}`)
  return found
}

function order (input: QueryInput): 'asc' | 'desc' {
  return choice(input, 'order', ['asc', 'desc'], 'asc')
}

function limit (input: QueryInput): number | undefined {
  const value = given(input, 'limit')
  if (value === undefined) return undefined
  // Number() takes 0x10 as well.
  const limit = /^\s*\d+\s*$/.test(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(limit) || limit < 1) throw invalid('limit', 'is not a whole number from 1 up')
  return limit
}

function time (input: QueryInput, name: Name, now: number): number | undefined {
  const value = given(input, name)
  if (value === undefined) return undefined
  const time = toTime(value.trim(), now)
  if (time === undefined) throw invalid(name, 'is not a time: ms since 1970, ISO 8601, now, or such as -24h')
  return time
}

function range (input: QueryInput, now: number): { from: number | undefined, to: number | undefined } {
  const from = time(input, 'from', now)
  const to = time(input, 'to', now)
  if (from !== undefined && to !== undefined && from >= to) throw invalid('from', 'is not before "to"')
  return { from, to }
}

function bucketRange (input: QueryInput, now: number): BucketRange {
  const { from, to } = range({ ...input, to: given(input, 'to') ?? now }, now)
  if (from === undefined) throw invalid('from', 'is missing')
  const bucket = toDuration(given(input, 'bucket')?.trim() ?? '')
  if (bucket === undefined) throw invalid('bucket', 'is not a span of time: ms, or such as 5m, 1h, 1d')
  return { from, to: to as number, bucket, aggregates: wantedAggregates(input), fill: choice(input, 'fill', ['null', 'skip'], 'null'), order: order(input) }
}

/** A list, or names with commas between them. */
function wantedAggregates (input: QueryInput): Aggregate[] {
  const names: unknown[] = Array.isArray(input.aggregates) ? input.aggregates : (given(input, 'aggregates') ?? 'avg').split(',').map(name => name.trim())
  const unknown = names.find(name => !aggregates.some(aggregate => aggregate === name))
  if (unknown !== undefined || names.length === 0) throw invalid('aggregates', `is not a list of ${aggregates.join(', ')}`)
  return aggregates.filter(aggregate => names.includes(aggregate))
}

/**
 * A query with the properties of another one over its own; those that the other does not mention stay.
 * @throws PlatziverseError QUERY_INVALID when `changes` is no object, or has a property that queries do not have
 */
export function changeQuery (input: QueryInput, changes: unknown): QueryInput {
  if (changes === undefined || changes === null) return input
  if (typeof changes !== 'object' || Array.isArray(changes)) throw new PlatziverseError('QUERY_INVALID', 'The query is not an object.')
  const unknown = Object.keys(changes).find(name => !properties.some(property => property === name))
  if (unknown !== undefined) throw new PlatziverseError('QUERY_INVALID', `Queries have no property ${JSON.stringify(unknown)}.`)
  const said = Object.entries(changes).filter(([, value]) => value !== undefined)
  return { ...input, ...Object.fromEntries(said) }
}
