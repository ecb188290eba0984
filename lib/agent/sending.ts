import type { MqttClient } from 'mqtt'
import { PlatziverseError } from '../errors.ts'
import type { MessagePayload } from '../messages/schema.ts'
import { topics } from '../messages/topics.ts'
import { Outbox, type Pending } from './outbox.ts'
import { HungUpOn, jsonMessage, refusedBy, tooLargeFor } from './publishing.ts'

/** The most messages that are sent and not acknowledged: a broker that commits first answers late and all at once. */
const window = 50

export interface SendingEvents {
  /** The broker acknowledged it. */
  sent (payload: MessagePayload): void
  problem (reason: PlatziverseError): void
}

/** Sends an agent's messages, each until the broker acknowledged it or it is of no use. */
export class Sending {
  readonly #capacity: number
  readonly #on: SendingEvents
  readonly #outbox: Outbox
  readonly #hungUpOn = new HungUpOn<Pending>()
  #client: MqttClient | undefined
  /** Whether the broker stored something on this connection. */
  #isAnswered = false
  #overflowing = false
  #sent = 0
  #dropped = 0

  /** @param capacity the most messages that are kept */
  constructor (capacity: number, on: SendingEvents) {
    this.#capacity = capacity
    this.#on = on
    this.#outbox = new Outbox(capacity, Math.min(window, capacity))
  }

  get counters (): { sent: number, pending: number, dropped: number } {
    return { sent: this.#sent, pending: this.#outbox.size, dropped: this.#dropped }
  }

  /** @returns settled once the broker acknowledged it, or it was dropped */
  add (payload: MessagePayload): Promise<void> {
    const { added, dropped } = this.#outbox.add(payload)
    if (dropped !== undefined) this.#overflow(dropped)
    return added.settled
  }

  /** There is a connection. */
  opened (client: MqttClient): void {
    this.#client = client
    this.#isAnswered = false
    this.pump()
  }

  /** The broker acknowledged something else on this connection. */
  answered (client: MqttClient): void {
    if (client !== this.#client) return
    this.#isAnswered = true
    this.pump()
  }

  /** The connection is gone: whatever was on its way is sent again. @param isHangUp whether the broker may have ended it over what it was given */
  lost (isHangUp: boolean): void {
    const { oldest, isCareful } = this.#outbox
    this.#client = undefined
    this.#outbox.rewind(isHangUp)
    if (!isHangUp || !isCareful || oldest === undefined || !this.#hungUpOn.hungUp(oldest, JSON.stringify(oldest.payload).length)) return
    this.#drop(oldest, new PlatziverseError('AGENT_MESSAGE_REFUSED', 'The broker ended the connection each time that it was given this message.'))
  }

  /** Send what may be sent. */
  pump (): void {
    const client = this.#client
    if (client === undefined) return
    // What the broker may hang up on goes once it is known that it stores what it is given.
    if (this.#outbox.isCareful && !this.#isAnswered) return
    const largest = client.serverProperties?.maximumPacketSize
    for (let entry = this.#outbox.next(); entry !== undefined; entry = this.#outbox.next()) {
      const sending = entry
      const text = JSON.stringify(sending.payload)
      const never = tooLargeFor(largest, topics.message, text)
      if (never !== undefined) {
        this.#drop(sending, never)
        continue
      }
      client.publish(topics.message, text, jsonMessage, (error, answer) => {
        const refused = refusedBy(error, answer)
        // Any other error ends this connection: the message is sent again on the next one.
        if (error && refused === undefined) return
        if (refused === undefined) this.#acknowledged(sending, text.length)
        else this.#drop(sending, refused)
        this.pump()
      })
    }
  }

  /** Resolves when each message that is here now is acknowledged or dropped. */
  drained (): Promise<void> {
    return this.#outbox.drained()
  }

  /** Nothing more is sent. @param reasonOf what is said of so many messages that are left */
  close (reasonOf: (left: number) => PlatziverseError): void {
    this.#client = undefined
    const left = this.#outbox.clear()
    if (left.length === 0) return
    const reason = reasonOf(left.length)
    for (const entry of left) entry.settle(reason)
    this.#dropped += left.length
    this.#on.problem(reason)
  }

  #acknowledged (entry: Pending, bytes: number): void {
    this.#hungUpOn.acknowledged(bytes)
    this.#outbox.acknowledge(entry)
    this.#overflowing &&= this.#outbox.full
    this.#sent++
    this.#on.sent(entry.payload)
  }

  #drop (entry: Pending, reason: PlatziverseError): void {
    this.#outbox.acknowledge(entry, reason)
    this.#overflowing &&= this.#outbox.full
    this.#dropped++
    this.#on.problem(reason)
  }

  /** Reported once for as long as the buffer stays full; counted each time. */
  #overflow (dropped: Pending): void {
    const error = new PlatziverseError('AGENT_BUFFER_FULL', `More than ${this.#capacity} messages wait for the broker; the oldest is dropped.`)
    dropped.settle(error)
    this.#dropped++
    if (this.#overflowing) return
    this.#overflowing = true
    this.#on.problem(error)
  }
}
