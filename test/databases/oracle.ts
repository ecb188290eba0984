import type { Bucket } from '../../lib/query/buckets/buckets.ts'
import type { Aggregate } from '../../lib/query/series/names.ts'

/** Nothing here comes from the code that it judges. */
const hour = 60 * 60 * 1000
const day = 24 * hour

export interface OracleMetric { uuid: string, type: string, ts: number, seq: number, value: number | string }

/** From when on a series has metrics and hours; UTC ms. */
export interface Kept { rawFrom: number, hoursFrom: number }

export interface Source { source: 'raw' | 'hours' | 'days', bucket: number, from: number, to: number }

const nameOf = (uuid: string, type: string): string => JSON.stringify([uuid, type])

/** Every metric there ever was, in memory, and the answers that follow, each by a loop over all of them. */
export class Oracle {
  #metrics = new Map<string, OracleMetric>()
  #raw = new Set<OracleMetric>()
  #uuids: string[] = []
  #kept = new Map<string, Kept>()

  /** What is sent a second time changes nothing. */
  add (metric: OracleMetric): void {
    const key = JSON.stringify([metric.uuid, metric.type, metric.ts, metric.seq])
    if (this.#metrics.has(key)) return
    this.#metrics.set(key, metric)
    this.#raw.add(metric)
    if (!this.#uuids.includes(metric.uuid)) this.#uuids.push(metric.uuid)
  }

  /** A pass of retention is over. */
  keep (uuid: string, type: string, kept: Kept): void {
    this.#kept.set(nameOf(uuid, type), kept)
    for (const metric of this.#raw) if (metric.uuid === uuid && metric.type === type && metric.ts < kept.rawFrom) this.#raw.delete(metric)
  }

  /** Metrics that a sender may send again: those of deleted hours would count twice. */
  repeatable (): OracleMetric[] {
    return [...this.#raw].filter(({ uuid, type, ts }) => ts >= this.#keptOf(uuid, type).rawFrom)
  }

  get uuids (): string[] { return [...this.#uuids] }

  /** In the order in which agents reported first. */
  uuidsOf (type: string): string[] {
    return this.#uuids.filter(uuid => this.#of(uuid, type).length > 0)
  }

  /** Whether it never had a number. */
  isText (uuid: string, type: string): boolean {
    return this.#of(uuid, type).every(({ value }) => typeof value === 'string')
  }

  types (uuid: string): string[] {
    return [...new Set([...this.#metrics.values()].filter(metric => metric.uuid === uuid).map(({ type }) => type))].sort()
  }

  latest (uuid: string): Array<{ type: string, ts: number, value: number | string }> {
    return this.types(uuid).map(type => {
      const { ts, value } = this.#of(uuid, type).sort(inTime).at(-1) as OracleMetric
      return { type, ts, value }
    })
  }

  series (uuid: string, type: string, { from = 0, to = Number.POSITIVE_INFINITY, limit = Number.POSITIVE_INFINITY, order }: { from?: number | undefined, to?: number | undefined, limit?: number | undefined, order: 'asc' | 'desc' }): Array<{ ts: number, value: number | string }> {
    const found = this.#of(uuid, type).filter(metric => this.#raw.has(metric) && metric.ts >= from && metric.ts < to).sort(inTime)
    if (order === 'desc') found.reverse()
    return found.slice(0, limit).map(({ ts, value }) => ({ ts, value }))
  }

  /** What buckets of these series come from, and their true range. */
  sourceOf (uuids: string[], type: string, { from, to, bucket }: { from: number, to: number, bucket: number }): Source {
    const kept = uuids.map(uuid => this.#keptOf(uuid, type))
    const sources = [['raw', 1, 'rawFrom'], ['hours', hour, 'hoursFrom'], ['days', day, undefined]] as const
    for (const [source, unit, edge] of sources) {
      const width = Math.ceil(bucket / unit) * unit
      const begins = Math.floor(from / width) * width
      // A coarser one has the same for less.
      const isCoarser = source === 'raw' ? bucket % hour === 0 : source === 'hours' && bucket % day === 0
      if (isCoarser || (edge !== undefined && kept.some(one => begins < one[edge]))) continue
      return { source, bucket: width, from: begins, to: Math.ceil(to / width) * width }
    }
    throw new Error('Days are kept for ever.')
  }

  buckets (uuid: string, type: string, { bucket, from, to }: Source, { fill, order }: { fill: 'null' | 'skip', order: 'asc' | 'desc' }): OracleBucket[] {
    const numbers = this.#of(uuid, type).filter((metric): metric is OracleMetric & { value: number } => typeof metric.value === 'number')
    const all: OracleBucket[] = []
    for (let ts = from; ts < to; ts += bucket) {
      const values = numbers.filter(metric => metric.ts >= ts && metric.ts < ts + bucket).sort(inTime).map(({ value }) => value)
      if (values.length > 0 || fill === 'null') all.push({ ts, values })
    }
    return order === 'asc' ? all : all.reverse()
  }

  #of (uuid: string, type: string): OracleMetric[] {
    return [...this.#metrics.values()].filter(metric => metric.uuid === uuid && metric.type === type)
  }

  #keptOf (uuid: string, type: string): Kept {
    return this.#kept.get(nameOf(uuid, type)) ?? { rawFrom: 0, hoursFrom: 0 }
  }
}

function inTime (a: OracleMetric, b: OracleMetric): number {
  return a.ts - b.ts || a.seq - b.seq
}

/** A bucket, with all of its values in the order of time. */
export interface OracleBucket { ts: number, values: number[] }

/** What is wrong with a bucket of an answer; undefined: nothing. */
export function wrongIn (found: Bucket | undefined, { ts, values }: OracleBucket, aggregates: Aggregate[]): string | undefined {
  if (found?.ts !== ts) return `ts ${found?.ts}, not ${ts}`
  const n = values.length
  const [least, greatest] = [Math.min(...values), Math.max(...values)]
  // Scaled down, or sums would leave the range of a double.
  const unit = Math.max(Math.abs(least), Math.abs(greatest)) || 1
  const sum = values.reduce((total, value) => total + value / unit, 0)
  const slack = 1e-12 * values.reduce((total, value) => total + Math.abs(value) / unit, 0) + n * Number.MIN_VALUE / unit
  const isNear = (value: unknown, expected: number): boolean => typeof value === 'number' && Math.abs(value / unit - expected) <= slack
  const exact = { count: n, min: least, max: greatest, last: values.at(-1) }
  for (const name of aggregates) {
    const value = found[name]
    const isRight = n === 0 ? value === (name === 'count' ? 0 : null)
      : name === 'avg' ? isNear(value, sum / n) && (value as number) >= least && (value as number) <= greatest
        : name === 'sum' ? isNear(value, sum) || (!Number.isFinite(sum * unit) && value === Math.sign(sum) * Number.MAX_VALUE)
          : value === exact[name]
    if (!isRight) return `${name} of ${ts} is ${String(value)}, and of ${JSON.stringify(values)}`
  }
  const others = Object.keys(found).filter(name => !['ts', 'uuid', 'name', ...aggregates].includes(name))
  return others.length > 0 ? `${ts} has ${others.join(', ')}` : undefined
}
