import type { Knex } from 'knex'
import { describeAgent } from '../store/dialects/agent-columns.ts'
import type { DirtyHourRow, LatestRow, MessageRow } from '../store/dialects/dialect.ts'
import { newestRow } from '../store/dialects/metric-columns.ts'
import type { DatabaseOptions } from '../store/dialects/options.ts'
import { rollupColumns } from '../store/rollup/rollup-columns.ts'
import { addRows } from '../store/slices/series-locks.ts'
import { hour } from '../time.ts'
import type { OpenDatabase } from './database.ts'
import { presenceColumns, type AgentRecord, type MetricRecord, type PresenceRecord, type RollupRecord, type TransferRecord } from './records.ts'
import { seriesOf } from './rows.ts'

/** Tells one database apart from others, without its password. */
function nameOf (options: DatabaseOptions): string {
  if ('filename' in options) return options.filename
  const { client, url, host, port, database } = options
  const address = url !== undefined && URL.canParse(url) ? new URL(url) : undefined
  return JSON.stringify([client, address?.host ?? host, port, address?.pathname ?? database])
}

/** Writes batches of records, each in one transaction. */
export class Importer {
  #database: OpenDatabase
  /** Ids of series by `uuid` and type. */
  #series = new Map<string, number>()

  constructor (database: OpenDatabase) {
    this.#database = database
  }

  /** The database's name, without its password. */
  get name (): string { return nameOf(this.#database.options) }

  /** Whether a record is there, or is so old that retention may have deleted it. */
  async has (record: TransferRecord): Promise<boolean> {
    const { knex } = this.#database
    if ('agent' in record) return await knex('agents').where('uuid', record.agent.uuid).first('id') !== undefined
    const { uuid, type } = 'series' in record ? record.series : record
    const series = (await seriesOf(knex)).find(one => one.uuid === uuid && one.type === type)
    if (series === undefined || 'series' in record) return series !== undefined
    const isIn = async (table: string, key: object): Promise<boolean> => await knex(table).where({ series_id: series.id, ...key }).first('ts') !== undefined
    if ('timestamp' in record) return record.timestamp < series.rawFrom || await isIn('metrics', { ts: record.timestamp, seq: record.seq })
    if ('hour' in record) return record.hour < series.hoursFrom || await isIn('metrics_1h', { ts: record.hour })
    return await isIn('metrics_1d', { ts: record.day })
  }

  /** @returns metrics that were new */
  async write (records: TransferRecord[]): Promise<number> {
    const draft = new Map(this.#series)
    const fresh = await this.#database.knex.transaction(async db => {
      await this.#agents(db, records)
      await this.#findSeries(db, records, draft)
      const idOf = ({ uuid, type }: { uuid: string, type: string }): number => draft.get(keyOf(uuid, type)) as number
      await this.#edges(db, records, idOf)
      await this.#rollups(db, records, idOf)
      return await this.#metrics(db, records.filter((record): record is MetricRecord => 'timestamp' in record), idOf)
    })
    this.#series = draft.size > 100_000 ? new Map() : draft
    return fresh
  }

  async #agents (db: Knex, records: TransferRecord[]): Promise<void> {
    const agents = new Map<string, AgentRecord>()
    const now = Date.now()
    for (const record of records) {
      if ('agent' in record) agents.set(record.agent.uuid, record.agent)
      else {
        const { uuid } = 'series' in record ? record.series : record
        if (!agents.has(uuid)) agents.set(uuid, { uuid, ...describeAgent({}), createdAt: now, lastSeenAt: null })
      }
    }
    const uuids = [...agents.keys()]
    const known = new Set<string>()
    for (let at = 0; at < uuids.length; at += 500) for (const uuid of await db('agents').whereIn('uuid', uuids.slice(at, at + 500)).pluck<string[]>('uuid')) known.add(uuid)
    const rows = [...agents.values()].filter(({ uuid }) => !known.has(uuid)).map(({ createdAt, lastSeenAt, presence, ...agent }) =>
      ({ ...agent, connected: false, connected_at: null, last_seen_at: lastSeenAt, created_at: createdAt, updated_at: now, ...presenceRow(presence) }))
    for (let at = 0; at < rows.length; at += 100) await db('agents').insert(rows.slice(at, at + 100))
  }

  async #findSeries (db: Knex, records: TransferRecord[], draft: Map<string, number>): Promise<void> {
    const wanted = new Map<string, { uuid: string, type: string }>()
    for (const record of records) {
      if ('agent' in record) continue
      const { uuid, type } = 'series' in record ? record.series : record
      if (!draft.has(keyOf(uuid, type))) wanted.set(keyOf(uuid, type), { uuid, type })
    }
    if (wanted.size === 0) return
    const uuids = [...new Set([...wanted.values()].map(({ uuid }) => uuid))]
    const ids = new Map<string, number>()
    for (let at = 0; at < uuids.length; at += 500) {
      for (const { id, uuid } of await db('agents').whereIn('uuid', uuids.slice(at, at + 500)).select('id', 'uuid') as Array<{ id: number, uuid: string }>) ids.set(uuid, id)
    }
    const names = new Map([...ids].map(([uuid, id]) => [id, uuid]))
    const rows = [...wanted.values()].map(({ uuid, type }) => ({ agentId: ids.get(uuid) as number, type }))
    for (const { id, agentId, type } of await this.#database.dialect.upsertSeries(db, rows)) draft.set(keyOf(names.get(agentId) as string, type), id)
  }

  /** The times from which the source had raw metrics and hours, before which late metrics are added to the rollups; and its newest metric, which may be deleted. */
  async #edges (db: Knex, records: TransferRecord[], idOf: (series: { uuid: string, type: string }) => number): Promise<void> {
    const series = records.flatMap(record => 'series' in record ? [{ ...record.series, id: idOf(record.series) }] : [])
    await addRows(db, series.map(({ id }) => id))
    for (const { id, rawFrom, hoursFrom, latest } of series) {
      await db('retention').where('series_id', id).where('raw_from', '<', rawFrom).update({ raw_from: rawFrom })
      await db('retention').where('series_id', id).where('hours_from', '<', hoursFrom).update({ hours_from: hoursFrom })
      if (latest === undefined) continue
      const { timestamp, value } = latest
      await db('series').where('id', id).where(one => one.whereNull('last_ts').orWhere('last_ts', '<', timestamp))
        .update(newestRow(timestamp, null, value))
    }
  }

  async #rollups (db: Knex, records: TransferRecord[], idOf: (series: { uuid: string, type: string }) => number): Promise<void> {
    for (const [table, unit] of [['metrics_1h', 'hour'], ['metrics_1d', 'day']] as const) {
      const rows = records.filter((record): record is RollupRecord => unit in record).map(record => {
        const aggregate = { ...record, lastTs: record.lastTs ?? null, lastSeq: record.lastSeq ?? null, scaledSum: record.scaledSum ?? null }
        return { series_id: idOf(record), ts: 'hour' in record ? record.hour : record.day, ...rollupColumns(aggregate) }
      })
      // A rollup that is there was made of metrics that are there.
      for (let at = 0; at < rows.length; at += 100) await db(table).insert(rows.slice(at, at + 100)).onConflict(['series_id', 'ts']).ignore()
    }
  }

  async #metrics (db: Knex, records: MetricRecord[], idOf: (series: { uuid: string, type: string }) => number): Promise<number> {
    const { dialect } = this.#database
    const all = records.map((record): MessageRow => [record.timestamp, record.seq, idOf(record), record.value])
    if (all.length === 0) return 0
    const seen = await dialect.existingMetrics(db, all)
    const messages: MessageRow[] = []
    const latest = new Map<number, LatestRow>()
    const dirty = new Map<string, DirtyHourRow>()
    for (const row of all) {
      const [ts, seq, seriesId, value] = row as [number, number, number, number | string]
      const key = `${seriesId}/${ts}/${seq}`
      if (seen.has(key)) continue
      seen.add(key)
      messages.push(row)
      const newest = latest.get(seriesId)
      if (newest === undefined || ts > newest[1] || (ts === newest[1] && seq > newest[2])) latest.set(seriesId, [seriesId, ts, seq, value])
      const itsHour = ts - ts % hour
      dirty.set(`${seriesId}/${itsHour}`, [seriesId, itsHour])
    }
    if (messages.length > 0) await dialect.append(db, { messages, latest: [...latest.values()], seen: [], dirtyHours: [...dirty.values()] })
    return messages.length
  }
}

function presenceRow (presence: PresenceRecord | undefined): Record<string, number | null> {
  return Object.fromEntries(Object.entries(presenceColumns).map(([field, column]) => [column, presence?.[field as keyof PresenceRecord] ?? null]))
}

function keyOf (uuid: string, type: string): string {
  return JSON.stringify([uuid, type])
}
