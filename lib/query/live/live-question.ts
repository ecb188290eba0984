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

/**
 * Asks again when something new is stored, but not more often than it may. After an answer that took longer than that, it pauses for as
 * long as the answer took.
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

  #plan (): void {
    const again = (): void => { this.#askAgain().catch(this.followed.failed) }
    this.#timer = setTimeout(again, Math.max(0, this.#next - performance.now())).unref()
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
    try {
      await this.followed.ask(() => !this.#hasEnded)
    } finally {
      const ended = performance.now()
      this.#isAsking = false
      this.#next = Math.max(started + this.followed.every, ended + (ended - started))
      if (this.#isDue && !this.#hasEnded) this.#plan()
    }
  }
}

function codeOf (error: unknown): string {
  return error instanceof PlatziverseError ? error.code : String(error)
}
