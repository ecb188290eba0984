import { PlatziverseError } from '../errors.ts'
import { longestTimer } from '../time.ts'
import type { BucketRange } from './buckets/buckets.ts'
import { isCalendarUnit, isTimeZone } from './buckets/calendar.ts'
import { canBeName, mostNames, type Names } from './series/choice.ts'
import type { Width } from './buckets/grid.ts'
import { aggregates, queryNames, resultKinds, type Aggregate, type ResultKind } from './series/names.ts'
import type { SeriesQuery } from './series/series.ts'
import { toDuration, toTime } from './times.ts'
import { mostPoints, widthFor } from './buckets/widths.ts'

/** A query as somebody wrote it: a form, a message, a URL. Null and empty text mean that it says nothing. */
export type QueryInput = Partial<Record<typeof properties[number], unknown>>

const properties = [
  'query', 'uuid', 'type', 'username', 'from', 'to', 'limit', 'order', 'bucket', 'points', 'timezone', 'aggregates', 'fill', 'result', 'follow'
] as const

/** A query that was checked; times are UTC ms. */
export type Query =
  | { query: 'agents' | 'connectedAgents' } & Limited
  | { query: 'agentsOf', username: string } & Limited
  | { query: 'agent' | 'types', uuid: string }
  | { query: 'latest', uuid: Names }
  | { query: 'latestOfAll', type?: Names } & Limited
  | { query: 'series' } & SeriesQuery
  | { query: 'buckets', uuid: Names, type: Names } & BucketRange
  | { query: 'typeBuckets', type: Names } & BucketRange

/** Most rows of an answer that may be cut; absent: as many as one message may have, and in parts all. */
interface Limited { limit?: number }

/** ms from one answer of a live question to the next: asked more often, a busy database would do nothing else. */
const shortestFollow = 100
/** ms, where a question is to be followed and does not say how often. */
const usualFollow = 1_000

/**
 * Check a query. Properties that it does not use are not looked at.
 * @param now UTC ms, which times such as `-24h` count from
 * @throws PlatziverseError QUERY_INVALID, QUERY_RANGE_TOO_LARGE
 */
export function parseQuery (input: QueryInput, now: number): Query {
  const query = choice(input, 'query', queryNames)
  switch (query) {
    case 'agents':
    case 'connectedAgents': return { query, ...limited(input) }
    case 'agentsOf': return { query, username: text(input, 'username'), ...limited(input) }
    case 'agent':
    case 'types': return { query, uuid: text(input, 'uuid') }
    case 'latest': return { query, uuid: names(input, 'uuid') }
    case 'latestOfAll': return { query, ...Array.isArray(input.type) || given(input, 'type') !== undefined ? { type: names(input, 'type') } : {}, ...limited(input) }
    case 'series': return { query, uuid: names(input, 'uuid'), type: names(input, 'type'), ...range(input, now), limit: limit(input), order: order(input) }
    case 'buckets': return { query, uuid: names(input, 'uuid'), type: names(input, 'type'), ...bucketRange(input, now) }
    case 'typeBuckets': return { query, type: names(input, 'type'), ...bucketRange(input, now) }
  }
}

/**
 * How a question is followed: ms from one answer to the next at the least; undefined: it is answered once; `end`: it only ends the one
 * before it.
 * @throws PlatziverseError QUERY_INVALID
 */
export function parseFollow ({ follow }: QueryInput): number | 'end' | undefined {
  if (follow === undefined || follow === null || follow === '') return undefined
  if (typeof follow === 'boolean') return follow ? usualFollow : 'end'
  const every = typeof follow === 'string' || typeof follow === 'number' ? toDuration(typeof follow === 'string' ? follow.trim() : follow) : undefined
  if (every === undefined || every < shortestFollow || every > longestTimer) throw invalid('follow', `is not a span of time from ${shortestFollow} ms up, such as 1s, and neither true nor false`)
  return every
}

/** @throws PlatziverseError QUERY_INVALID */
export function parseResult (input: QueryInput): ResultKind {
  return choice(input, 'result', resultKinds, 'objects')
}

type Name = typeof properties[number]

/** Names that are neither empty nor more than can be. */
function names (input: QueryInput, name: 'uuid' | 'type'): Names {
  const value = input[name]
  if (!Array.isArray(value)) return text(input, name)
  if (value.length === 0) throw invalid(name, 'is an empty list')
  if (value.length > mostNames) throw invalid(name, `is a list of more than ${mostNames}`)
  return [...new Set(value.map((one: unknown) => text({ [name]: one }, name)))]
}

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
  if (!canBeName(value)) throw invalid(name, 'is not a text of at most 255 characters')
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
  return wholeNumber(input, 'limit', 1)
}

function limited (input: QueryInput): Limited {
  const most = limit(input)
  return most === undefined ? {} : { limit: most }
}

function wholeNumber (input: QueryInput, name: 'limit' | 'points', least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const value = given(input, name)
  if (value === undefined) return undefined
  // Number() takes 0x10 as well.
  const number = /^\s*\d+\s*$/.test(value) ? Number(value) : Number.NaN
  if (Number.isSafeInteger(number) && number >= least && number <= most) return number
  throw invalid(name, most === Number.MAX_SAFE_INTEGER ? `is not a whole number from ${least} up` : `is not a whole number from ${least} to ${most}`)
}

function time (input: QueryInput, name: Name, now: number): number | undefined {
  const value = given(input, name)
  if (value === undefined) return undefined
  const time = toTime(value.trim(), now)
  if (time === undefined) throw invalid(name, 'is not a time from 1970 on: ms, ISO 8601, now, or such as -24h')
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
  const timezone = timeZone(input)
  const bucket = width(input, { from, to: to as number }, timezone)
  return {
    from,
    to: to as number,
    bucket,
    ...typeof bucket === 'number' ? {} : { timezone: timezone ?? 'UTC' },
    aggregates: wantedAggregates(input),
    fill: choice(input, 'fill', ['null', 'skip'], 'null'),
    order: order(input)
  }
}

/** As narrow as `points` allows, or what `bucket` says. */
function width (input: QueryInput, range: { from: number, to: number }, timezone: string | undefined): Width {
  const points = wholeNumber(input, 'points', 2, mostPoints)
  if (points !== undefined) return widthFor(points, range, timezone)
  const given = bucketIn(input)
  const bucket = isCalendarUnit(given) ? given : toDuration(given)
  if (bucket === undefined) throw invalid('bucket', 'is not a span of time: ms, such as 5m, 1h, 1d, or day, week, month, year')
  return bucket
}

function bucketIn (input: QueryInput): string {
  return given(input, 'bucket')?.trim() ?? ''
}

function timeZone (input: QueryInput): string | undefined {
  const value = given(input, 'timezone')?.trim()
  if (value !== undefined && !isTimeZone(value)) throw invalid('timezone', 'is not a time zone that this machine knows, such as Europe/Madrid')
  return value
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
  const said: QueryInput = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  // A message that says how wide buckets are does not mean those that the node would choose.
  const others = bucketIn(said) !== '' && said.points === undefined ? { ...input, points: '' } : input
  return { ...others, ...said }
}
