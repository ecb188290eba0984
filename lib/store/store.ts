import { EventEmitter } from 'node:events'
import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { fingerprint } from '../messages/fingerprint.ts'
import type { Message } from '../messages/parse.ts'
import { weighMessage } from '../messages/weigh.ts'
import { within } from '../within.ts'
import { closedError, Connections } from './connections.ts'
import { kindOf } from './dialects/database-kind.ts'
import { disconnectPending, silentAgents, type OwnSilence } from './disconnect-once.ts'
import type { Dialect, Settling } from './dialects/dialect.ts'
import { Feed } from './feed.ts'
import type { Sender, StoreOptions, StoreState, StoreStatistics } from './terms.ts'
import { mostTransientFailures, transientPause } from './transient-failure.ts'
import { WriterLoop } from './writer-loop.ts'
import { GroupCommit, type Write, type WriteDone } from './writer/group-commit.ts'
import { PendingWrites } from './writer/pending-writes.ts'
import { Spooling } from './writer/spooling.ts'
import { beatEvery, Writers } from './writer/writers.ts'

export type { Sender, StoreOptions, StoreState, StoreStatistics } from './terms.ts'
export type { Stored } from './writer/batch-writer.ts'
export type { WriteDone } from './writer/group-commit.ts'

/** Most messages that wait in memory, and most memory that they take, in bytes. */
const mostQueued = 100_000
const mostQueuedBytes = 128_000_000
/** ms between two checks that the database is still there, while nothing is written. */
const checkEvery = 2_000
/** ms that closing waits for a database that takes what is queued, for one that is away, and for connections to end: a deploy waits as long. */
const closePatience = 1_000
const awayPatience = 250
const goodbyePatience = 500

const nobody: Sender = {}

/**
 * Stores messages by group commit: one transaction at a time, and everything that comes meanwhile is in the next one. While the database
 * fails, messages wait in the queue or in the spool.
 */
export class Store extends EventEmitter<{ state: [StoreState], problem: [PlatziverseError], forgotten: [uuid: string] }> {
  state: StoreState = { state: 'opening' }
  readonly feed: Feed
  /** Where this process runs, the same after a restart. */
  readonly home: string
  readonly #gather: number
  readonly #dialect: Dialect
  readonly #writers: Writers
  readonly #connections: Connections
  readonly #commit: GroupCommit
  readonly #spooling: Spooling | undefined
  readonly #pending: PendingWrites
  readonly #loop: WriterLoop
  readonly #beatTimer: NodeJS.Timeout
  #checkTimer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  constructor (dialect: Dialect, { instance, home = instance, feed = new Feed(), spool, spoolPatience = 60_000, gather = 0 }: StoreOptions) {
    super()
    this.setMaxListeners(0)
    this.#dialect = dialect
    this.feed = feed
    this.home = home
    this.#gather = gather
    this.#writers = new Writers(instance, home)
    this.#connections = new Connections(dialect, this.#writers, () => this.#opened())
    this.#commit = new GroupCommit(dialect, {
      instance,
      gather,
      mark: () => this.#writers.mark,
      committed: () => {
        this.#loop.succeeded()
        this.#pending.added()
      },
      stored: batch => { if (feed.isHeard) feed.tell(batch) }
    })
    if (spool !== undefined) {
      this.#spooling = new Spooling(spool, spoolPatience, this.#commit, {
        start: () => { this.#loop.start() },
        problem: error => { this.emit('problem', error) }
      })
    }
    this.#pending = new PendingWrites({
      pending: dialect.pending,
      mark: () => this.#writers.mark,
      isReady: () => this.state.state === 'ready' && this.#closing === undefined,
      isBusy: () => this.#commit.messages > 0,
      push: task => {
        this.#commit.pushAhead(task)
        this.#loop.start()
      }
    })
    this.#loop = new WriterLoop({
      dialect,
      connections: this.#connections,
      commit: this.#commit,
      spooling: this.#spooling,
      ready: () => { if (this.state.state !== 'ready') this.#report({ state: 'ready' }) },
      waiting: error => { this.#report({ state: 'waiting', error }) }
    })
    this.#beatTimer = setInterval(() => {
      if (this.#closing === undefined && this.state.state === 'ready') this.#enqueue(knex => this.#beat(knex), { insists: false }).catch(() => undefined)
    }, beatEvery).unref()
    if (dialect.check !== undefined) this.#checkTimer = setInterval(() => { this.#isThere() }, checkEvery).unref()
    this.#loop.start()
  }

  /** The moving of metrics to where they stay; undefined where they are written there. */
  get settling (): Settling | undefined { return this.#dialect.settling }

  statistics (): StoreStatistics {
    const retries = this.#loop.retries + this.#connections.retries + this.#pending.failures
    return { ...this.#commit.counters, retries, queued: this.#commit.messages, spooled: this.#spooling?.size ?? 0 }
  }

  /**
   * Store a message. With a callback, because at thousands of messages a second a promise for each would cost time.
   * @param receivedAt UTC ms
   * @param done called after the commit, or when there will be none
   * @param print the fingerprint of what the sender sent; absent: of the payload
   * @param weight memory that the message takes until it is stored, in bytes; absent: it is weighed here
   * @param from its sender
   */
  write (message: Message, receivedAt: number, done: WriteDone, print?: number, weight?: number, { clientId = '', elsewhere = false, queuedAt } = nobody): void {
    if (this.#closing !== undefined) return done(closedError())
    if (this.#commit.size + (this.#spooling?.waiting ?? 0) >= mostQueued) return done(new PlatziverseError('STORE_FULL', `${mostQueued} messages wait already.`))
    let seq = 0
    let bytes = 0
    try {
      bytes = weight ?? weighMessage(message)
      // Now, while the database works on the batch before, and not when it waits for this one.
      if (message.kind === 'message') seq = message.payload.seq ?? print ?? fingerprint(JSON.stringify(message.payload))
    } catch (cause) {
      return done(new PlatziverseError('STORE_DATA_REFUSED', 'The payload cannot be written as JSON.', { cause }))
    }
    const held = this.#commit.bytes
    // A larger one is taken when it is alone.
    if (held > 0 && held + bytes > mostQueuedBytes) return done(new PlatziverseError('STORE_FULL', `${this.#commit.size} messages wait already, and take ${Math.round(held / 1_000_000)} MB.`))
    this.#commit.bytes += bytes
    // What comes while the database is away is stored as soon as it is back.
    const dueAt = this.#gather === 0 || this.state.state !== 'ready' ? 0 : performance.now() + this.#gather
    const write: Write = { message, receivedAt, seq, bytes, clientId, dueAt, done, elsewhere }
    if (message.kind === 'disconnected' && message.payload.timestamp === undefined) write.queuedAt = queuedAt ?? Date.now()
    if (this.#spooling?.takes === true) this.#spooling.add(write)
    else this.#commit.push(write)
    this.#loop.start()
  }

  /**
   * Long work: beside the writer where the database can do both at once; otherwise in the writer's place between two batches, and then it
   * has to be short (`Pace` takes 25 ms), because senders wait for it. Transient failures are tried again.
   * @throws PlatziverseError STORE_CLOSED, or whatever the database says
   */
  async run<Result> (work: (knex: Knex) => Promise<Result>): Promise<Result> {
    const { beside } = this.#dialect
    return await (beside === undefined ? this.#enqueue(work, { insists: false }) : this.#connections.beside(beside, work))
  }

  /**
   * The database to read from, for as long as the store is open; reading never holds up the writer. To be asked for anew with each question: then what
   * this process committed is there.
   * @param what is asked for: `agents`: when they were heard too; `newest`: newest values of series too; `metrics`: neither, both may be a minute old
   * @throws PlatziverseError STORE_CLOSED, or the reason why there is no database now
   */
  async read (what: 'agents' | 'metrics' | 'newest' = 'newest'): Promise<Knex> {
    if (what === 'newest') await this.#pending.now()
    else if (what === 'agents') await this.#pending.heardNow()
    if (!this.#isThere()) await this.#enqueue(async () => undefined, { insists: true })
    return await this.#connections.read()
  }

  /**
   * Mark the agents as disconnected that are connected by a process which is gone.
   * @param isStart whether the process that ran here before has had its time to come back
   * @returns their uuids
   * @throws PlatziverseError STORE_CLOSED
   */
  disconnectAbandoned (isStart: boolean): Promise<string[]> {
    return this.#disconnect(async knex => {
      const gone = await this.#writers.gone(knex, isStart)
      return (await Promise.all(gone.map(instance => disconnectPending(knex, this.#dialect.pending, agents => agents.where({ instance }))))).flat()
    })
  }

  /** The same for silent agents, as `silentAgents` chooses them. */
  disconnectSilent (before: number, only: { uuid?: string, instance?: string } = {}, own?: OwnSilence): Promise<string[]> {
    return this.#disconnect(knex => disconnectPending(knex, this.#dialect.pending, silentAgents(before, only, own), before))
  }

  #disconnect (work: (knex: Knex) => Promise<string[]>): Promise<string[]> {
    return this.#enqueue(async knex => {
      const uuids = await work(knex)
      for (const uuid of uuids) this.#commit.forgetAgent(uuid)
      this.feed.tellGone(uuids)
      return uuids
    }, { insists: true, isPatient: true })
  }

  /**
   * Remove an agent's row, and tell so by the event `forgotten`. Its series belong to nobody from then on: `Forgetting` deletes them. The
   * agent's next message makes a new agent of it.
   * @returns whether it was there
   * @throws PlatziverseError STORE_CLOSED, the reason why there is no database now, or whatever the database says
   */
  async removeAgent (uuid: string): Promise<boolean> {
    for (let failures = 1; ; failures++) {
      if (this.state.state === 'waiting') throw this.state.error
      try {
        const isRemoved = await this.#enqueue(knex => this.#remove(knex, uuid), { insists: false })
        if (isRemoved) {
          this.emit('forgotten', uuid)
          this.feed.tellForgotten(uuid)
        }
        return isRemoved
      } catch (error) {
        // Another process is writing.
        const isTransient = error instanceof PlatziverseError && (error.code === 'STORE_LOCKED' || this.#dialect.isTransient(error.cause))
        if (!isTransient || failures > mostTransientFailures) throw error
        await transientPause(failures)
      }
    }
  }

  /** In the writer's place, so that no batch adds to series of an agent that is gone. */
  async #remove (knex: Knex, uuid: string): Promise<boolean> {
    const isRemoved = await kindOf(knex).transact(knex, async db => {
      const count = await db('agents').where({ uuid }).delete()
      if (count > 0) await this.#writers.startleOthers(db)
      return count > 0
    })
    this.#commit.forgetAgent(uuid)
    return isRemoved
  }

  /** Store what is queued, then close the database. What it does not take in time fails with STORE_CLOSED. May be called twice. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    const patience = this.state.state === 'waiting' ? awayPatience : closePatience
    this.#connections.close()
    this.#spooling?.stop()
    this.#pending.stop()
    await this.#loop.close(patience)
    await this.#spooling?.flushed()
    this.#commit.giveUp(closedError)
    await within(goodbyePatience, this.#goodbye())
    clearInterval(this.#checkTimer)
    clearInterval(this.#beatTimer)
    await this.#spooling?.close()
    // Before the pools: one may wait for the store to be ready.
    this.#report({ state: 'closed' })
    await within(goodbyePatience, this.#connections.destroyPools())
  }

  async #goodbye (): Promise<void> {
    const { writer } = this.#connections
    if (writer !== undefined && this.state.state === 'ready') {
      await this.#pending.writeLast(writer).catch(() => undefined)
      if (!this.#pending.isLeft) await this.#writers.leave(writer).catch(() => undefined)
    }
    await this.#connections.disconnectWriter()
  }

  #enqueue<Result> (work: (knex: Knex) => Promise<Result>, { insists, isPatient = false }: { insists: boolean, isPatient?: boolean }): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) return reject(closedError())
      const run = async (knex: Knex): Promise<void> => { resolve(await work(knex)) }
      this.#commit.push({ run, insists, isPatient, done: reject })
      this.#loop.start()
    })
  }

  async #beat (knex: Knex): Promise<void> {
    const { pending } = this.#dialect
    const before = this.#writers.mark
    if (!await this.#writers.beat(knex)) {
      // Another process removed an agent, or the database was restored.
      this.#commit.forget()
      await pending?.opened(knex, before)
      await this.#writers.enter(knex)
    }
    await pending?.recover(knex, await this.#writers.isAlone(knex))
  }

  /** Resolves once the database was opened; rejects with the reason why it is not. */
  async #opened (): Promise<void> {
    if (this.state.state === 'opening') await new Promise<void>(resolve => { this.once('state', () => { resolve() }) })
    const { state } = this
    if (state.state === 'waiting') throw state.error
    if (state.state === 'closed') throw closedError()
  }

  /** Whether the database is still the one that was opened; where it is not, the writer connects anew. */
  #isThere (): boolean {
    const isThere = this.#connections.isThere()
    if (!isThere) this.#loop.start()
    return isThere
  }

  #report (state: StoreState): void {
    if (this.state.state === 'closed') return
    this.state = state
    this.emit('state', state)
  }
}
