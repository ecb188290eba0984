import type { Client } from 'aedes'
import type { SpeakerHost } from '../mqtt5/speaker-host.ts'
import type { Violation } from '../stream/violation.ts'

/** Receives connection events. One shared object: a closure per connection would need more memory than its state. */
export interface ConnectionObserver<State> {
  /** For those who speak MQTT 5. */
  readonly host: SpeakerHost
  /** What came in must not reach the parser. */
  violated (client: Client, state: State, violation: Violation): void
  /** The client has another number of bytes unread than before. */
  unreadChanged (state: State, bytes: number): void
  /** The client's buffer is full. */
  fellBehind (state: State): void
  ended (state: State): void
}
