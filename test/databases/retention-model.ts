import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention, type RetentionOptions } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import type { OpenDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

export const minute = 60_000
export const hour = 60 * minute
export const day = 24 * hour
/** The start of a UTC day. */
export const today = Math.floor(1_700_000_000_000 / day) * day

export const forEver: RetentionOptions = { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] }
/** Deletes row by row, also where TimescaleDB would drop a chunk: one type is never old enough for that. */
export const rowByRow: RetentionOptions = { ...forEver, rawDays: 1, overrides: [{ type: 'kept', ...forEver }] }

export type Sent = [agent: string, type: string, ts: number, value: number | string]

/** A process that writes to the database and keeps what is in it. */
export function open (t: TestContext, { options }: OpenDatabase, kept: RetentionOptions, instance = 'test') {
  const store = new Store(dialectOf(options), { instance })
  const retention = new Retention(store, kept)
  t.after(() => Promise.all([retention.stop(), store.close()]))
  return { store, retention, write: (sent: Sent[]) => write(store, sent) }
}

export async function write (store: Store, sent: Sent[]): Promise<void> {
  await Promise.all(sent.map(([uuid, type, timestamp, value]) => new Promise<void>((resolve, reject) => {
    store.write(message('agent/message', { agent: { uuid }, metrics: [{ type, value }], timestamp, seq: seq++ }), timestamp, error => { if (error === null) resolve(); else reject(error) })
  })))
}
/** How many messages were written: their numbers. */
export let seq = 0

export interface Row { series: string, ts: number, n: number, sum: number, min: number, max: number, last: number }

export async function rollups (query: Knex, table: 'metrics_1h' | 'metrics_1d'): Promise<Row[]> {
  const rows = await query(table).where('ts', '>=', 0).join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id')
    .select('uuid', 'type', 'ts', 'n', 'sum', 'min', 'max', 'last') as Array<Row & { uuid: string, type: string }>
  return rows.map(({ uuid, type, ts, n, sum, min, max, last }) => ({ series: `${uuid}/${type}`, ts, n, sum, min, max, last })).sort(inOrder)
}

/** What rollups should be, from all metrics that ever were. */
export function expected (sent: Sent[], unit: number, from: (type: string) => number, to: number): Row[] {
  const rows = new Map<string, Row>()
  for (const [uuid, type, time, value] of [...sent].sort((a, b) => a[2] - b[2])) {
    const ts = time - time % unit
    if (typeof value === 'string' || ts < from(type) || time >= to) continue
    const key = `${uuid}/${type}/${ts}`
    const row = rows.get(key) ?? { series: `${uuid}/${type}`, ts, n: 0, sum: 0, min: value, max: value, last: value }
    rows.set(key, { ...row, n: row.n + 1, sum: row.sum + value, min: Math.min(row.min, value), max: Math.max(row.max, value), last: value })
  }
  return [...rows.values()].sort(inOrder)
}

function inOrder (a: Row, b: Row): number {
  return a.series < b.series ? -1 : a.series > b.series ? 1 : a.ts - b.ts
}

export async function times (query: Knex, table: string): Promise<number[]> {
  return await query(table).where('ts', '>=', 0).orderBy('ts').pluck<number[]>('ts')
}

/** The same numbers in every run. */
export function randomFrom (seed: number): (below: number) => number {
  return below => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor(seed / 2_147_483_648 * below)
  }
}
