import type { Knex } from 'knex'
import { fingerprint } from '../messages/fingerprint.ts'
import type { Message } from '../messages/parse.ts'
import type { Agent, Metric } from '../messages/schema.ts'
import type { AgentRow, Dialect, LatestRow, MetricRow, SeriesRow } from './dialects/dialect.ts'
import type { Known, KnownAgent, KnownSeries } from './known.ts'

/** A message on its way into the database. */
export interface Entry {
  message: Message
  /** UTC ms. */
  receivedAt: number
}

/** What became of a message. */
export interface Stored {
  /** The agent's id in the database; null for a goodbye of an agent that it does not know. */
  agentId: number | null
  /** Metrics in the message. */
  metrics: number
  /** How many of them were stored before. */
  duplicates: number
}

/** `last_seen_at` is written at most once in so many ms per agent. */
const seenPrecision = 1_000

/** Some metrics were there already: the batch has to be counted one by one. */
class FoundDuplicates extends Error {}

/** Writes batches of messages, each in one transaction. */
export class BatchWriter {
  #dialect: Dialect
  #known: Known

  constructor (dialect: Dialect, known: Known) {
    this.#dialect = dialect
    this.#known = known
  }

  /**
   * Write a batch: all of it or nothing.
   * @returns what became of each message, in their order
   */
  async write (knex: Knex, batch: Entry[]): Promise<Stored[]> {
    try {
      return await this.#transaction(knex, batch, false)
    } catch (error) {
      // Redeliveries are rare, so only a batch that has some pays for finding out which.
      if (error instanceof FoundDuplicates) return await this.#transaction(knex, batch, true)
      throw error
    }
  }

  async #transaction (knex: Knex, batch: Entry[], countDuplicates: boolean): Promise<Stored[]> {
    const now = Date.now()
    const draft = new Map<string, KnownAgent>()
    const stored = await knex.transaction(async db => {
      await this.#writeAgents(db, batch, draft, now)
      const newSeries = await this.#findSeries(db, batch, draft)
      const result = await this.#writeMetrics(db, batch, draft, countDuplicates)
      return { result, newSeries }
    })
    // Only what was committed is known.
    for (const [uuid, agent] of draft) this.#known.learn(uuid, agent, stored.newSeries.get(uuid) ?? 0)
    return stored.result
  }

  /** Step 1: who reports, and who went. Fills `draft` with the agents of the batch that the database has. */
  async #writeAgents (db: Knex, batch: Entry[], draft: Map<string, KnownAgent>, now: number): Promise<void> {
    const heard = new Map<string, AgentRow>()
    const left = new Set<string>()
    for (const { message, receivedAt } of batch) {
      const { uuid } = message.payload.agent
      const row = heard.get(uuid)
      if (message.kind === 'disconnected') {
        if (row === undefined) left.add(uuid)
        else row.connected = false
      } else if (row === undefined) {
        left.delete(uuid)
        heard.set(uuid, rowOf(message.payload.agent, receivedAt))
      } else {
        Object.assign(row, rowOf(message.payload.agent, receivedAt, row))
      }
    }

    const changed: AgentRow[] = []
    for (const row of heard.values()) {
      const known = this.#known.agent(row.uuid)
      if (known !== undefined && isUpToDate(known, row)) draft.set(row.uuid, known)
      else changed.push(row)
    }
    if (changed.length > 0) {
      const ids = await this.#dialect.upsertAgents(db, changed, now)
      const byUuid = new Map(ids.map(({ id, uuid }) => [uuid, id]))
      for (const row of changed) {
        const known = this.#known.agent(row.uuid)
        draft.set(row.uuid, {
          id: byUuid.get(row.uuid) as number,
          username: row.username ?? known?.username ?? null,
          name: row.name ?? known?.name ?? null,
          hostname: row.hostname ?? known?.hostname ?? null,
          pid: row.pid ?? known?.pid ?? null,
          connected: row.connected,
          lastSeenAt: row.lastSeenAt,
          series: new Map(known?.series)
        })
      }
    }
    if (left.size === 0) return
    for (const { id, uuid } of await this.#dialect.disconnectAgents(db, [...left], now)) {
      const known = this.#known.agent(uuid)
      draft.set(uuid, known === undefined
        ? { id, username: null, name: null, hostname: null, pid: null, connected: false, lastSeenAt: 0, series: new Map() }
        : { ...known, connected: false })
    }
  }

  /** Step 2: the series of every metric, created where they are new. @returns how many are new, by agent */
  async #findSeries (db: Knex, batch: Entry[], draft: Map<string, KnownAgent>): Promise<Map<string, number>> {
    const missing = new Map<string, SeriesRow & { uuid: string }>()
    for (const { message } of batch) {
      if (message.kind !== 'message') continue
      const { uuid } = message.payload.agent
      const agent = draft.get(uuid) as KnownAgent
      for (const { type } of message.payload.metrics) {
        if (!agent.series.has(type)) missing.set(`${agent.id}/${type}`, { agentId: agent.id, type, uuid })
      }
    }
    const count = new Map<string, number>()
    if (missing.size === 0) return count
    const found = await this.#dialect.upsertSeries(db, [...missing.values()])
    const copied = new Set<string>()
    for (const { id, agentId, type } of found) {
      const uuid = missing.get(`${agentId}/${type}`)?.uuid as string
      const agent = draft.get(uuid) as KnownAgent
      // What was known before the transaction stays as it is until the commit.
      if (!copied.has(uuid)) {
        copied.add(uuid)
        draft.set(uuid, { ...agent, series: new Map(agent.series) })
      }
      (draft.get(uuid) as KnownAgent).series.set(type, { id, lastTs: Number.NEGATIVE_INFINITY })
      count.set(uuid, (count.get(uuid) ?? 0) + 1)
    }
    return count
  }

  /** Step 3: the metrics, and the newest of each series. */
  async #writeMetrics (db: Knex, batch: Entry[], draft: Map<string, KnownAgent>, countDuplicates: boolean): Promise<Stored[]> {
    const rows: MetricRow[] = []
    const latest = new Map<number, { row: LatestRow, series: KnownSeries }>()
    const stored: Stored[] = []
    for (const { message } of batch) {
      const agent = draft.get(message.payload.agent.uuid)
      stored.push({ agentId: agent?.id ?? null, metrics: message.kind === 'message' ? message.payload.metrics.length : 0, duplicates: 0 })
      if (message.kind !== 'message' || agent === undefined) continue
      const { metrics, timestamp, seq = fingerprint(message.payload) } = message.payload
      for (const metric of metrics) {
        const series = agent.series.get(metric.type) as KnownSeries
        const [value, text] = columnsOf(metric)
        rows.push([series.id, timestamp, seq, value, text])
        const newest = latest.get(series.id)?.row[1] ?? series.lastTs
        if (timestamp >= newest) latest.set(series.id, { row: [series.id, timestamp, value, text], series })
      }
    }
    if (rows.length === 0) return stored

    if (countDuplicates) await this.#countDuplicates(db, rows, stored)
    const inserted = await this.#dialect.insertMetrics(db, rows)
    if (inserted < rows.length && !countDuplicates) throw new FoundDuplicates()
    if (latest.size > 0) await this.#dialect.updateLatest(db, [...latest.values()].map(({ row }) => row))
    // Should the commit fail, Known forgets everything.
    for (const { row, series } of latest.values()) series.lastTs = row[1]
    return stored
  }

  async #countDuplicates (db: Knex, rows: MetricRow[], stored: Stored[]): Promise<void> {
    const seen = await this.#dialect.existingMetrics(db, rows)
    let next = 0
    for (const result of stored) {
      for (const [series, ts, seq] of rows.slice(next, next + result.metrics)) {
        const key = `${series}/${ts}/${seq}`
        if (seen.has(key)) result.duplicates++
        seen.add(key)
      }
      next += result.metrics
    }
  }
}

function rowOf (agent: Agent, receivedAt: number, before?: AgentRow): AgentRow {
  return {
    uuid: agent.uuid,
    username: agent.username ?? before?.username ?? null,
    name: agent.name ?? before?.name ?? null,
    hostname: agent.hostname ?? before?.hostname ?? null,
    pid: agent.pid ?? before?.pid ?? null,
    connected: true,
    connectedAt: before === undefined || !before.connected ? receivedAt : before.connectedAt,
    lastSeenAt: Math.max(receivedAt, before?.lastSeenAt ?? 0)
  }
}

function isUpToDate (known: KnownAgent, row: AgentRow): boolean {
  const same = (key: 'username' | 'name' | 'hostname' | 'pid'): boolean => row[key] === null || row[key] === known[key]
  return known.connected && row.connected && row.lastSeenAt - known.lastSeenAt < seenPrecision &&
    same('username') && same('name') && same('hostname') && same('pid')
}

/** A metric as the columns `value` and `text`: numbers and booleans in the first, strings in the second. */
function columnsOf ({ value }: Metric): [number | null, string | null] {
  return typeof value === 'string' ? [null, value] : [Number(value), null]
}
