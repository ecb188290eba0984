import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { fingerprint } from '../messages/fingerprint.ts'
import type { Message } from '../messages/parse.ts'
import { weighMessage } from '../messages/weigh.ts'
import type { Dialect } from './dialects/dialect.ts'
import { migrate } from './migrations/migrate.ts'
import { BatchWriter, type ReceivedMessage, type Stored } from './writer/batch-writer.ts'
import { KnownAgents } from './writer/known-agents.ts'
import type { Spool } from './writer/spool.ts'
import { beatEvery, Writers } from './writer/writers.ts'

export type { Stored } from './writer/batch-writer.ts'

/** Most messages, and metrics, in one transaction: larger ones are no faster, and their senders wait longer. */
const mostMessages = 2_000
const mostMetrics = 10_000
/** Most messages that wait in memory. */
const mostQueued = 100_000
/** Most memory that they take, in bytes. */
const mostQueuedBytes = 128_000_000
const firstDelay = 100
const longestDelay = 5_000
/** So many deadlocks in a row are tried again, each after up to twice the pause, before the database counts as away. */
const mostTransient = 10
/** ms between two looks whether the database is still there, while nothing is written. */
const checkEvery = 2_000
/** ms that closing waits for a database that takes what is queued, for one that is away, and for connections to end: a deploy waits as long. */
const closePatience = 1_000
const awayPatience = 250
const goodbyePatience = 500

export type StoreState =
  | { state: 'opening' }
  | { state: 'ready' }
  /** The database does not take messages; the store keeps trying. */
  | { state: 'waiting', error: PlatziverseError }
  | { state: 'closed' }

export interface StoreStatistics {
  /** Messages and metrics committed, duplicates included. */
  messages: number
  metrics: number
  /** Metrics that were stored before. */
  duplicates: number
  /** Messages that the database refused. */
  refused: number
  /** Attempts that failed as a whole and were repeated. */
  retries: number
  /** Messages that wait. */
  queued: number
  /** Messages in the spool. */
  spooled: number
}

/** Told once, of what became of a message: PlatziverseError STORE_CLOSED, STORE_FULL, STORE_DATA_REFUSED, or what was stored. Must not throw. */
export type WriteDone = (error: PlatziverseError | null, stored?: Stored) => void

/** `bytes`: the memory that it takes. */
type Write = ReceivedMessage & { bytes: number, done: WriteDone }
/** Something else than a message that has to keep its place in the order. */
interface Task {
  run (knex: Knex): Promise<void>
  /** Whether it waits for a database that fails, as messages do. */
  insists: boolean
  done (error: PlatziverseError): void
}

export interface StoreOptions {
  /** This process; at most 64 characters. */
  instance: string
  /** Where it runs, the same after a restart; at most 64 characters. */
  home?: string
  /** Where messages wait, acknowledged, while the database is away. Absent: in memory, not acknowledged. Closed with the store. */
  spool?: Spool | undefined
  /** ms until a spool that failed is read again. */
  spoolPatience?: number
}

/**
 * Stores messages by group commit: one transaction at a time, and whatever came meanwhile is the next one. A failing
 * database keeps everything waiting; a message that the database refuses is told apart and keeps nobody else waiting.
 */
export class Store extends EventEmitter<{ state: [StoreState], problem: [PlatziverseError] }> {
  state: StoreState = { state: 'opening' }
  #dialect: Dialect
  #writers: Writers
  #spool: Spool | undefined
  #spoolPatience: number
  /** Whether what comes goes into the spool: from the first failure until it is empty again. */
  #spooling: boolean
  #spoolProblem: string | undefined
  #spoolTimer: NodeJS.Timeout | undefined
  #checkTimer: NodeJS.Timeout | undefined
  readonly #beatTimer: NodeJS.Timeout
  #known = new KnownAgents()
  #writer: BatchWriter
  #queue: Array<Write | Task> = []
  /** Memory that all messages take that are here, wherever they wait. */
  #bytes = 0
  #knex: Knex | undefined
  /** For all but the writer. */
  #pools = new Map<string, Promise<Knex>>()
  #running: Promise<void> | undefined
  #delay = firstDelay
  /** Messages in the next transaction at most: fewer after a failure, because a slow server may not have done so many in time. */
  #most = mostMessages
  #wake: (() => void) | undefined
  /** Whether the database is not where it was opened. */
  #isMissed = false
  #closing: Promise<void> | undefined
  #givenUp = false
  /** Closed while the database owed an answer: what that says is of no interest any more. */
  #abandoned = false
  /** Failures in a row after which the same was tried again at once. */
  #transient = 0
  #counters = { messages: 0, metrics: 0, duplicates: 0, refused: 0, retries: 0 }

  constructor (dialect: Dialect, { instance, home = instance, spool, spoolPatience = 60_000 }: StoreOptions) {
    super()
    this.setMaxListeners(0)
    this.#dialect = dialect
    this.#writers = new Writers(instance, home)
    this.#spool = spool
    this.#spoolPatience = spoolPatience
    // The last process may have left something: what comes now is newer.
    this.#spooling = spool !== undefined
    this.#writer = new BatchWriter(dialect, this.#known, instance, () => this.#writers.mark)
    this.#beatTimer = setInterval(() => {
      if (this.#closing === undefined && this.state.state === 'ready') this.#enqueue(knex => this.#writers.beat(knex), false).catch(() => undefined)
    }, beatEvery).unref()
    if (dialect.check !== undefined) this.#checkTimer = setInterval(() => { this.#isThere() }, checkEvery).unref()
    this.#start()
  }

  statistics (): StoreStatistics {
    return { ...this.#counters, queued: this.#queue.length, spooled: this.#spool?.size ?? 0 }
  }

  /**
   * Store a message. A callback, because a promise for each of thousands of messages a second is felt.
   * @param receivedAt UTC ms
   * @param done called after the commit, or when there will be none
   * @param print the fingerprint of what the sender sent; absent: of the payload
   * @param weight memory that the message takes until it is stored, in bytes; absent: it is weighed here
   */
  write (message: Message, receivedAt: number, done: WriteDone, print?: number, weight?: number): void {
    if (this.#closing !== undefined) return done(closedError())
    if (this.#queue.length + (this.#spool?.waiting ?? 0) >= mostQueued) return done(new PlatziverseError('STORE_FULL', `${mostQueued} messages wait already.`))
    let seq = 0
    let bytes = 0
    try {
      bytes = weight ?? weighMessage(message)
      // Now, while the database works on the batch before, and not when it waits for this one.
      if (message.kind === 'message') seq = message.payload.seq ?? print ?? fingerprint(JSON.stringify(message.payload))
    } catch (cause) {
      return done(new PlatziverseError('STORE_DATA_REFUSED', 'The payload cannot be written as JSON.', { cause }))
    }
    // One that is larger is taken when it is alone.
    if (this.#bytes > 0 && this.#bytes + bytes > mostQueuedBytes) return done(new PlatziverseError('STORE_FULL', `${this.#queue.length} messages wait already, and take ${Math.round(this.#bytes / 1_000_000)} MB.`))
    this.#bytes += bytes
    const entry: Write = { message, receivedAt, seq, bytes, done }
    if (this.#spooling && this.#spool?.accepts === true) this.#toSpool(entry)
    else this.#queue.push(entry)
    this.#start()
  }

  /**
   * Long work: beside the writer where the database can do both at once; otherwise in the writer's place between two batches,
   * and then short, or senders wait for it. What is transient is tried again.
   * @throws PlatziverseError STORE_CLOSED, or whatever the database says
   */
  async run<Result> (work: (knex: Knex) => Promise<Result>): Promise<Result> {
    const { beside } = this.#dialect
    if (beside === undefined) return await this.#enqueue(work, false)
    for (let failures = 1; ; failures++) {
      const knex = await this.#pool('beside', beside)
      try {
        return await work(knex)
      } catch (error) {
        if (this.#closing !== undefined) throw closedError()
        if (!this.#dialect.isTransient(error) || failures > mostTransient) throw this.#dialect.explain(error)
        this.#counters.retries++
        await pauseOf(failures)
      }
    }
  }

  /**
   * The database to read from, for as long as the store is open; reading never holds the writer up.
   * @throws PlatziverseError STORE_CLOSED, or why there is no database now
   */
  async read (): Promise<Knex> {
    if (!this.#isThere()) await this.#enqueue(async () => undefined, true)
    return await this.#pool('read', this.#dialect.read)
  }

  /**
   * Mark the agents as disconnected that are connected by a process which is gone.
   * @param isStart whether whoever ran here before has had its time to come back
   * @returns their uuids
   * @throws PlatziverseError STORE_CLOSED
   */
  disconnectAbandoned (isStart: boolean): Promise<string[]> {
    return this.#enqueue(async knex => {
      const uuids: string[] = []
      for (const instance of await this.#writers.gone(knex, isStart)) {
        const agents = await knex('agents').where({ connected: true, instance }).pluck<string[]>('uuid')
        if (agents.length > 0) await this.#dialect.disconnectAgents(knex, agents, instance ?? '', Date.now())
        uuids.push(...agents)
      }
      if (uuids.length > 0) this.#known.clear()
      return uuids
    }, true)
  }

  /** Store what is queued, then close the database. What it does not take in time fails with STORE_CLOSED. May be called twice. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    const patience = this.state.state === 'waiting' ? awayPatience : closePatience
    this.#delay = firstDelay
    this.#wake?.()
    await within(patience, this.#ended())
    this.#givenUp = true
    this.#wake?.()
    // One more turn for what only had to be woken.
    if (this.#running !== undefined) await within(1, this.#running)
    this.#abandoned = this.#running !== undefined
    await this.#spool?.flushed()
    for (const entry of this.#queue.splice(0)) {
      if ('run' in entry) entry.done(closedError())
      else this.#end(entry, closedError())
    }
    await within(goodbyePatience, this.#goodbye())
    clearInterval(this.#checkTimer)
    clearInterval(this.#beatTimer)
    await this.#spool?.close()
    // Before the pools: one may wait for the store to be ready.
    this.#report({ state: 'closed' })
    await within(goodbyePatience, Promise.all([...this.#pools.values()].map(pool => pool.then(knex => knex.destroy()).catch(() => undefined))))
  }

  async #ended (): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  #enqueue<Result> (work: (knex: Knex) => Promise<Result>, insists: boolean): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) return reject(closedError())
      const run = async (knex: Knex): Promise<void> => { resolve(await work(knex)) }
      this.#queue.push({ run, insists, done: reject })
      this.#start()
    })
  }

  #pool (name: string, open: () => Promise<Knex>): Promise<Knex> {
    if (this.#closing !== undefined) return Promise.reject(closedError())
    let pool = this.#pools.get(name)
    if (pool === undefined) {
      pool = this.#openPool(open).catch((error: unknown) => {
        this.#pools.delete(name)
        throw this.#dialect.explain(error)
      })
      this.#pools.set(name, pool)
    }
    return pool
  }

  async #openPool (open: () => Promise<Knex>): Promise<Knex> {
    // The tables are there once the writer was.
    if (this.state.state === 'opening') await new Promise<void>(resolve => { this.once('state', () => { resolve() }) })
    const { state } = this
    if (state.state === 'waiting') throw state.error
    if (state.state === 'closed') throw closedError()
    return await open()
  }

  #start (): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      if (this.#abandoned) void this.#disconnect()
      // What came between the last look at the queue and now.
      if (this.#queue.length > 0 && !this.#givenUp) this.#start()
    })
  }

  async #run (): Promise<void> {
    // What else comes in this turn of the event loop belongs to the first batch.
    await new Promise(resolve => setImmediate(resolve))
    while (!this.#givenUp && (this.#knex === undefined || this.#isMissed || this.#queue.length > 0 || this.#spooling)) {
      if (this.#closing !== undefined && this.#queue.length === 0) return
      try {
        const knex = this.#knex ??= await this.#connect()
        this.#dialect.check?.()
        this.#isMissed = false
        if (this.#spooling) await this.#drain(knex)
        else await this.#next(knex)
        this.#succeeded()
      } catch (error) {
        await this.#failed(error)
      }
    }
  }

  async #connect (): Promise<Knex> {
    this.#leaveReplaced()
    const knex = await this.#dialect.connect()
    try {
      await migrate(knex)
      await this.#dialect.prepare?.(knex)
      await this.#writers.beat(knex)
      return knex
    } catch (error) {
      await knex.destroy()
      throw error
    }
  }

  /** Whether the database is still what was opened; where it is not, it is opened anew. */
  #isThere (): boolean {
    if (this.#knex === undefined || this.#closing !== undefined) return true
    try {
      this.#dialect.check?.()
      return true
    } catch {
      this.#isMissed = true
      this.#start()
      return false
    }
  }

  async #next (knex: Knex): Promise<void> {
    const [first] = this.#queue
    if (first === undefined) return
    if ('run' in first) {
      try {
        await first.run(knex)
      } catch (error) {
        if (first.insists) throw error
        first.done(this.#dialect.explain(error))
      }
      this.#queue.shift()
      return
    }
    // Not splice(): in a long-lived array it keeps young objects alive until the next full garbage collection.
    await this.#write(knex, this.#takeBatch(), count => { this.#queue = this.#queue.slice(count) })
  }

  /** Put a message into the spool; where that fails it waits in memory. */
  #toSpool (entry: Write): void {
    this.#spool?.add(entry, error => {
      this.#spoolIs(error)
      if (error === null) {
        const metrics = entry.message.kind === 'message' ? entry.message.payload.metrics.length : 0
        return this.#end(entry, null, { agentId: null, metrics, duplicates: 0, spooled: true })
      }
      this.#queue.push(entry)
      // Closing sees to what is in the queue by itself.
      if (this.#closing === undefined) this.#start()
    })
  }

  /** Store what is oldest in the spool; when that was the last of it, messages come to the queue again. */
  async #drain (knex: Knex): Promise<void> {
    const spool = this.#spool as Spool
    const batch = await spool.first(this.#most).catch((error: PlatziverseError) => { this.#spoolIs(error) })
    if (batch === undefined) {
      this.#leaveSpool()
      return
    }
    if (batch.entries.length > 0) {
      await this.#write(knex, batch.entries.map(entry => ({ ...entry, bytes: 0, done: error => { if (error !== null) this.emit('problem', error) } })), () => undefined)
      if (this.#abandoned) return
      // Killed before this they are stored again, and recognised as duplicates.
      await spool.remove(batch).catch((error: PlatziverseError) => {
        this.#spoolIs(error)
        this.#leaveSpool()
      })
      return
    }
    // Nothing may overtake what is on its way into the spool.
    if (spool.isWriting) await spool.flushed()
    else if (spool.size === 0) this.#spooling = false
  }

  /** What is in it waits for somebody who mends it, or for room on the disk; what comes need not wait with it. */
  #leaveSpool (): void {
    this.#spooling = false
    clearTimeout(this.#spoolTimer)
    this.#spoolTimer = setTimeout(() => {
      if (this.#closing !== undefined || this.#spool?.size === 0) return
      this.#spooling = true
      this.#start()
    }, this.#spoolPatience)
    this.#spoolTimer.unref()
  }

  #spoolIs (error: PlatziverseError | null): void {
    // Once for as long as it lasts.
    if (error !== null && error.code !== this.#spoolProblem) this.emit('problem', error)
    this.#spoolProblem = error?.code
  }

  /** The messages at the head of the queue, which stay there until they are committed. */
  #takeBatch (): Write[] {
    const batch: Write[] = []
    let metrics = 0
    for (const entry of this.#queue) {
      if ('run' in entry || batch.length >= this.#most || metrics >= mostMetrics) break
      batch.push(entry)
      metrics += entry.message.kind === 'message' ? entry.message.payload.metrics.length : 0
    }
    return batch
  }

  /** @param settled told how many messages of the head of the batch need nothing more */
  async #write (knex: Knex, batch: Write[], settled: (count: number) => void): Promise<void> {
    let results: Stored[]
    try {
      results = await this.#writer.write(knex, batch)
      if (this.#abandoned) return
      // Committed, but into what?
      this.#dialect.check?.()
    } catch (error) {
      if (this.#abandoned) return
      this.#known.clear()
      // An error of our own would come again for ever: it must not keep the other messages waiting either.
      const isOurs = error instanceof TypeError || error instanceof RangeError
      if (!isOurs && !this.#dialect.refusesData(error)) throw error
      await this.#bisect(knex, batch, settled, error)
      return
    }
    this.#succeeded()
    settled(batch.length)
    // Not at once: the database gets the next batch first, and works on it while senders are told about this one.
    setImmediate(() => {
      for (let i = 0; i < batch.length; i++) {
        const stored = results[i] as Stored
        this.#counters.messages++
        this.#counters.metrics += stored.metrics
        this.#counters.duplicates += stored.duplicates
        this.#end(batch[i] as Write, null, stored)
      }
    })
  }

  /** Say what became of a message, which is no longer here then. */
  #end (entry: Write, error: PlatziverseError | null, stored?: Stored): void {
    this.#bytes -= entry.bytes
    entry.done(error, stored)
  }

  /** Find the message that the database refuses; store all others. */
  async #bisect (knex: Knex, batch: Write[], settled: (count: number) => void, error: unknown): Promise<void> {
    const [entry] = batch
    if (batch.length === 1 && entry !== undefined) {
      this.#counters.refused++
      settled(1)
      this.#end(entry, new PlatziverseError('STORE_DATA_REFUSED', `${this.#dialect.explain(error).detail}`, { cause: error }))
      return
    }
    const half = Math.ceil(batch.length / 2)
    await this.#write(knex, batch.slice(0, half), settled)
    await this.#write(knex, batch.slice(half), settled)
  }

  #succeeded (): void {
    this.#delay = firstDelay
    this.#most = Math.min(mostMessages, this.#most * 2)
    this.#transient = 0
    if (this.state.state !== 'ready') this.#report({ state: 'ready' })
  }

  async #failed (cause: unknown): Promise<void> {
    this.#counters.retries++
    this.#known.clear()
    if (this.#dialect.isTransient(cause) && ++this.#transient <= mostTransient) {
      await pauseOf(this.#transient)
      return
    }
    this.#transient = 0
    this.#most = Math.max(1, Math.floor(this.#most / 2))
    // The next attempt opens the database anew: the server may have been restarted.
    await this.#disconnect()
    this.#report({ state: 'waiting', error: this.#dialect.explain(cause) })
    if (this.#givenUp) return
    this.#spoolQueue()
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, this.#delay)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
    this.#delay = Math.min(this.#delay * 2, longestDelay)
  }

  /** The database is away: what waits for it in memory goes into the spool. */
  #spoolQueue (): void {
    if (this.#spool?.accepts !== true) return
    this.#spooling = true
    const writes = this.#queue.filter(entry => 'message' in entry)
    this.#queue = this.#queue.filter(entry => 'run' in entry)
    for (const entry of writes) this.#toSpool(entry)
  }

  async #goodbye (): Promise<void> {
    if (this.#knex !== undefined && this.state.state === 'ready') await this.#writers.leave(this.#knex).catch(() => undefined)
    await this.#disconnect()
  }

  async #disconnect (): Promise<void> {
    const knex = this.#knex
    this.#knex = undefined
    this.#isMissed = false
    // A broken connection may not close cleanly; there is nothing left to lose in it.
    if (knex !== undefined) await this.#dialect.disconnect(knex).catch(() => undefined)
  }

  /** Readers of what is no longer the database end with what they read now. */
  #leaveReplaced (): void {
    // Those who asked already are still waiting for it to be opened.
    if (this.state.state === 'opening') return
    try {
      this.#dialect.check?.()
      return
    } catch { /* nobody shall read it any more */ }
    for (const pool of this.#pools.values()) void pool.then(knex => knex.destroy()).catch(() => undefined)
    this.#pools.clear()
  }

  #report (state: StoreState): void {
    if (this.state.state === 'closed') return
    this.state = state
    this.emit('state', state)
  }
}

/** Resolved with the work, or after so many ms. */
async function within (ms: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController()
  await Promise.race([work, sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)])
  timer.abort()
}

/** Of any length: two who get in each other's way must not try again at the same time. */
function pauseOf (failures: number): Promise<void> {
  return sleep(Math.random() * 2 ** failures)
}

function closedError (): PlatziverseError {
  return new PlatziverseError('STORE_CLOSED', 'The database is closed.')
}
