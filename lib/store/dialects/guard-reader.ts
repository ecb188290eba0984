import type { Socket } from 'node:net'
import { reasonOf } from '../../errors.ts'

/**
 * A driver may throw while it reads an answer that it does not understand. Out of a socket's event that would end the process; guarded,
 * it ends the connection, with the reason.
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
