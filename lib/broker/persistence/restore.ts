import type { AgentOwners } from './agent-owners.ts'
import type { DelayedWills } from './delayed-wills.ts'
import type { Queues } from './queues.ts'
import type { ReceivedMessages } from './received.ts'
import { sizeOf, type Content, type StoredRecord } from './journal/records.ts'
import type { RetainedMessages } from './retained.ts'
import type { Queued, Session } from './session.ts'
import type { Sessions } from './sessions.ts'
import type { Subscriptions } from './subscriptions.ts'
import { formerBroker, type Wills } from './wills.ts'

/** Where records belong. */
interface Parts {
  retained: RetainedMessages
  sessions: Sessions
  subscriptions: Subscriptions
  queues: Queues
  received: ReceivedMessages
  wills: Wills
  delayedWills: DelayedWills
  owners: AgentOwners
}

/** Puts the records of former runs back where they belong. */
export class Restorer {
  #to: Parts
  #messages = new Map<number, { content: Content, message: { record: number, users: number } }>()

  constructor (to: Parts) {
    this.#to = to
  }

  /** Call it in the order of the numbers. Throws if `stored` makes no sense after the records before it. */
  restore (record: number, stored: StoredRecord): void {
    const to = this.#to
    switch (stored.kind) {
      case 'retained':
        to.retained.restore({ cmd: 'publish', dup: false, brokerId: formerBroker, brokerCounter: record, ...stored.content }, record)
        return
      case 'will':
        this.#will(record, stored)
        return
      case 'message':
        this.#messages.set(record, { content: stored.content, message: { record, users: 0 } })
        return
      case 'queued':
        to.queues.restore(this.#session(stored.client), this.#queued(record, stored))
        return
      case 'received':
        to.received.restore(stored.client, stored.messageId, stored.sum, record)
        return
      case 'session':
        to.sessions.restore(stored, record)
        return
      case 'subscription':
        to.subscriptions.restore(this.#session(stored.client), stored.subscription, record)
        return
      case 'agent':
        to.owners.restore(stored.uuid, stored.username, record)
        return
      default:
        throw new Error('of an unknown kind')
    }
  }

  #will (record: number, { client, owner, delay, dueAt, content }: StoredRecord & { kind: 'will' }): void {
    const will = { ...content, brokerId: formerBroker, clientId: client, owner, delay }
    if (dueAt === undefined) this.#to.wills.restore(client, will, record)
    else this.#to.delayedWills.restore(client, will, dueAt, record)
  }

  #session (clientId: string): Session {
    const session = this.#to.sessions.get(clientId)
    if (session === undefined) throw new Error('of no session')
    return session
  }

  #queued (record: number, { client, message: id, qos, messageId }: StoredRecord & { kind: 'queued' }): Queued {
    if (id === undefined) return { client, record, packet: { cmd: 'pubrel', messageId }, message: undefined, bytes: 0 }
    const { content, message } = this.#messages.get(id)!
    const packet = { cmd: 'publish', dup: false, brokerId: formerBroker, brokerCounter: record, messageId, ...content, qos }
    return { client, record, packet, message, bytes: sizeOf(content) }
  }
}
