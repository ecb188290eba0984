import type { Client } from 'aedes'
import type { Violation } from '../stream/violation.ts'
import type { ClientState } from './client-state.ts'

/** Receives connection events. One shared object: a closure per connection would need more memory than its state. */
export interface ConnectionObserver {
  /** What came in must not reach the parser. */
  violated (client: Client, state: ClientState, violation: Violation): void
  /** The client has another number of bytes unread than before. */
  unreadChanged (state: ClientState, bytes: number): void
  /** The client's buffer is full. */
  fellBehind (state: ClientState): void
  ended (state: ClientState): void
}
