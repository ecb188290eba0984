import { setTimeout } from 'node:timers/promises'
import type { Knex } from 'knex'
import { within } from '../../within.ts'
import type { Pending, WriterMark } from '../dialects/dialect.ts'
import type { Task } from './group-commit.ts'

/** ms after which what is pending is written, whether anybody asks or not. */
const every = 60_000
/** ms that a question waits for it: a database that does not take it now is not to keep it from being read. */
const patience = 2_000
/** ms that closing waits for it. */
const closePatience = 250

export interface PendingWritesOptions {
  /** Absent: nothing is ever pending. */
  pending: Pending | undefined
  mark (): WriterMark
  /** Whether the database takes what is written. */
  isReady (): boolean
  /** Whether senders wait for the database. */
  isBusy (): boolean
  /** Do this in the writer's place, before everything that waits. */
  push (task: Omit<Task, 'isPatient'>): void
}

/** Writes what is pending of series and agents: each minute, and before it is asked for. */
export class PendingWrites {
  /** Attempts that failed: what is pending stays so, and is written later. */
  failures = 0
  readonly #options: PendingWritesOptions
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  /** The same once more, for those who asked meanwhile. */
  #next: Promise<void> | undefined

  constructor (options: PendingWritesOptions) {
    this.#options = options
    if (options.pending !== undefined) this.#timer = setInterval(() => { void this.now() }, every).unref()
  }

  stop (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Much was added. */
  added (): void {
    if (this.#options.pending?.isMuch === true) void this.now()
  }

  /** As much as there is time for, when the store closes: whoever opens the database next finds the rest. @throws what the database says */
  async writeLast (knex: Knex): Promise<void> {
    const started = performance.now()
    for (const parts of this.#options.pending?.parts() ?? []) if (performance.now() - started < closePatience) await this.#write(knex, parts)
  }

  async #write (knex: Knex, parts: number[]): Promise<void> {
    const { pending, mark } = this.#options
    await pending?.write(knex, mark(), parts)
    pending?.written(parts)
  }

  /** Resolves when everything that was committed before is written, or cannot be written soon. */
  async now (): Promise<void> {
    const { pending, isReady } = this.#options
    if (pending?.isThere === true && isReady()) await within(patience, this.#all())
  }

  #all (): Promise<void> {
    if (this.#writing === undefined) {
      return this.#writing = this.#writeAhead().catch(() => { this.failures++ }).finally(() => { this.#writing = undefined })
    }
    return this.#next ??= this.#writing.then(() => {
      this.#next = undefined
      return this.#all()
    })
  }

  /** In slices: after each of them senders who wait have the database for as long as it took. */
  async #writeAhead (): Promise<void> {
    let took = 0
    for (const parts of this.#options.pending?.parts() ?? []) {
      if (took > 0 && this.#options.isBusy()) await setTimeout(took)
      await new Promise<void>((resolve, reject) => {
        const run = async (knex: Knex): Promise<void> => {
          const started = performance.now()
          await this.#write(knex, parts)
          took = performance.now() - started
          resolve()
        }
        this.#options.push({ run, insists: false, done: reject })
      })
    }
  }
}
