import type { Socket } from 'node:net'
import type { Reader } from './stream/unread-bytes.ts'

/** The WebSocket messages that carry a stream of MQTT. */
export interface WebSocketMessages extends Reader {
  /** How many came so far. */
  count: number
  /** Bytes of the message that is not complete: it is read when it is. */
  unread: number
  /** Called when that changed. */
  changed: (() => void) | undefined
  /** Limit the packets that a message may hold from now on, in bytes. @param isKnown whether the client was let in; then 0 is as large as MQTT allows */
  limitPackets (bytes: number, isKnown: boolean): void
}

/** A new connection, before anything was read from it. */
export interface Arrival {
  address: string | undefined
  /** Whether it can only be a program on this machine. */
  local: boolean
  /** The common name of its certificate, where that is the username; empty: it has none. */
  username: string | undefined
  /** The socket below the stream, with the client's byte counters. */
  socket: Socket
  /** The messages that carry the stream; absent: the socket itself is the stream. */
  messages?: WebSocketMessages
}
