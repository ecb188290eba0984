import { Backoff } from '../../backoff.ts'
import { PlatziverseError } from '../../errors.ts'
import type { Interest } from './interest.ts'

/** A question that is asked again. */
export interface Followed {
  interest: Interest
  /** ms from one answer to the next, at the least. */
  every: number
  /** Ask, and send the answer as long as it is wanted: not once the question has ended. */
  ask (isWanted: () => boolean): Promise<void>
  /** Called with what went wrong after the first answer; the same code is told once in a row. */
  failed (error: unknown): void
}

/** ms after which a question is asked again that the database could not answer: many may wait for the same one. */
const patience = { min: 200, max: 30_000 }

/**
 * Asks again when something new is stored, but not more often than it may. After an answer that took longer than that, it pauses for as
 * long as the answer took. What fails because of the database is asked again without that, after longer and longer waits.
 */
export class LiveQuestion {
  readonly followed: Followed
  readonly #waits: () => void
  #isAsking = false
  #isDue = false
  #hasEnded = false
  #lastCode: string | undefined
  /** When it may be asked next, on the clock of `performance`. */
  #next = 0
  #timer: NodeJS.Timeout | undefined
  readonly #backoff = new Backoff(patience, { jitter: true })

  /** @param waits called when it has to be told again */
  constructor (followed: Followed, waits: () => void) {
    this.followed = followed
    this.#waits = waits
  }

  /** The first answer. @throws what asking throws */
  async start (): Promise<void> {
    try {
      await this.#ask()
    } catch (error) {
      this.#lastCode = codeOf(error)
      throw error
    }
  }

  /** Something was stored that may change the answer. */
  tell (): void {
    this.#isDue = true
    if (!this.#isAsking) this.#plan()
  }

  end (): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
  }

  /** @param wait ms, at the least */
  #plan (wait = 0): void {
    const again = (): void => { this.#askAgain().catch(this.followed.failed) }
    // What was stored meanwhile is no reason to wait for the end of a pause.
    clearTimeout(this.#timer)
    // Node.js leaves fractions of a ms out.
    this.#timer = setTimeout(again, Math.ceil(Math.max(wait, this.#next - performance.now()))).unref()
  }

  async #askAgain (): Promise<void> {
    try {
      await this.#ask()
      this.#lastCode = undefined
    } catch (error) {
      const isNews = codeOf(error) !== this.#lastCode
      this.#lastCode = codeOf(error)
      if (isNews && !this.#hasEnded) throw error
    }
  }

  async #ask (): Promise<void> {
    const started = performance.now()
    this.#isAsking = true
    this.#isDue = false
    this.#waits()
    let wait: number | undefined
    try {
      await this.followed.ask(() => !this.#hasEnded)
      this.#backoff.reset()
    } catch (error) {
      if (mayPass(error)) wait = this.#backoff.next()
      throw error
    } finally {
      const ended = performance.now()
      this.#isAsking = false
      this.#next = Math.max(started + this.followed.every, ended + (ended - started))
      if (!this.#hasEnded && (this.#isDue || wait !== undefined)) this.#plan(this.#isDue ? 0 : wait)
    }
  }
}

/** Whether the same question may have an answer later although nothing was stored: it was the database's fault. */
function mayPass (error: unknown): boolean {
  const code = codeOf(error)
  return code === 'QUERY_FAILED' || code === 'QUERY_DATA_DELETED' || (code.startsWith('STORE_') && code !== 'STORE_CLOSED')
}

function codeOf (error: unknown): string {
  return error instanceof PlatziverseError ? error.code : String(error)
}
