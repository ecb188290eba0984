import type { OutboxHandler } from '../../lib/registry/outbox.ts'
import type { RED, RedMessage, RedNode } from './red.ts'

/** A node as an outbox needs it. */
export function outboxHandlerOf (RED: RED, node: RedNode): OutboxHandler {
  return {
    receive (msg) { node.receive(msg as RedMessage) },
    send (msg) { node.send(msg as RedMessage) },
    clone: msg => RED.util.cloneMessage(msg as RedMessage)
  }
}
