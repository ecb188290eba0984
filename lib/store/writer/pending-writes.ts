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

/** Writes a part of what is pending. */
type WritePart = (knex: Knex) => Promise<void>

/** Writes what is pending of series and agents: each minute, and before it is asked for. */
export class PendingWrites {
  /** Attempts that failed: what is pending stays so, and is written later. */
  failures = 0
  readonly #options: PendingWritesOptions
  readonly #everything = new Turns(() => this.#writeAhead(this.#parts()))
  readonly #heard = new Turns(() => this.#writeAhead(this.#contacts()))
  #timer: NodeJS.Timeout | undefined

  constructor (options: PendingWritesOptions) {
    this.#options = options
    if (options.pending !== undefined) this.#timer = setInterval(() => { void this.now() }, every).unref()
  }

  stop (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Whether whoever opens the database next has to know that something is left. */
  get isLeft (): boolean {
    const { pending } = this.#options
    return pending?.needsRow === true && pending.isThere
  }

  /** Much was added. */
  added (): void {
    if (this.#options.pending?.isMuch === true) void this.now()
  }

  /** As much as there is time for, when the store closes: whoever opens the database next finds the rest. @throws what the database says */
  async writeLast (knex: Knex): Promise<void> {
    const started = performance.now()
    for (const write of this.#parts()) if (performance.now() - started < closePatience) await write(knex)
  }

  /** Resolves when everything that was committed before is written, or cannot be written soon. */
  now (): Promise<void> { return this.#ask(this.#everything) }

  /** The same of when agents were heard: the newest values of all their series take longer. */
  heardNow (): Promise<void> { return this.#ask(this.#heard) }

  async #ask (turns: Turns): Promise<void> {
    const { pending, isReady } = this.#options
    if (pending?.isThere === true && isReady()) await within(patience, turns.next())
  }

  #parts (): WritePart[] {
    const { pending, mark } = this.#options
    return pending?.parts().map(parts => async knex => {
      await pending.write(knex, mark(), parts)
      pending.written(parts)
    }) ?? []
  }

  #contacts (): WritePart[] {
    const { pending, mark } = this.#options
    return pending?.heard().map(agents => async knex => {
      await pending.writeHeard(knex, mark(), agents)
      pending.committed(agents)
    }) ?? []
  }

  /** After each part senders who wait have the database for as long as it took. */
  async #writeAhead (parts: WritePart[]): Promise<void> {
    let took = 0
    try {
      for (const write of parts) {
        if (took > 0 && this.#options.isBusy()) await setTimeout(took)
        await new Promise<void>((resolve, reject) => {
          const run = async (knex: Knex): Promise<void> => {
            const started = performance.now()
            await write(knex)
            took = performance.now() - started
            resolve()
          }
          this.#options.push({ run, insists: false, done: reject })
        })
      }
    } catch {
      this.failures++
    }
  }
}

/** Work that is done for all who asked before it began. */
class Turns {
  readonly #work: () => Promise<void>
  #now: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor (work: () => Promise<void>) {
    this.#work = work
  }

  /** Resolves once the work was done that began after this call. */
  next (): Promise<void> {
    if (this.#now === undefined) return this.#now = this.#work().finally(() => { this.#now = undefined })
    return this.#next ??= this.#now.then(() => {
      this.#next = undefined
      return this.next()
    })
  }
}
