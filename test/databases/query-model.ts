import type { Knex } from 'knex'
import { toDuration } from '../../lib/query/times.ts'
import type { Store } from '../../lib/store/store.ts'
import { day, floor, hour } from '../../lib/time.ts'
import { message } from '../helpers/messages.ts'

interface Metric {
  ts: number
  seq: number
  value: number | string
}

interface Sums { n: number, sum: number, min: number, max: number, last: number }

interface Deleted { rawFrom: number, hoursFrom: number }

const nothingDeleted: Deleted = { rawFrom: 0, hoursFrom: 0 }

/** All metrics there ever were, in memory, and on their way into a store. */
export class QueryModel {
  #store: Store
  #query: Knex
  #seq = 100
  #metrics = new Map<string, Metric[]>()
  #deleted = new Map<string, Deleted>()

  /** @param query looks into the database */
  constructor (store: Store, query: Knex) {
    this.#store = store
    this.#query = query
  }

  metrics (uuid: string, type: string): Metric[] {
    return this.#metrics.get(`${uuid}/${type}`) ?? []
  }

  async send (topic: string, payload: object, at: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#store.write(message(topic, payload), at, error => { if (error === null) resolve(); else reject(error) })
    })
  }

  async report (uuid: string, ts: number, values: Record<string, number | boolean | string>, seq = this.#seq++): Promise<void> {
    for (const [type, value] of Object.entries(values)) {
      const key = `${uuid}/${type}`
      const metric = { ts, seq, value: typeof value === 'boolean' ? Number(value) : value }
      this.#metrics.set(key, [...this.#metrics.get(key) ?? [], metric])
    }
    await this.send('agent/message', { agent: { uuid }, metrics: Object.entries(values).map(([type, value]) => ({ type, value })), timestamp: ts, seq }, ts)
  }

  /** Which source and width a query of series from `from` on by `bucket` gets. */
  sourceOf (uuids: string[], type: string, from: number, bucket: string): { source: string, bucket: number } {
    const width = toDuration(bucket) as number
    const up = (unit: number): number => Math.ceil(width / unit) * unit
    const deleted = uuids.map(uuid => this.#deleted.get(`${uuid}/${type}`) ?? nothingDeleted)
    if (width % hour !== 0 && deleted.every(({ rawFrom }) => floor(from, width) >= rawFrom)) return { source: 'raw', bucket: width }
    if (width % day !== 0 && deleted.every(({ hoursFrom }) => floor(from, up(hour)) >= hoursFrom)) return { source: 'hours', bucket: up(hour) }
    return { source: 'days', bucket: up(day) }
  }

  /** Learn what was deleted. */
  async look (): Promise<void> {
    const rows = await this.#query('retention').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('uuid', 'type', 'raw_from', 'hours_from')
    for (const row of rows) this.#deleted.set(`${row.uuid}/${row.type}`, { rawFrom: row.raw_from, hoursFrom: row.hours_from })
  }
}

function sumsOf (values: number[]): Sums | undefined {
  return merge(values.map(value => ({ n: 1, sum: value, min: value, max: value, last: value })))
}

function merge (parts: Sums[]): Sums | undefined {
  if (parts.length === 0) return undefined
  return {
    n: parts.reduce((total, { n }) => total + n, 0),
    sum: parts.reduce((total, { sum }) => total + sum, 0),
    min: Math.min(...parts.map(({ min }) => min)),
    max: Math.max(...parts.map(({ max }) => max)),
    last: parts.at(-1)?.last as number
  }
}

export type ExpectedBucket = { ts: number, count: number } & Record<'avg' | 'min' | 'max' | 'sum' | 'last', number | null>

/** The buckets of all metrics there ever were. */
export function expectedBuckets (metrics: Metric[], from: number, to: number, width: number, filled: boolean): ExpectedBucket[] {
  const buckets: ExpectedBucket[] = []
  for (let ts = from - from % width; ts < to; ts += width) {
    const inside = metrics.filter(metric => typeof metric.value === 'number' && metric.ts >= ts && metric.ts < ts + width).sort((a, b) => a.ts - b.ts || a.seq - b.seq)
    const sums = sumsOf(inside.map(({ value }) => value as number))
    if (sums !== undefined) {
      const { n, sum, min, max, last } = sums
      buckets.push({ ts, avg: sum / n, min, max, sum, count: n, last })
    } else if (filled) buckets.push({ ts, avg: null, min: null, max: null, sum: null, count: 0, last: null })
  }
  return buckets
}
