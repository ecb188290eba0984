import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

const breaking = Symbol('breaking')

/** The state of a socket that may break. */
interface Breaking {
  broke: Error | undefined
  /** Whether its bytes are still read. */
  readonly isOpen: boolean
}

type BreakingSocket = Socket & { [breaking]: Breaking }
type Done = (error?: Error | null) => void

/**
 * Read everything that came from a client whose socket broke. A client that sends and leaves without waiting for answers resets the
 * connection with the first of them; by then the system has its messages, but Node would destroy the socket together with what was not
 * read. What the client's own system still had to send is lost: it discards that.
 * @param socket the one at the bottom, because a stream over a WebSocket ends when its socket does
 */
export function readToTheEnd (socket: Socket, state: Breaking): void {
  // The functions are shared, because a broker has thousands of sockets.
  (socket as BreakingSocket)[breaking] = state
  socket._write = writeOrDrop
  socket._writev = writevOrDrop
  socket.destroy = destroyOrEnd
}

function writeOrDrop (this: Duplex, chunk: unknown, encoding: BufferEncoding, done: Done): void {
  const state = (this as BreakingSocket)[breaking]
  if (state.broke !== undefined) return done()
  write.call(this, chunk, encoding, error => { done(noted(state, error)) })
}

function writevOrDrop (this: Duplex, chunks: Array<{ chunk: unknown, encoding: BufferEncoding }>, done: Done): void {
  const state = (this as BreakingSocket)[breaking]
  if (state.broke !== undefined) return done()
  writev.call(this, chunks, error => { done(noted(state, error)) })
}

/** When reading fails, the stream ends there. */
function destroyOrEnd (this: Socket, error?: Error): Socket {
  const state = (this as BreakingSocket)[breaking]
  if ((error as NodeJS.ErrnoException | undefined)?.syscall !== 'read' || this.readableEnded || !state.isOpen) {
    const { destroy } = Object.getPrototypeOf(this) as Socket
    return destroy.call(this, error) as Socket
  }
  noted(state, error)
  this.push(null)
  this.read(0)
  return this
}

/** @returns the error, unless the socket itself broke */
function noted (state: Breaking, error: Error | null | undefined): Error | null | undefined {
  if (!error || !('syscall' in error)) return error
  state.broke ??= error
  return undefined
}

const { _write: write, _writev: writev } = Socket.prototype as unknown as {
  _write (this: Duplex, chunk: unknown, encoding: BufferEncoding, done: Done): void
  _writev (this: Duplex, chunks: Array<{ chunk: unknown, encoding: BufferEncoding }>, done: Done): void
}
