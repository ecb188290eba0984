import type { Duplex } from 'node:stream'

const corking = Symbol('corking')

/** What is kept of a corked stream; functions are shared, because a broker has thousands of streams. */
interface Corking {
  corked: boolean
  counter: { packetsSent: number }
  cork: () => void
  uncork: () => void
}
type CorkedStream = Duplex & { [corking]: Corking }

/**
 * Let everything that is written to a stream in one turn of the event loop leave together: a system call for all of it in
 * place of one per packet. mqtt-packet corks the stream for each packet, so that is where packets are counted too.
 */
export function corkPerTurn (stream: Duplex, counter: { packetsSent: number }): void {
  (stream as CorkedStream)[corking] = { corked: false, counter, cork: stream.cork, uncork: stream.uncork }
  stream.cork = corkOnce
  stream.uncork = later
}

function corkOnce (this: Duplex): void {
  const stream = this as CorkedStream
  const state = stream[corking]
  state.counter.packetsSent++
  if (state.corked) return
  state.corked = true
  state.cork.call(this)
  setImmediate(release, stream)
}

function release (stream: CorkedStream): void {
  stream[corking].corked = false
  stream[corking].uncork.call(stream)
}

/** The turn's end uncorks. */
function later (): void {}
