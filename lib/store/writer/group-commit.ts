import type { Knex } from 'knex'
import { PlatziverseError } from '../../errors.ts'
import type { Dialect, WriterMark } from '../dialects/dialect.ts'
import { BatchWriter, type Stored } from './batch-writer.ts'
import type { ReceivedMessage } from './changes.ts'
import { Gathering, type Gathered } from './gathering.ts'
import { KnownAgents } from './known-agents.ts'

/** Most messages, and metrics, in one transaction: larger ones are no faster, and their senders wait longer. */
const mostMessages = 2_000
const mostMetrics = 10_000

/** Called once with the outcome for a message: what was stored, or PlatziverseError STORE_CLOSED, STORE_FULL or STORE_DATA_REFUSED. Must not throw. */
export type WriteDone = (error: PlatziverseError | null, stored?: Stored) => void

/** A message that waits for its commit. */
export type Write = ReceivedMessage & Gathered & { done: WriteDone }

/** Other work that keeps its place among the messages. */
export interface Task {
  run (knex: Knex): Promise<void>
  /** Whether it waits for a database that fails, as messages do. */
  insists: boolean
  /** Whether it also waits while the messages before it wait for others to share their commit. */
  isPatient: boolean
  done (error: PlatziverseError): void
}

/** Called with how many messages, from the head of the batch on, are finished: committed or refused. */
type Finished = (count: number) => void

export interface GroupCommitOptions {
  /** This process; agents that are connected to it are written with this name. */
  instance: string
  /** ms that a message waits at the most for others to share its commit. */
  gather: number
  /** The row by which the database is recognised as the one whose ids are remembered. */
  mark (): WriterMark
  /** Called after each commit. */
  committed (): void
  /** Called with each batch once its senders are answered. */
  stored (batch: readonly ReceivedMessage[]): void
}

/**
 * Messages and tasks in their order, and the transactions that take them: messages that wait together are committed together. A message
 * that the database refuses is singled out, and the others are stored.
 */
export class GroupCommit {
  /** Messages and metrics committed, how many of the metrics were stored before, and messages that the database refused. */
  readonly counters = { messages: 0, metrics: 0, duplicates: 0, refused: 0 }
  /** Memory of all messages without an outcome, in bytes, wherever they wait. */
  bytes = 0
  /** Closed while the database owed an answer, which no longer matters. */
  isAbandoned = false
  readonly #dialect: Dialect
  readonly #options: Pick<GroupCommitOptions, 'committed' | 'stored'>
  readonly #known = new KnownAgents()
  readonly #writer: BatchWriter
  readonly #gathering: Gathering
  #queue: Array<Write | Task> = []
  /** Work for which messages wait. */
  #ahead: Array<Omit<Task, 'isPatient'>> = []
  /** Tasks in the queue, and those of them that are not patient. */
  #tasks = 0
  #urgent = 0
  /** Most messages in the next transaction: fewer after a failure, because a slow server may not have managed that many in time. */
  #most = mostMessages

  constructor (dialect: Dialect, { instance, gather, mark, ...options }: GroupCommitOptions) {
    this.#dialect = dialect
    this.#options = options
    this.#writer = new BatchWriter(dialect, this.#known, instance, mark)
    this.#gathering = new Gathering(gather)
  }

  /** Messages and tasks that wait. */
  get size (): number { return this.#queue.length + this.#ahead.length }

  /** Messages that wait. */
  get messages (): number { return this.#queue.length - this.#tasks }

  /** Most messages in the next transaction. */
  get most (): number { return this.#most }

  /** ms until what is at the head of the queue has to be done: messages may wait for others to share their commit. */
  get rest (): number {
    const [first] = this.#queue
    return first === undefined || 'run' in first || this.#urgent > 0 || this.#ahead.length > 0 ? 0 : this.#gathering.rest(first)
  }

  push (next: Write | Task): void {
    if ('run' in next) {
      this.#tasks++
      if (!next.isPatient) this.#urgent++
    } else {
      this.#gathering.add(next, this.#most)
    }
    this.#queue.push(next)
  }

  /** A task that comes before everything that waits. */
  pushAhead (task: Omit<Task, 'isPatient'>): void {
    this.#ahead.push(task)
  }

  /** Do the task at the head of the queue, or commit the messages there; whatever fails stays there. */
  async next (knex: Knex): Promise<void> {
    const [ahead] = this.#ahead
    if (ahead !== undefined) {
      await this.#do(ahead, knex)
      this.#ahead.shift()
      return
    }
    const [first] = this.#queue
    if (first === undefined) return
    if ('run' in first) {
      await this.#do(first, knex)
      this.#queue.shift()
      this.#tasks--
      if (!first.isPatient) this.#urgent--
      return
    }
    // Not splice(): in a long-lived array it keeps young objects alive until the next full garbage collection.
    await this.write(knex, this.#takeBatch(), count => { this.#queue = this.#queue.slice(count) })
    this.#gatherAnew()
  }

  async #do ({ run, insists, done }: Omit<Task, 'isPatient'>, knex: Knex): Promise<void> {
    try {
      await run(knex)
    } catch (error) {
      if (insists) throw error
      done(this.#dialect.explain(error))
    }
  }

  /** Commit these messages, except those that the database refuses. */
  async write (knex: Knex, batch: Write[], finished: Finished): Promise<void> {
    let results: Stored[]
    try {
      results = await this.#writer.write(knex, batch)
      if (this.isAbandoned) return
      // Committed, but into what?
      this.#dialect.check?.()
    } catch (error) {
      if (this.isAbandoned) return
      this.forget()
      // An error of our own would come again for ever: it must not keep the other messages waiting either.
      const isOurs = error instanceof TypeError || error instanceof RangeError
      if (!isOurs && !this.#dialect.refusesData(error)) throw error
      await this.#bisect(knex, batch, finished, error)
      return
    }
    this.#options.committed()
    finished(batch.length)
    // Not at once: the database gets the next batch first, and works on it while the senders of this one are answered.
    setImmediate(() => {
      for (let i = 0; i < batch.length; i++) {
        const stored = results[i] as Stored
        this.counters.messages++
        this.counters.metrics += stored.metrics
        this.counters.duplicates += stored.duplicates
        this.end(batch[i] as Write, null, stored)
      }
      this.#options.stored(batch)
    })
  }

  /** Say what became of a message, which takes no memory from then on. */
  end (write: Write, error: PlatziverseError | null, stored?: Stored): void {
    this.bytes -= write.bytes
    write.done(error, stored)
  }

  /** Take all messages out of the queue; tasks stay. */
  takeMessages (): Write[] {
    const messages = this.#queue.filter(next => 'message' in next)
    this.#queue = this.#queue.filter(next => 'run' in next)
    this.#gatherAnew()
    return messages
  }

  /** End everything that waits. @param why makes the error of each */
  giveUp (why: () => PlatziverseError): void {
    this.#tasks = 0
    this.#urgent = 0
    for (const next of [...this.#ahead.splice(0), ...this.#queue.splice(0)]) {
      if ('run' in next) next.done(why())
      else this.end(next, why())
    }
  }

  /** Forget what the database is known to hold. */
  forget (): void {
    this.#known.clear()
  }

  /** Forget what the database is known to hold of an agent. */
  forgetAgent (uuid: string): void {
    this.#known.forget(uuid)
  }

  /** Take more messages into a transaction again. */
  grow (): void {
    this.#most = Math.min(mostMessages, this.#most * 2)
  }

  /** Take half as many messages into a transaction. */
  shrink (): void {
    this.#most = Math.max(1, Math.floor(this.#most / 2))
  }

  /** The messages at the head of the queue, which stay there until they are committed. */
  #takeBatch (): Write[] {
    const batch: Write[] = []
    let metrics = 0
    for (const next of this.#queue) {
      if ('run' in next || batch.length >= this.#most || metrics >= mostMetrics) break
      batch.push(next)
      metrics += next.message.kind === 'message' ? next.message.payload.metrics.length : 0
    }
    return batch
  }

  /** Count what the queue has now. */
  #gatherAnew (): void {
    if (this.#gathering.most === 0) return
    this.#gathering.clear()
    for (const next of this.#queue) if (!('run' in next)) this.#gathering.add(next, this.#most)
  }

  /** Find the message that the database refuses; store all others. */
  async #bisect (knex: Knex, batch: Write[], finished: Finished, error: unknown): Promise<void> {
    const [only] = batch
    if (batch.length === 1 && only !== undefined) {
      this.counters.refused++
      finished(1)
      this.end(only, new PlatziverseError('STORE_DATA_REFUSED', `${this.#dialect.explain(error).detail}`, { cause: error }))
      return
    }
    const half = Math.ceil(batch.length / 2)
    await this.write(knex, batch.slice(0, half), finished)
    await this.write(knex, batch.slice(half), finished)
  }
}
