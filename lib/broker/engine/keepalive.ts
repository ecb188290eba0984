import type { Client } from 'aedes'
import { reasonCodes } from '../../mqtt/reason-codes.ts'
import type { ClientInternals } from '../aedes/aedes-internals.ts'
import type { ClientState } from './client-state.ts'

/**
 * A client that is silent for one and a half keepalives is disconnected [MQTT-3.1.2-24], but only while the broker reads what it sends:
 * otherwise its packets and its pings wait in the socket. Whether it is still there, TCP tells meanwhile. Call it once aedes has set its timer.
 */
export function keepWhileUnread (client: Client & ClientInternals, state: ClientState): void {
  if (client._keepaliveTimer === null) return
  clearTimeout(client._keepaliveTimer)
  // One function for all clients: a closure each would need more memory than the timer.
  client._keepaliveTimer = setTimeout(silent, client._keepaliveInterval, client, state)
}

function silent (client: Client & ClientInternals, state: ClientState): void {
  if (state.bytes.isBehind) client._keepaliveTimer?.refresh()
  else {
    state.endsFor('keep alive timeout', reasonCodes.keepAliveTimeout)
    client.emit('error', new Error('keep alive timeout'))
  }
}
