import { Backoff } from '../backoff.ts'
import type { PlatziverseError } from '../errors.ts'
import { within } from '../within.ts'
import type { Connections } from './connections.ts'
import type { Dialect } from './dialects/dialect.ts'
import { mostTransientFailures, transientPause } from './transient-failure.ts'
import type { GroupCommit } from './writer/group-commit.ts'
import type { Spooling } from './writer/spooling.ts'

/** ms between attempts to reach a database that is away. */
const retryDelays = { min: 100, max: 5_000 }

export interface WriterLoopOptions {
  dialect: Dialect
  connections: Connections
  commit: GroupCommit
  spooling: Spooling | undefined
  /** Called after each success. */
  ready (): void
  /** Called when the database does not take messages. */
  waiting (error: PlatziverseError): void
}

/** Commits what waits, in the spool first and then in the queue, until nothing does; a database that fails is tried again. */
export class WriterLoop {
  /** Attempts that failed as a whole and were repeated. */
  retries = 0
  readonly #options: WriterLoopOptions
  readonly #backoff = new Backoff(retryDelays)
  #running: Promise<void> | undefined
  #wake: (() => void) | undefined
  /** Whether messages wait for others to share their commit. */
  #isGathering = false
  /** Failures in a row after which the same was tried again at once. */
  #transient = 0
  #isClosing = false
  #givenUp = false

  constructor (options: WriterLoopOptions) {
    this.#options = options
  }

  /** There is something to do. */
  start (): void {
    if (this.#isGathering && this.#rest === 0) this.#wake?.()
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      const { commit, connections } = this.#options
      if (commit.isAbandoned) void connections.disconnectWriter()
      // What came between the last look at the queue and now.
      if (commit.size > 0 && !this.#givenUp) this.start()
    })
  }

  /** A commit succeeded. */
  succeeded (): void {
    this.#backoff.reset()
    this.#transient = 0
    this.#options.commit.grow()
    this.#options.ready()
  }

  /** Commit what is queued, for at most `patience` ms; an answer that the database owes after that is ignored. */
  async close (patience: number): Promise<void> {
    this.#isClosing = true
    this.#backoff.reset()
    this.#wake?.()
    await within(patience, this.#ended())
    this.#givenUp = true
    this.#wake?.()
    // One more turn for what only had to be woken.
    if (this.#running !== undefined) await within(1, this.#running)
    this.#options.commit.isAbandoned = this.#running !== undefined
  }

  /** ms that what is at the head of the queue may wait: what else there is to do comes at once. */
  get #rest (): number {
    const { connections, commit, spooling } = this.#options
    return this.#isClosing || connections.isLost || spooling?.isOn === true ? 0 : commit.rest
  }

  async #ended (): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run (): Promise<void> {
    const { connections, commit, spooling } = this.#options
    // What else comes in this turn of the event loop belongs to the first batch.
    await new Promise(resolve => setImmediate(resolve))
    while (!this.#givenUp && (connections.isLost || commit.size > 0 || spooling?.isOn === true)) {
      if (this.#isClosing && commit.size === 0) return
      const rest = this.#rest
      if (rest > 0) {
        this.#isGathering = true
        await this.#pause(rest)
        this.#isGathering = false
        continue
      }
      try {
        const knex = connections.writer ?? await connections.connectWriter()
        connections.check()
        if (spooling?.isOn === true) await spooling.drain(knex)
        else await commit.next(knex)
        this.succeeded()
      } catch (error) {
        await this.#failed(error)
      }
    }
  }

  async #failed (cause: unknown): Promise<void> {
    const { dialect, connections, commit, spooling, waiting } = this.#options
    this.retries++
    commit.forget()
    if (dialect.isTransient(cause) && ++this.#transient <= mostTransientFailures) {
      await transientPause(this.#transient)
      return
    }
    this.#transient = 0
    commit.shrink()
    // The next attempt opens the database anew: the server may have been restarted.
    await connections.disconnectWriter()
    waiting(dialect.explain(cause))
    if (this.#givenUp) return
    spooling?.begin()
    await this.#pause(this.#backoff.next())
  }

  /** Wait that many ms, or until something wakes the loop. */
  async #pause (ms: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, Math.ceil(ms))
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }
}
