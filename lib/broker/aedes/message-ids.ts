import type { Client } from 'aedes'
import { internalsOf } from './aedes-internals.ts'

/**
 * Let aedes count the message ids of a client past those that are in use. It counts from a random number for each connection, and on
 * after 65,535 messages, whatever the client has not acknowledged yet. A client would take the next message with such an id for a copy.
 * @param unused gives the first unused id from one on
 */
export function skipUsedMessageIds (client: Client, unused: (from: number) => number): void {
  let next = internalsOf(client)._nextId
  Object.defineProperty(client, '_nextId', {
    get: () => next = unused(next),
    set: (id: number) => { next = id }
  })
}
