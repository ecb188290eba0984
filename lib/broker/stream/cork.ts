import { Duplex } from 'node:stream'

const corking = Symbol('corking')

/** The state of a corked stream. */
interface Corking {
  corked: boolean
  packetsSent: number
  /** What waits for the end of the turn, in order. */
  pieces: Array<Buffer | string> | undefined
  /** The most bytes that the pieces may take: a text counts three for each character. */
  piecesSize: number
  /** Whether the system took all that was written last, at once. */
  prompt: boolean
  /** What was written in small turns while the stream was full, and how many bytes of it are used. */
  aside: Buffer | undefined
  asideSize: number
  /** Called at the end of a turn in which something was written. */
  written: () => void
}

type CorkedStream = Duplex & { [corking]: Corking }

/** Up to this size, in bytes, copying a piece is cheaper than handing it over. */
const mostCopied = 1024
/** Bytes of one buffer made of pieces. It is not larger, so that the stream soon says whether there is room. */
const mostGathered = 65_536
/** Bytes that wait together for a full stream, which keeps some 170 bytes more for each buffer: a lot for a PUBACK of 4 bytes. */
const mostAside = 4_096
/** Up to this size, in bytes, Node.js cuts a buffer from a larger one. */
const mostPooled = 4_096
/**
 * Where one stream after the other puts its pieces together. New buffers would be most of the memory that messages to many clients take, and have the whole heap
 * searched several times a second. A stream that cannot pass its bytes on at once keeps the buffer, most of which it needs, and the others get a new one.
 */
const desks = [16_384, mostGathered].map(size => Buffer.allocUnsafeSlow(size))

/**
 * Send everything that is written to a stream in one turn of the event loop together: with one system call for all of it instead of one
 * per packet, and in one buffer instead of the three to six pieces that mqtt-packet makes of each packet. mqtt-packet corks the stream
 * for each packet, so packets are counted there, too.
 */
export function corkPerTurn (stream: Duplex, state: Corking): void {
  // The functions are shared, because a broker has thousands of streams.
  (stream as CorkedStream)[corking] = state
  stream.cork = corkOnce
  stream.uncork = later
  stream.write = gatherOrWrite as Duplex['write']
  stream.end = endGathered as Duplex['end']
  stream.on('drain', writeAside)
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
  const state = stream[corking]
  const desk = state.prompt && state.piecesSize > mostPooled ? desks.findIndex(({ length }) => length >= state.piecesSize) : -1
  if (state.pieces === undefined || !stream.writableNeedDrain || state.asideSize + state.piecesSize > mostAside) writeGathered(stream, desks[desk])
  else putAside(state, state.pieces)
  state.corked = false
  Duplex.prototype.uncork.call(stream)
  state.prompt = stream.writableLength === 0
  if (desk >= 0 && !state.prompt) desks[desk] = Buffer.allocUnsafeSlow(desks[desk]!.length)
  state.written()
}

/** The end of the turn uncorks. */
function later (): void {}

/** @returns whether there is room for more, like the stream's own `write` */
function gatherOrWrite (this: Duplex, piece: Buffer | string, encoding?: unknown, callback?: unknown): boolean {
  if (typeof encoding !== 'function' && callback === undefined) return writeCorked(this, piece)
  writeGathered(this as CorkedStream)
  return write.call(this, piece, encoding, callback)
}

/** What `write` of such a stream does, whatever has taken its place since. @returns whether there is room for more */
export function writeCorked (corked: Duplex, piece: Buffer | string): boolean {
  const stream = corked as CorkedStream
  const state = stream[corking]
  const size = typeof piece === 'string' ? piece.length * 3 : piece.length
  if (!state.corked || size > mostCopied) {
    writeGathered(stream)
    return write.call(stream, piece)
  }
  (state.pieces ??= []).push(piece)
  state.piecesSize += size
  if (state.piecesSize > mostGathered) writeGathered(stream)
  return !stream.writableNeedDrain
}

/** A socket ends itself once its client has ended, even in the middle of a turn. What was written before goes first. */
function endGathered (this: Duplex, ...given: unknown[]): Duplex {
  writeGathered(this as CorkedStream)
  release(this as CorkedStream)
  const { end } = Object.getPrototypeOf(this) as { end (...given: unknown[]): Duplex }
  return end.apply(this, given)
}

/** @param into absent: a buffer of their own */
function writeGathered (stream: CorkedStream, into?: Buffer): void {
  const state = stream[corking]
  if (state.aside !== undefined) writeAside.call(stream)
  const { pieces } = state
  if (pieces === undefined) return
  const gathered = into ?? Buffer.allocUnsafe(state.piecesSize)
  const size = gather(state, pieces, gathered, 0)
  if (!stream.destroyed) write.call(stream, gathered.subarray(0, size))
}

/** Keep the pieces of a full stream until it has room, or until there are more of them. */
function putAside (state: Corking, pieces: Array<Buffer | string>): void {
  state.aside ??= Buffer.allocUnsafeSlow(mostAside)
  state.asideSize = gather(state, pieces, state.aside, state.asideSize)
}

function writeAside (this: Duplex): void {
  const state = (this as CorkedStream)[corking]
  const { aside, asideSize } = state
  if (aside === undefined) return
  state.aside = undefined
  state.asideSize = 0
  if (!this.destroyed) write.call(this, aside.subarray(0, asideSize))
}

/** @returns where the pieces end in `into` */
function gather (state: Corking, pieces: Array<Buffer | string>, into: Buffer, at: number): number {
  for (const piece of pieces) at += typeof piece === 'string' ? into.write(piece, at) : copy(piece, into, at)
  state.pieces = undefined
  state.piecesSize = 0
  return at
}

function copy (piece: Buffer, into: Buffer, at: number): number {
  // Most pieces have one or two bytes, for which set() takes twice as long.
  if (piece.length > 8) into.set(piece, at)
  else for (let i = 0; i < piece.length; i++) into[at + i] = piece[i] as number
  return piece.length
}

const write = Duplex.prototype.write as (this: Duplex, ...given: unknown[]) => boolean
