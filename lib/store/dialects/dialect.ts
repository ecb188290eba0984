import type { Knex } from 'knex'
import { PlatziverseError } from '../../errors.ts'
import type { AgentRow, GoodbyeRow } from './agent-columns.ts'

export interface SeriesRow { agentId: number, type: string }

/** The metrics of one message: its timestamp and seq, then the id of a series and its value, again and again. */
export type MessageRow = [ts: number, seq: number, ...seriesAndValues: Array<number | string>]

/** A series' newest metric, by `ts` and then `seq`: a string goes into the column `text`, a number into `value`. */
export type LatestRow = [seriesId: number, ts: number, seq: number, value: number | string]

/** When an agent that is connected was heard last (UTC ms), by which process, and the newest timestamp of its messages. */
export type SeenRow = [agentId: number, lastSeenAt: number, instance: string, spokeAt: number]

/** The row of an agent, and whether it is connected now. */
export interface WrittenAgent { id: number, uuid: string, connected: boolean }

/** An hour of a series that got metrics and has to be rolled up; `ts` is its start in UTC ms. */
export type DirtyHourRow = [seriesId: number, ts: number]

/** The row by which a writer shows that it lives, as it wrote it last. */
export interface WriterMark { id: string, beat: number }

/** What a batch adds. */
export interface Additions {
  messages: MessageRow[]
  /** The ids of the messages' agents; absent: each row is a metric by itself, however old. */
  agents?: number[]
  /** Whether `existingMetrics` was asked before. */
  isChecked?: boolean
  /** Newest metrics to be written with them. */
  latest: LatestRow[]
  seen: SeenRow[]
  dirtyHours: DirtyHourRow[]
  /** Absent where ids are not remembered from one statement to the next. */
  writer?: WriterMark
  /** What may be written later, where the database has a `pending`; there, in a transaction, it counts from `committed` on. */
  later?: Later
}

export interface Later {
  /** When agents were heard. */
  seen: SeenRow[]
  /** Whether the batch has metrics of series that are not in `latest`: the newest ones, which its messages say, may be written later too. */
  hasNewest: boolean
}

/**
 * Newest values of series, and times at which agents were heard, that are not written yet: each would cost a page. After a crash they are found
 * again in the messages. Only a process that writes alone keeps them back.
 */
export interface Pending {
  /** Whether there is anything to write. */
  readonly isThere: boolean
  /** Whether what is not written when the store closes is found again only if the writer's row stays. */
  readonly needsRow?: boolean
  /** Whether there is so much that it should be written now. */
  readonly isMuch: boolean
  /** What there is, in parts, and which of these are little enough to be written together. */
  parts (): number[][]
  /**
   * Write some parts, in a transaction of its own or as the first statements of one. They stay until `written`, and may be written again.
   * @throws PlatziverseError STORE_REPLACED when the mark of `writer` is not there; nothing was written then
   */
  write (db: Knex, writer: WriterMark, parts: number[]): Promise<void>
  /** What was written of them is committed. */
  written (parts: number[]): void
  /** The agents whose newest contact is pending, in groups that are little enough to be written together. */
  heard (): number[][]
  /** Write when these agents were heard, as `write` does; `committed` says that it is. @throws PlatziverseError STORE_REPLACED */
  writeHeard (knex: Knex, writer: WriterMark, agents: number[]): Promise<void>
  /** The agents whose newest contact is pending and was before a time (UTC ms). */
  heardBefore (time: number): number[]
  /** Write when these agents were heard, in a transaction, before something else that they said. */
  writeContacts (db: Knex, agents: Iterable<number>): Promise<void>
  /** The transaction is committed: what these agents said is written, and what was added in it is pending. */
  committed (agents: Iterable<number>): void
  /** A database was opened: drop what belongs to another state of it. @param writer the mark as it was written last */
  opened (knex: Knex, writer: WriterMark): Promise<void>
  /** Find what other processes did not write, those that ended above all. @param isAlone whether none of them writes now */
  recover (knex: Knex, isAlone: boolean): Promise<void>
}

/**
 * Where metrics come into one place, cheap to write, and are moved from there to another one, cheap to read: the moving. A message is in
 * one of them at any moment, and whoever reads sees it once.
 */
export interface Settling {
  /** The blocks that have so much to move that reading or moving it would take long. */
  due (): number[]
  /** How many metrics have come into a block since this process began, about. */
  added (block: number): number
  /** What a block holds, as a multiple of what one of which all agents report may hold before it is due. */
  fullness (block: number): number
  /**
   * Move some of a block's messages, in a transaction of its own.
   * @param options `before`: no message before this time stays (UTC ms); absent: most do not. `size`: about so many metrics
   * @returns whether there is more to move
   */
  step (db: Knex, block: number, options: { before?: number | undefined, size: number }): Promise<boolean>
  /** Count what there is to move; from then on it is known. */
  count (db: Knex): Promise<void>
  /** The blocks in which not everything before a time is settled. */
  blocksBefore (db: Knex, before: number): Promise<number[]>
}

/** The ids that a writer remembers belong to another state of the database: adding by them would give metrics to other series. */
export function writerMissing (database: string): PlatziverseError {
  return new PlatziverseError('STORE_REPLACED', `${database} has another state than the one that was opened: it was restored, another process forgot an agent, or somebody emptied the table writers.`)
}

/**
 * One database, as the store uses it. Every statement takes a whole batch and binds it at once; `db` is a
 * transaction or the pool.
 */
export interface Dialect {
  /** Open the writer's pool, of one connection, and prepare the database for durable writing, without touching its schema. */
  connect (): Promise<Knex>
  /** Prepare that pool for `append`, once the schema is there. */
  prepare? (knex: Knex): Promise<void>
  /** Close that pool. */
  disconnect (knex: Knex): Promise<void>
  /**
   * Whether what `connect` opened is still what the database's name leads to; before and after each batch, so in microseconds.
   * Absent: a server sees to that.
   * @throws PlatziverseError STORE_REPLACED
   */
  check? (): void
  /** Open a pool that only reads and never makes the writer wait; several connections may read at once. The schema is there. */
  read: () => Promise<Knex>
  /**
   * Open a pool, of one connection, for long work that writes while the writer writes too. Absent: the database has one writer at a
   * time, and such work takes the writer's place between two batches.
   */
  beside?: () => Promise<Knex>
  /** Try something with this database, or, if trying would create it, with one beside it that is removed afterwards. Absent: nothing is created by trying. */
  rehearse?<Result> (work: (dialect: Dialect) => Promise<Result>): Promise<Result>
  /**
   * Insert metrics; record the newest one of each series unless a newer one is known, the times when agents were seen (they are
   * connected then), and hours to roll up, which may be recorded already. All of it or nothing, and committed when it
   * resolves, unless `db` is a transaction. Fails if the key of a metric is there already.
   * @throws PlatziverseError STORE_REPLACED when the mark of `writer` is not there; nothing was added then
   */
  append (db: Knex, additions: Additions): Promise<void>
  /** Absent: metrics are written where they stay. */
  settling?: Settling
  /** Absent: everything is written at once. */
  pending?: Pending
  /** Whether `append` failed because the key of a metric is there, or may be. */
  foundDuplicates (error: unknown): boolean
  /** Which of these keys are there, as `seriesId/ts/seq`. */
  existingMetrics (db: Knex, messages: MessageRow[]): Promise<Set<string>>
  /** Insert agents or update them. */
  upsertAgents (db: Knex, agents: AgentRow[], now: number): Promise<WrittenAgent[]>
  /**
   * Of rows of agents, each with all that those before it say: the place of the first by which an agent that is there, and not connected, would
   * be so; later places may be there as well.
   */
  arrivals (db: Knex, rows: AgentRow[]): Promise<number[]>
  /** Mark agents as disconnected, unless another process has them or they said something newer; unknown ones stay unknown. @returns those that are there */
  disconnectAgents (db: Knex, goodbyes: GoodbyeRow[], now: number): Promise<WrittenAgent[]>
  /** Find or create series. */
  upsertSeries (db: Knex, series: SeriesRow[]): Promise<Array<{ id: number, agentId: number, type: string }>>
  /** Whether the database refuses the data itself, so that trying again is pointless. */
  refusesData (error: unknown): boolean
  /** Whether the same again may succeed at once: a deadlock, a serialization failure. */
  isTransient (error: unknown): boolean
  /** Any error of this database as one of the package's, without secrets. */
  explain (error: unknown): PlatziverseError
}
