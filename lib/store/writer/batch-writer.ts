import type { Knex } from 'knex'
import { floor, hour } from '../../time.ts'
import { describeAgent, elsewhere, type AgentRow } from '../dialects/agent-columns.ts'
import type { Additions, Dialect, DirtyHourRow, LatestRow, MessageRow, SeenRow, SeriesRow, WriterMark } from '../dialects/dialect.ts'
import { isNewer, newestOf } from '../dialects/metric-columns.ts'
import { findArrivals } from './arrivals.ts'
import { changesOf, type Changes, type ReceivedMessage } from './changes.ts'
import { markOutdated } from './goodbyes.ts'
import { UsedSeries, type KnownAgents, type KnownAgent, type KnownSeries } from './known-agents.ts'

/** What became of a message. */
export interface Stored {
  /** The agent's id in the database; null for the goodbye of an agent that the database does not know. */
  agentId: number | null
  /** Metrics in the message. */
  metrics: number
  /** How many of them were stored before. */
  duplicates: number
  /** The database is away, and the message is in the spool. */
  spooled?: true
  /** The agent said something newer of its presence before: this changed nothing, and is no news. */
  outdated?: true
}

/** ms in which `last_seen_at` of an agent is written at most once, and so is the newest timestamp of its messages. */
const seenPrecision = 1_000

/** Writes batches of messages, each in one transaction. */
export class BatchWriter {
  #dialect: Dialect
  #known: KnownAgents
  #instance: string
  #mark: () => WriterMark
  /** UTC ms. */
  #lastWrite = 0

  /**
   * @param instance tells this process apart from others that write to the same database
   * @param mark the row by which the database is recognised as the one that `known` describes
   */
  constructor (dialect: Dialect, known: KnownAgents, instance: string, mark: () => WriterMark) {
    this.#dialect = dialect
    this.#known = known
    this.#instance = instance
    this.#mark = mark
  }

  /**
   * Write a batch: all of it or nothing.
   * @returns what became of each message, in their order
   */
  async write (knex: Knex, batch: ReceivedMessage[]): Promise<Stored[]> {
    const now = Date.now()
    // The clock was set back: the hour that is current again may have been rolled up.
    if (now < this.#lastWrite) this.#known.clear()
    this.#lastWrite = now
    const changes = changesOf(batch, this.#known, received => this.#instanceOf(received))
    try {
      // A steady stream: nothing but metrics, of agents and series that are there.
      if (changes.agents.size === 0 && changes.left.size === 0 && !changes.series && (changes.moved.size === 0 || this.#dialect.pending === undefined)) {
        return await this.#append(knex, batch, uuid => this.#known.agent(uuid))
      }
      return await this.#transaction(knex, batch, changes, false)
    } catch (error) {
      // Redeliveries are rare, so only a batch that has some pays for finding them.
      if (this.#dialect.foundDuplicates(error)) return await this.#transaction(knex, batch, changes, true)
      throw error
    }
  }

  /** The process that has the agent. */
  #instanceOf ({ elsewhere: isElsewhere }: ReceivedMessage): string {
    return isElsewhere === true ? elsewhere : this.#instance
  }

  async #transaction (knex: Knex, batch: ReceivedMessage[], changes: Changes, withDuplicates: boolean): Promise<Stored[]> {
    // Copies: `known` itself holds only what was committed.
    const draft = new Map<string, KnownAgent>()
    for (const { message: { payload: { agent: { uuid } } } } of batch) {
      const known = draft.has(uuid) ? undefined : this.#known.agent(uuid)
      if (known !== undefined) draft.set(uuid, { ...known, series: new UsedSeries(known.series) })
    }
    const { pending } = this.#dialect
    const concerned = await this.#concerned(knex, changes)
    const stored = await knex.transaction(async db => {
      await pending?.writeContacts(db, concerned)
      await this.#writeAgents(db, changes, draft)
      await this.#findSeries(db, batch, draft)
      const stored = await this.#append(db, batch, uuid => draft.get(uuid), withDuplicates)
      markOutdated(batch, stored, draft)
      return stored
    })
    pending?.committed(concerned)
    for (const [uuid, agent] of draft) this.#known.learn(uuid, { ...agent, series: new Map(agent.series) })
    return stored
  }

  /** The agents of which more is to be written than a newer contact: what they said before has to be there first. */
  async #concerned (knex: Knex, { newcomers, agents, interrupted, left, moved }: Changes): Promise<number[]> {
    if (this.#dialect.pending?.isThere !== true) return []
    const uuids = new Set([newcomers, agents, interrupted, left, moved].flatMap(some => [...some.keys()]))
    const ids = [...uuids].flatMap(uuid => this.#known.agent(uuid)?.id ?? [])
    // Some may only be forgotten here.
    const others = [...uuids].filter(uuid => this.#known.agent(uuid) === undefined)
    return others.length === 0 ? ids : [...ids, ...await knex('agents').whereIn('uuid', others).pluck<number[]>('id')]
  }

  async #writeAgents (db: Knex, { newcomers, agents, arrivals, interrupted, left }: Changes, draft: Map<string, KnownAgent>): Promise<void> {
    const now = Date.now()
    if (newcomers.size > 0) await this.#dialect.upsertAgents(db, [...newcomers.values()], now)
    if (left.size > 0) {
      for (const { id, uuid, connected } of await this.#dialect.disconnectAgents(db, [...left.values()], now)) {
        const known = draft.get(uuid) ?? { ...describeAgent({}), id, lastSeenAt: 0, spokeAt: -1, series: new Map() }
        draft.set(uuid, { ...known, connected: Boolean(connected) })
      }
    }
    if (interrupted.size > 0) await this.#dialect.upsertAgents(db, [...interrupted.values()], now)
    await findArrivals(this.#dialect, db, arrivals, agents)
    if (agents.size > 0) {
      for (const { id, uuid, connected } of await this.#dialect.upsertAgents(db, [...agents.values()], now)) {
        const known = draft.get(uuid)
        const row = agents.get(uuid) as AgentRow
        draft.set(uuid, {
          ...describeAgent(row, known),
          id,
          connected: Boolean(connected),
          instance: row.instance,
          lastSeenAt: row.lastSeenAt,
          spokeAt: row.spokeAt ?? known?.spokeAt ?? -1,
          series: known?.series ?? new Map()
        })
      }
    }
  }

  /** The series of every metric, created where they are new. */
  async #findSeries (db: Knex, batch: ReceivedMessage[], draft: Map<string, KnownAgent>): Promise<void> {
    const missing = new Map<string, SeriesRow & { agent: KnownAgent }>()
    for (const { message } of batch) {
      if (message.kind !== 'message') continue
      const agent = draft.get(message.payload.agent.uuid) as KnownAgent
      for (const { type } of message.payload.metrics) {
        if (!agent.series.has(type)) missing.set(`${agent.id}/${type}`, { agentId: agent.id, type, agent })
      }
    }
    if (missing.size === 0) return
    const rows = [...missing.values()].map(({ agentId, type }) => ({ agentId, type }))
    for (const { id, agentId, type } of await this.#dialect.upsertSeries(db, rows)) {
      missing.get(`${agentId}/${type}`)?.agent.series.set(type, { id, hasValue: false, dirtyHour: Number.NaN })
    }
  }

  /** Write the metrics, the newest metrics of series that have none yet, the times at which agents were seen, and the hours to roll up. */
  async #append (db: Knex, batch: ReceivedMessage[], find: (uuid: string) => KnownAgent | undefined, withDuplicates = false): Promise<Stored[]> {
    const taken = withDuplicates ? await this.#dialect.existingMetrics(db, this.#keysOf(batch, find)) : undefined
    const messages: MessageRow[] = []
    const agents: number[] = []
    const first = new Map<KnownSeries, LatestRow>()
    let hasNewest = false
    const seen = new Map<KnownAgent, SeenRow>()
    const dirty = new Map<string, DirtyHourRow>()
    const current: KnownSeries[] = []
    const now = Date.now()
    const currentHour = floor(now, hour)
    const stored: Stored[] = []
    for (const received of batch) {
      const { message, receivedAt, seq } = received
      const agent = find(message.payload.agent.uuid)
      const count = message.kind === 'message' ? message.payload.metrics.length : 0
      const result: Stored = { agentId: agent?.id ?? null, metrics: count, duplicates: 0 }
      stored.push(result)
      if (agent === undefined || message.kind !== 'message') continue
      const { timestamp } = message.payload
      if (agent.connected && (Math.abs(receivedAt - agent.lastSeenAt) >= seenPrecision || timestamp - agent.spokeAt >= seenPrecision)) {
        const spokeAt = Math.max(timestamp, agent.spokeAt, seen.get(agent)?.[3] ?? -1)
        seen.set(agent, [agent.id, receivedAt, this.#instanceOf(received), spokeAt])
      }
      const row: MessageRow = [timestamp, seq]
      const itsHour = floor(timestamp, hour)
      for (const { type, value: given } of message.payload.metrics) {
        const series = agent.series.get(type) as KnownSeries
        // A metric that is not stored changes nothing else.
        if (taken !== undefined && isTaken(taken, series.id, timestamp, seq)) {
          result.duplicates++
          continue
        }
        const value = typeof given === 'boolean' ? Number(given) : given
        row.push(series.id, value)
        // Only the current hour is remembered as written: no process rolls that up, which would delete its row.
        if (series.dirtyHour !== itsHour || itsHour !== currentHour) {
          dirty.set(`${series.id}/${itsHour}`, [series.id, itsHour])
          if (itsHour === currentHour) current.push(series)
        }
        if (series.hasValue) {
          hasNewest = true
          continue
        }
        const newest = first.get(series)
        if (newest === undefined || isNewer(timestamp, seq, newest)) first.set(series, [series.id, timestamp, seq, value])
      }
      if (row.length === 2) continue
      messages.push(row)
      agents.push(agent.id)
    }
    if (messages.length > 0 || seen.size > 0) {
      const news = this.#dialect.pending === undefined ? { latest: newestOf(messages), seen: [...seen.values()] } : { latest: [...first.values()], ...sortedOut(seen, hasNewest) }
      await this.#dialect.append(db, {
        messages, agents, isChecked: withDuplicates, ...news, dirtyHours: [...dirty.values()], writer: this.#mark()
      })
    }
    for (const series of current) series.dirtyHour = currentHour
    for (const series of first.keys()) series.hasValue = true
    for (const [agent, row] of seen) {
      agent.lastSeenAt = row[1]
      agent.instance = row[2]
      agent.spokeAt = row[3]
    }
    return stored
  }

  /** The keys of a batch's metrics; values do not matter. */
  #keysOf (batch: ReceivedMessage[], find: (uuid: string) => KnownAgent | undefined): MessageRow[] {
    return batch.flatMap(({ message, seq }) => {
      if (message.kind !== 'message') return []
      const { agent: { uuid }, metrics, timestamp } = message.payload
      const agent = find(uuid) as KnownAgent
      return [[timestamp, seq, ...metrics.flatMap(({ type }) => [(agent.series.get(type) as KnownSeries).id, 0])] as MessageRow]
    })
  }
}

/** Whether the key of a metric is in the database or came earlier in the batch; from now on it counts as taken. */
function isTaken (taken: Set<string>, seriesId: number, ts: number, seq: number): boolean {
  const key = `${seriesId}/${ts}/${seq}`
  if (taken.has(key)) return true
  taken.add(key)
  return false
}

/** Which contacts may be written later: not that an agent has another process. */
function sortedOut (seen: ReadonlyMap<KnownAgent, SeenRow>, hasNewest: boolean): Required<Pick<Additions, 'seen' | 'later'>> {
  const [now, later]: [SeenRow[], SeenRow[]] = [[], []]
  for (const [agent, row] of seen) (agent.instance === row[2] ? later : now).push(row)
  return { seen: now, later: { seen: later, hasNewest } }
}
