import type { EmitterInternals } from './aedes-internals.ts'

/** ms that routing may take in one turn of the event loop: one message may have thousands of subscribers. */
const longest = 20

type RouteCall = Parameters<EmitterInternals['_do']>

/**
 * Let an emitter route one message after another instead of one inside another. It starts the next message at the end of the last, and
 * a message that nobody receives ends at once: thousands waiting for a topic whose subscribers have left would overflow the stack.
 */
export function flatten (emitter: EmitterInternals): void {
  const route = emitter._do
  const waiting = new Fifo<RouteCall>()
  let routing = false
  /** When this turn's first message was routed, in ms. */
  let began: number | undefined

  const hasTime = (): boolean => {
    const now = performance.now()
    if (began === undefined) {
      began = now
      setImmediate(nextTurn)
    }
    return now - began < longest
  }

  const nextTurn = (): void => {
    began = undefined
    if (waiting.length > 0) drain()
  }

  const drain = (): void => {
    routing = true
    try {
      while (waiting.length > 0 && hasTime()) {
        emitter.current--
        route.call(emitter, ...waiting.shift()!)
      }
    } finally {
      routing = false
    }
  }

  emitter._do = (message, done) => {
    if (routing || waiting.length > 0 || !hasTime()) {
      // It counts as being routed, so that nothing overtakes it, and the emitter does not take those that wait behind it for leaked.
      emitter.current++
      emitter._doing = true
      waiting.push([message, done])
      return emitter
    }
    routing = true
    try {
      return route.call(emitter, message, done)
    } finally {
      routing = false
      if (waiting.length > 0) drain()
    }
  }
  emitter._messageQueue = new Fifo()
  emitter._messageCallbacks = new Fifo()
}

/** A queue whose front costs the same at any length: with more than some 50,000 items, V8 moves the whole array for each `shift`. */
class Fifo<T> {
  #items: Array<T | undefined> = []
  #head = 0

  get length (): number { return this.#items.length - this.#head }

  push (item: T): number {
    this.#items.push(item)
    return this.length
  }

  shift (): T | undefined {
    const item = this.#items[this.#head]
    if (this.#head === this.#items.length) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length || (this.#head >= 1024 && this.#head * 2 > this.#items.length)) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return item
  }
}
