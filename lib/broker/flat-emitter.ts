import type { EmitterInternals } from './aedes-internals.ts'

/** Messages that are routed in one go; then the event loop gets its turn. */
const mostAtOnce = 1_000

type Route = Parameters<EmitterInternals['_do']>

/**
 * Let an emitter route one message after another instead of one inside another: its own way is to start the next message from the end
 * of the last, and a message that nobody receives ends at once. Thousands that wait for a topic whose subscribers left overflow the stack.
 */
export function flatten (emitter: EmitterInternals): void {
  const route = emitter._do
  const waiting = new Fifo<Route>()
  let routing = false

  const drain = (): void => {
    try {
      for (let i = 0; i < mostAtOnce; i++) {
        const next = waiting.shift()
        if (next === undefined) break
        emitter.current--
        route.apply(emitter, next)
      }
    } finally {
      routing = waiting.length > 0
      // Also after an exception: the others are not to wait for ever.
      if (routing) setImmediate(drain)
    }
  }

  emitter._do = (...message) => {
    if (routing) {
      // It counts as one that is being routed, so that nothing overtakes it.
      emitter.current++
      waiting.push(message)
      return emitter
    }
    routing = true
    try {
      return route.apply(emitter, message)
    } finally {
      if (waiting.length > 0) drain()
      else routing = false
    }
  }
  emitter._messageQueue = new Fifo()
  emitter._messageCallbacks = new Fifo()
}

/** A queue whose front costs the same at any length: V8 moves a whole array of more than some 50,000 for each `shift`. */
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
