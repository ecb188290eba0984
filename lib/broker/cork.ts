import { Duplex } from 'node:stream'

const corking = Symbol('corking')

/** What is kept of a corked stream. */
interface Corking {
  corked: boolean
  packetsSent: number
}
type CorkedStream = Duplex & { [corking]: Corking }

/**
 * Let everything that is written to a stream in one turn of the event loop leave together: a system call for all of it in
 * place of one per packet. mqtt-packet corks the stream for each packet, so that is where packets are counted too.
 */
export function corkPerTurn (stream: Duplex, state: Corking): void {
  // Functions are shared, because a broker has thousands of streams.
  (stream as CorkedStream)[corking] = state
  stream.cork = corkOnce
  stream.uncork = later
}

function corkOnce (this: Duplex): void {
  const stream = this as CorkedStream
  const state = stream[corking]
  state.packetsSent++
  if (state.corked) return
  state.corked = true
  Duplex.prototype.cork.call(stream)
  setImmediate(release, stream)
}

function release (stream: CorkedStream): void {
  stream[corking].corked = false
  Duplex.prototype.uncork.call(stream)
}

/** The turn's end uncorks. */
function later (): void {}
