import type { Client } from 'aedes'
import type { BrokerPersistence } from '../persistence/broker-persistence.ts'
import type { ClientInternals, DeliveredPacket } from './aedes-internals.ts'
import type { RoutingAedes } from './routing-aedes.ts'

/** A PUBLISH to one client. */
export interface OutgoingPublish {
  dup: boolean
  qos: 0 | 1 | 2
  retain: boolean
  topic: string
  /** Of QoS 1 and 2. */
  messageId?: number | undefined
  /** The very one that was published. */
  payload: Buffer | string
}

/** Writes it in the client's version of MQTT. */
export interface PublishWriter {
  /** @returns whether there is room for more */
  publish (packet: OutgoingPublish): boolean
}

/** Message ids are 1 to 65,535. */
const mostMessageIds = 65_535

/** A message that is sent once the stack is clear. */
interface Waiting {
  delivery: DirectDelivery
  packet: DeliveredPacket
  done: () => void
}

/**
 * Sends messages to one client as aedes does, with the same checks, marks and callbacks. aedes makes one more copy of the packet for each
 * subscriber, and has mqtt-packet encode it for each, in six pieces.
 */
export class DirectDelivery {
  /** What is sent in this turn of the event loop, to all clients: one immediate for all of it. */
  static #waiting: Waiting[] = []
  readonly #client: Client & ClientInternals
  readonly #writer: PublishWriter
  readonly #aedes: RoutingAedes
  readonly #persistence: Pick<BrokerPersistence, 'outgoingClearMessageId' | 'outgoingUpdate'>

  constructor (client: Client & ClientInternals, writer: PublishWriter, aedes: RoutingAedes, persistence: Pick<BrokerPersistence, 'outgoingClearMessageId' | 'outgoingUpdate'>) {
    this.#client = client
    this.#writer = writer
    this.#aedes = aedes
    this.#persistence = persistence
  }

  /** @param packet of this client alone, with the QoS at which it gets it */
  deliver (packet: DeliveredPacket, done: () => void): void {
    const client = this.#client
    if (this.#isNew(packet) && this.#aedes.authorizeForward(client, packet)) {
      if (DirectDelivery.#waiting.push({ delivery: this, packet, done }) === 1) setImmediate(DirectDelivery.#sendAll)
      return
    }
    if (packet.qos > 0 && !client.clean) this.#persistence.outgoingClearMessageId(client, packet).catch(() => undefined)
    setImmediate(done)
  }

  static #sendAll (this: void): void {
    const sending = DirectDelivery.#waiting
    DirectDelivery.#waiting = []
    let at = 0
    try {
      while (at < sending.length) {
        const { delivery, packet, done } = sending[at++]!
        delivery.#send(packet, done)
      }
    } finally {
      // A fault with one message must not keep the others back.
      if (at < sending.length) {
        const rest = sending.slice(at)
        setImmediate(() => { for (const { delivery, packet, done } of rest) delivery.#send(packet, done) })
      }
    }
  }

  /** By the numbers that aedes gives to messages. */
  #isNew ({ brokerId, brokerCounter }: DeliveredPacket): boolean {
    if (typeof brokerId !== 'string') return true
    const { duplicates } = this.#client
    if ((duplicates[brokerId] ?? 0) >= brokerCounter) return false
    duplicates[brokerId] = brokerCounter
    return true
  }

  #send (packet: DeliveredPacket, done: () => void): void {
    const client = this.#client
    if (packet.qos === 0) return this.#write(packet, done)
    if (!packet.messageId) {
      const id = packet.messageId = client._nextId
      client._nextId = id >= mostMessageIds ? 1 : id + 1
    }
    if (client.clean || packet.retain) return this.#write(packet, done)
    this.#persistence.outgoingUpdate(client, packet).then(() => { this.#write(packet, done) }, (error: unknown) => {
      client.emit('error', error)
      done()
    })
  }

  #write (packet: DeliveredPacket, done: () => void): void {
    const client = this.#client
    try {
      if (!client.connecting && !client.connected) throw new Error('connection closed')
      // What it is called with must not reach aedes, which would take it for something to send.
      if (!this.#writer.publish(packet)) return client.waitForDrain(() => { done() })
    } catch (error) {
      client.emit('error', error)
    }
    done()
  }
}
