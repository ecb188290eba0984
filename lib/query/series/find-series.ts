import type { Knex } from 'knex'
import { PlatziverseError } from '../../errors.ts'
import { aggregate } from '../../store/rollup/aggregate.ts'
import { floor, hour } from '../../time.ts'
import { listOf, type Choice } from './choice.ts'

export interface FoundSeries {
  id: number
  uuid: string
  name: string | null
  type: string
  /** UTC ms; retention deleted the metrics, or the hours, before it. */
  rawFrom: number
  hoursFrom: number
  /** Its newest metric is a text. */
  endsInText: boolean
}

/** Series looked at together where all of them may be texts. */
const atOnce = 200
/** Most dirty hours looked into for numbers: with more of them there may be some. */
const mostDirty = 500

const columns = {
  id: 'series.id', uuid: 'agents.uuid', name: 'agents.name', type: 'series.type', rawFrom: 'retention.raw_from', hoursFrom: 'retention.hours_from',
  lastValue: 'series.last_value', lastText: 'series.last_text'
}

/**
 * The series of a choice: agent by agent in the order of their first reports, and of each by type.
 * @throws PlatziverseError QUERY_AGENT_UNKNOWN, QUERY_SERIES_UNKNOWN when there is none, QUERY_RANGE_TOO_LARGE when they are more than `most`
 */
export async function findSeries (db: Knex, { uuid, type }: Choice, most: number): Promise<FoundSeries[]> {
  const query = db('agents').join('series', 'series.agent_id', 'agents.id').leftJoin('retention', 'retention.series_id', 'series.id')
  if (uuid !== undefined) query.whereIn('agents.uuid', listOf(uuid))
  if (type !== undefined) query.whereIn('series.type', listOf(type))
  const rows = await query.orderBy(['agents.id', 'series.type']).limit(most + 1).select<Array<Record<string, unknown>>>(columns)
  if (rows.length > most) throw new PlatziverseError('QUERY_RANGE_TOO_LARGE', `The question is about more than ${most} series.`)
  if (uuid !== undefined) await refuseUnknown(db, listOf(uuid), new Set(rows.map(row => row.uuid)))
  if (rows.length === 0) throw unknownSeries({ uuid, type })
  return rows.map(foundSeries)
}

/** @throws PlatziverseError QUERY_AGENT_UNKNOWN when one of them never reported */
export async function refuseUnknown (db: Knex, uuids: readonly string[], known: ReadonlySet<unknown> = new Set()): Promise<void> {
  const unseen = uuids.filter(uuid => !known.has(uuid))
  if (unseen.length === 0) return
  const there = new Set(await db('agents').whereIn('uuid', unseen).pluck<string[]>('uuid'))
  const unknown = unseen.find(uuid => !there.has(uuid))
  if (unknown !== undefined) throw unknownAgent(unknown)
}

export function unknownAgent (uuid: string): PlatziverseError {
  return new PlatziverseError('QUERY_AGENT_UNKNOWN', `There is no agent ${JSON.stringify(uuid)}.`)
}

function unknownSeries ({ uuid, type }: Choice): PlatziverseError {
  const whose = uuid === undefined ? 'No agent has' : typeof uuid === 'string' ? `The agent ${JSON.stringify(uuid)} has` : 'None of these agents has'
  const none = typeof uuid === 'string' ? 'no metric' : 'a metric'
  const which = typeof type === 'string' ? `the type ${JSON.stringify(type)}` : 'any of these types'
  return new PlatziverseError('QUERY_SERIES_UNKNOWN', `${whose} ${none} of ${which}.`)
}

/**
 * Buckets are of numbers.
 * @throws PlatziverseError QUERY_SERIES_TEXT when it is certain that none of the series ever had one
 */
export async function refuseTexts (db: Knex, series: readonly FoundSeries[]): Promise<void> {
  if (series.some(({ endsInText }) => !endsInText)) return
  for (let start = 0; start < series.length; start += atOnce) {
    if (await haveNumbers(db, series.slice(start, start + atOnce).map(({ id }) => id))) return
  }
  const [{ type }] = series as [FoundSeries]
  throw new PlatziverseError('QUERY_SERIES_TEXT', `The metrics of the type ${JSON.stringify(type)} are texts, and buckets are of numbers.`)
}

/** What is rolled up has numbers, and what is not is in dirty hours. */
async function haveNumbers (db: Knex, ids: number[]): Promise<boolean> {
  for (const table of ['metrics_1h', 'metrics_1d']) {
    if (await db(table).whereIn('series_id', ids).first('series_id') !== undefined) return true
  }
  const dirty = await db('dirty_hours').whereIn('series_id', ids).limit(mostDirty + 1).select<Array<Record<'series_id' | 'ts', unknown>>>('series_id', 'ts')
  if (dirty.length > mostDirty) return true
  const spans = dirty.map(row => ({ seriesId: Number(row.series_id), from: floor(Number(row.ts), hour), to: floor(Number(row.ts), hour) + hour }))
  return (await aggregate(db, 'metrics', spans)).some(({ n }) => n > 0)
}

function foundSeries (row: Record<string, unknown>): FoundSeries {
  return {
    id: row.id as number,
    uuid: row.uuid as string,
    name: row.name as string | null,
    type: row.type as string,
    rawFrom: Number(row.rawFrom),
    hoursFrom: Number(row.hoursFrom),
    endsInText: row.lastValue === null && row.lastText !== null
  }
}
