import type { Knex } from 'knex'
import { within } from '../../within.ts'
import type { Pending, WriterMark } from '../dialects/dialect.ts'
import type { Task } from './group-commit.ts'

/** ms after which what is pending is written, whether anybody asks or not. */
const every = 60_000
/** ms that a question waits for it: a database that does not take it now is not to keep it from being read. */
const patience = 1_000

export interface PendingWritesOptions {
  /** Absent: nothing is ever pending. */
  pending: Pending | undefined
  mark (): WriterMark
  /** Whether the database takes what is written. */
  isReady (): boolean
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

  /** In the writer's place. @throws what the database says */
  async write (knex: Knex): Promise<void> {
    const { pending, mark } = this.#options
    if (pending?.isThere !== true) return
    await pending.write(knex, mark())
    pending.written()
  }

  /** Resolves when everything that was committed before is written, or cannot be written soon. */
  async now (): Promise<void> {
    const { pending, isReady } = this.#options
    if (pending?.isThere !== true || !isReady()) return
    this.#writing ??= this.#writeAhead().catch(() => { this.failures++ }).finally(() => { this.#writing = undefined })
    await within(patience, this.#writing)
  }

  #writeAhead (): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#options.push({ run: async knex => { resolve(await this.write(knex)) }, insists: false, done: reject })
    })
  }
}
