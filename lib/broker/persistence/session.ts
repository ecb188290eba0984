import type { StateShare } from '../state-bytes.ts'
import type { Packet, Release, Subscription } from './journal/records.ts'

/** A message in a session's queue, until the client has acknowledged it. */
export interface Queued {
  client: string
  /** Its number in the journal. */
  record: number
  /** After PUBREC only PUBREL is left of it. */
  packet: Packet | Release
  /** Shared with the queues of other sessions: the content's number in the journal, and how many queues use it. */
  message: { record: number, users: number } | undefined
  bytes: number
  /** The connection that it was last sent to; 0: one of a former run. */
  sentTo?: number
}

/** Message ids are 1 to 65,535. */
const mostMessageIds = 65_535

/** Who owns a session: a user, by the name that was proved; null: an anonymous client. */
export type SessionOwner = string | null

/** What the broker keeps for a client that asked for it, whether connected or away. */
export class Session {
  readonly client: string
  /** Undefined: not known. */
  owner: SessionOwner | undefined
  /** Its number in the journal. */
  readonly record: number
  /** The bytes of its id and its subscriptions. */
  readonly kept: StateShare
  /** Connections. */
  here = 0
  /** When the client left, in ms since 1970. */
  away: number | undefined
  /** Seconds after that at which the session ends; undefined: its client speaks MQTT 3.1.1 and did not say. */
  expiry: number | undefined
  /** Messages in the queue and on their way into it, and their bytes. */
  offline = 0
  bytes = 0
  ended = false
  readonly subscriptions = new Map<string, { subscription: Subscription, record: number }>()
  /** In order of arrival; the keys are the records' numbers. */
  readonly queue = new Map<number, Queued>()
  #byPacket = new Map<string, Queued>()
  #byMessageId = new Map<number, Queued>()

  constructor (client: string, record: number, kept: StateShare, owner: SessionOwner | undefined) {
    this.client = client
    this.record = record
    this.kept = kept
    this.owner = owner
  }

  /** Whether there is nothing to keep. That a session exists is something to keep for a client that said for how long. [MQTT-3.1.2-23] */
  get isEmpty (): boolean {
    return this.here === 0 && this.expiry === undefined && this.offline === 0 && this.subscriptions.size === 0
  }

  /** When it ends, in ms since 1970, if its client does not come back. @param longest seconds that no session exceeds */
  endsAt (longest: number): number {
    return this.here > 0 || this.away === undefined ? Infinity : this.away + Math.min(longest, this.expiry ?? Infinity) * 1000
  }

  has (queued: Queued): boolean {
    return this.queue.get(queued.record) === queued
  }

  add (queued: Queued): void {
    this.queue.set(queued.record, queued)
    if ('brokerCounter' in queued.packet) this.#byPacket.set(keyOf(queued.packet), queued)
  }

  find (packet: Packet): Queued | undefined {
    return this.#byPacket.get(keyOf(packet))
  }

  findSent (messageId: number | undefined): Queued | undefined {
    return messageId === undefined ? undefined : this.#byMessageId.get(messageId)
  }

  /** The first message id from `from` on that no message on its way to the client has. [MQTT-2.3.1-4] */
  unusedMessageId (from: number): number {
    if (this.#byMessageId.size >= mostMessageIds) return from
    let id = from
    while (id === 0 || this.#byMessageId.has(id)) id = id % mostMessageIds + 1
    return id
  }

  sent (queued: Queued, messageId: number | undefined, connection: number): void {
    this.#forgetMessageId(queued)
    queued.packet.messageId = messageId
    queued.sentTo = connection
    if (messageId !== undefined) this.#byMessageId.set(messageId, queued)
  }

  /** PUBREC has come: only PUBREL is left. */
  released (queued: Queued): void {
    this.#forgetPacket(queued)
    queued.packet = { cmd: 'pubrel', messageId: queued.packet.messageId }
  }

  remove (queued: Queued): void {
    this.queue.delete(queued.record)
    this.#forgetPacket(queued)
    this.#forgetMessageId(queued)
  }

  #forgetPacket (queued: Queued): void {
    const { packet } = queued
    if ('brokerCounter' in packet && this.#byPacket.get(keyOf(packet)) === queued) this.#byPacket.delete(keyOf(packet))
  }

  #forgetMessageId (queued: Queued): void {
    const { messageId } = queued.packet
    if (messageId !== undefined && this.#byMessageId.get(messageId) === queued) this.#byMessageId.delete(messageId)
  }
}

function keyOf ({ brokerId, brokerCounter }: Packet): string {
  return `${brokerId}:${brokerCounter}`
}
