import type { Socket } from 'node:net'
import { reasonOf } from '../../errors.ts'

/**
 * Whoever reads what a server sends may throw on what it cannot understand: then this connection ends with the reason. In a socket's
 * event it would end the process.
 */
export function guardReader<S extends Socket> (socket: S): S {
  const emit = socket.emit.bind(socket)
  socket.emit = (event: string | symbol, ...values: unknown[]): boolean => {
    if (event !== 'data') return emit(event, ...values)
    try {
      return emit(event, ...values)
    } catch (cause) {
      socket.destroy(new Error(`the server's answer cannot be read: ${reasonOf(cause)}`, { cause }))
      return true
    }
  }
  return socket
}
