import type { Connection } from '../broker/publication.ts'
import type { InFlightWindow } from './in-flight-window.ts'

/** The window's source for what the intake says by itself. */
export const itself = 0
/** Bytes that a goodbye takes in the window. */
export const goodbyeBytes = 1_000
/** How many are said in one turn of the event loop: a client may have a hundred thousand agents. */
const goodbyesPerTurn = 100

/** Why an agent is said to be gone; `receivedAt` in UTC ms. */
export interface Goodbye { connection: Connection, receivedAt: number }

/** Agents whose client went and that did not say goodbye: it is said for them, while there is room in the window. */
export class Goodbyes {
  readonly #window: InFlightWindow
  readonly #say: (uuid: string, goodbye: Goodbye) => void
  #due = new Map<string, Goodbye>()
  /** Iterates over those that are due. There is one for all of them, because a new one would step over every entry deleted so far. */
  #saying: Iterator<[string, Goodbye]> | undefined

  /** @param say says one; its place in the window, of the source `itself` and of `goodbyeBytes`, is taken, and to be left by the caller */
  constructor (window: InFlightWindow, say: (uuid: string, goodbye: Goodbye) => void) {
    this.#window = window
    this.#say = say
  }

  /** A client went, and these agents with it. */
  add (uuids: readonly string[], connection: Connection): void {
    const goodbye = { connection, receivedAt: Date.now() }
    for (const uuid of uuids) this.#due.set(uuid, goodbye)
    if (this.#saying === undefined) this.#sayAll()
  }

  /** An agent does not need one any more. */
  delete (uuid: string): void {
    this.#due.delete(uuid)
  }

  clear (): void {
    this.#due.clear()
  }

  #sayAll (): void {
    this.#saying ??= this.#due.entries()
    for (let said = 0; this.#due.size > 0; said++) {
      if (said === goodbyesPerTurn) return void setImmediate(() => { this.#sayAll() })
      if (!this.#window.tryEnter(itself, goodbyeBytes)) {
        this.#window.wait(itself, () => {
          this.#sayNext()
          this.#sayAll()
        }, undefined, goodbyeBytes)
        return
      }
      this.#sayNext()
    }
    this.#saying = undefined
  }

  /** It has its place in the window. */
  #sayNext (): void {
    const next = this.#saying?.next()
    // The remaining agents came back meanwhile.
    if (next?.done !== false) return this.#window.leave(itself, goodbyeBytes)
    const [uuid, goodbye] = next.value
    this.#due.delete(uuid)
    this.#say(uuid, goodbye)
  }
}
