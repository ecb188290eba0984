import type { OutgoingPublish } from '../aedes/direct-delivery.ts'
import { carriedBy, withIds, type Carried } from '../carried.ts'
import { publishBeginning, writeVarint } from '../../mqtt/publish-packet.ts'
import type { StateShare } from '../state-bytes.ts'
import { IdsUnderWay } from './ids-under-way.ts'
import type { Wishes } from './agreement.ts'
import { OutgoingAliases } from './topic-aliases.ts'

/** What the client's subscriptions say about messages of a topic. */
export interface Options {
  /** Whether the flag retain stays as its publisher set it. */
  asPublished: boolean
  /** Identifiers of the subscriptions that match. */
  ids: readonly number[]
}

/** Where packets go. */
export interface Outlet {
  /** Counts what is remembered for the client. */
  readonly kept: StateShare | undefined
  /** @returns whether there is room for more */
  write (piece: Buffer | string): boolean
  /** Whether any subscription asks for anything beyond its QoS. */
  readonly usesOptions: boolean
  /** What the subscriptions say about a topic. @param publisher the client id, where it may matter */
  optionsOf (topic: string, publisher: string | undefined): Options
  /** The QoS at which the subscriptions with one id bring messages of a topic. */
  qosOf (topic: string, id: number): number
  /** A message id for a further copy. */
  nextMessageId (): number
  /** A message of QoS 1 or 2 is not sent: let aedes take it for acknowledged. */
  settled (messageId: number): void
  /** A message is not sent. @param by the name under which that is counted */
  dropped (by: string): void
  /** There is room again. */
  goOn (): void
}

/** Ids of properties. [MQTT 5, 2.2.2.2] */
const messageExpiry = 0x02
const subscriptionIdentifier = 0x0b
const topicAlias = 0x23
const bytesOfAlias = 3
const none = Buffer.alloc(0)
/** About the bytes that a message which is held back takes, beside its topic and payload. */
const bytesOfHeld = 256

/** Sends messages to one client, no more of them at a time than it can hold [MQTT-3.3.4-9], none that is too large for it or has expired. */
export class Sending {
  readonly #outlet: Outlet
  readonly #aliases: OutgoingAliases
  readonly #receiveMaximum: number
  readonly #packetSize: number
  readonly #copies: boolean
  readonly #usesAliases: boolean
  /** A PUBREL that is sent again does not count against the receive maximum. */
  #sent = new IdsUnderWay()
  #quota: number
  #held: OutgoingPublish[] = []
  #heldBytes = 0
  #waiting: Array<() => void> = []

  /** @param aliases topic aliases to be used at most */
  constructor (outlet: Outlet, { receiveMaximum, packetSize, wantsCopies }: Wishes, aliases: number) {
    this.#outlet = outlet
    this.#usesAliases = aliases > 0
    this.#aliases = new OutgoingAliases(aliases, () => outlet.kept)
    this.#receiveMaximum = this.#quota = receiveMaximum
    this.#packetSize = packetSize
    this.#copies = wantsCopies
  }

  /** About the bytes of what waits until the client has acknowledged others. */
  get heldBytes (): number { return this.#heldBytes }

  get isHeldUp (): boolean { return this.#held.length > 0 }

  /** Call `then` once nothing is held back, or the connection has ended. */
  whenFree (then: () => void): void {
    if (this.isHeldUp) this.#waiting.push(then)
    else then()
  }

  /** @returns whether there is room for more */
  publish (packet: OutgoingPublish): boolean {
    let hasRoom = true
    if (this.#copies) for (const copy of this.#furtherCopies(packet)) hasRoom = this.#pass(copy) && hasRoom
    return this.#pass(packet) && hasRoom
  }

  /**
   * One for each subscription id but the last, which is left to the message itself; they go first: who has acknowledged the message has had them. aedes
   * takes their acknowledgements for those of messages that it does not know any more. [MQTT-3.3.4-5]
   */
  #furtherCopies (packet: OutgoingPublish): OutgoingPublish[] {
    const { topic, payload } = packet
    const carried = carriedBy(payload)
    const ids = carried?.ids ?? this.#outlet.optionsOf(topic, carried?.publisher).ids
    if (ids.length < 2) return []
    const all = ids.map(id => ({ id, qos: Math.min(packet.qos, this.#outlet.qosOf(topic, id)) as 0 | 1 | 2 })).sort((a, b) => a.qos - b.qos)
    packet.payload = withIds(payload, [all.pop()!.id])
    return all.map(({ id, qos }) => ({ ...packet, payload: withIds(payload, [id]), qos, messageId: qos === 0 ? 0 : this.#outlet.nextMessageId(), dup: false }))
  }

  #pass (packet: OutgoingPublish): boolean {
    if (packet.qos === 0) return this.#send(packet)
    if (this.#quota > 0 && !this.isHeldUp) return this.#sendCounted(packet)
    this.#held.push(packet)
    this.#heldBytes += bytesOf(packet)
    return false
  }

  /** A PUBREL leaves. */
  released (messageId: number): void {
    if (!this.#sent.has(messageId)) this.#sent.add(messageId, false)
  }

  isOnItsWay (messageId: number): boolean { return this.#sent.has(messageId) }

  /** PUBACK, PUBCOMP, or a PUBREC that ends it has come. */
  ended (messageId: number): void {
    if (this.#sent.delete(messageId) && this.#quota < this.#receiveMaximum) this.#quota++
    this.#release()
  }

  /** The connection has ended: nothing more is sent, and nobody waits. */
  end (): void {
    this.#held = []
    this.#heldBytes = 0
    this.#goOn()
  }

  #release (): void {
    if (!this.isHeldUp) return
    while (this.#quota > 0 && this.isHeldUp) {
      const packet = this.#held.shift()!
      this.#heldBytes -= bytesOf(packet)
      this.#sendCounted(packet)
    }
    if (!this.isHeldUp) this.#goOn()
  }

  #goOn (): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    for (const then of waiting) then()
    this.#outlet.goOn()
  }

  #sendCounted (packet: OutgoingPublish): boolean {
    const { messageId = 0 } = packet
    this.#sent.add(messageId, true)
    this.#quota--
    return this.#send(packet)
  }

  #send (packet: OutgoingPublish): boolean {
    const carried = carriedBy(packet.payload)
    const isShared = !this.#usesAliases && !this.#outlet.usesOptions && (carried === undefined || (carried.expiresAt === undefined && carried.ids === undefined))
    return isShared ? this.#sendShared(packet, carried?.properties ?? none) : this.#sendOwn(packet, carried)
  }

  /** Nothing in it is for this client alone, but for the message id. */
  #sendShared (packet: OutgoingPublish, properties: Buffer): boolean {
    const { payload } = packet
    const payloadBytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
    const beginning = publishBeginning(packet, payloadBytes, properties)
    if (beginning.length + payloadBytes > this.#packetSize) return this.#drop(packet, 'packetSize')
    this.#outlet.write(beginning)
    return this.#outlet.write(payload)
  }

  #sendOwn (packet: OutgoingPublish, carried: Carried | undefined): boolean {
    const { topic, payload, qos, dup, messageId = 0 } = packet
    const { asPublished, ids: matching } = this.#outlet.optionsOf(topic, carried?.publisher)
    const ids = carried?.ids ?? matching
    let left = carried?.expiresAt === undefined ? undefined : Math.ceil((carried.expiresAt - Date.now()) / 1000)
    if (left !== undefined && left <= 0) {
      // What the client may have had before is brought to its end. [MQTT-4.3.3-7]
      if (!dup) return this.#drop(packet, 'expired')
      left = 1
    }
    let alias = carried?.noAlias === true ? undefined : this.#aliases.of(topic)
    const payloadBytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
    const retain = packet.retain || (asPublished && carried?.retain === true)
    if (alias === undefined && left === undefined && ids.length === 0) {
      return this.#sendShared(retain === packet.retain ? packet : { ...packet, retain }, carried?.properties ?? none)
    }
    const own = carried?.properties.length ?? 0
    const idBytes = ids.reduce((sum, id) => sum + 1 + varintBytes(id), 0)
    const others = own + (left === undefined ? 0 : 5) + idBytes
    // MQTT.js loses the topic of a QoS 2 message that comes with an alias alone.
    let topicBytes = alias?.known === true && qos < 2 ? 0 : Buffer.byteLength(topic)
    let properties = others + (alias === undefined ? 0 : bytesOfAlias)
    let length = remainingLength(topicBytes, qos, properties, payloadBytes)
    if (alias !== undefined && wholeLength(length) > this.#packetSize) {
      alias = undefined
      topicBytes = Buffer.byteLength(topic)
      properties = others
      length = remainingLength(topicBytes, qos, properties, payloadBytes)
    }
    if (wholeLength(length) > this.#packetSize) return this.#drop(packet, 'packetSize')

    const bytes = Buffer.allocUnsafe(wholeLength(length) - payloadBytes)
    bytes[0] = 0x30 | (dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0)
    let at = writeVarint(bytes, 1, length)
    at = bytes.writeUInt16BE(topicBytes, at)
    if (topicBytes > 0) at += bytes.write(topic, at)
    if (qos > 0) at = bytes.writeUInt16BE(messageId, at)
    at = writeVarint(bytes, at, properties)
    if (left !== undefined) {
      bytes[at] = messageExpiry
      at = bytes.writeUInt32BE(Math.min(left, 0xffffffff), at + 1)
    }
    for (const id of ids) {
      bytes[at] = subscriptionIdentifier
      at = writeVarint(bytes, at + 1, id)
    }
    if (alias !== undefined) {
      bytes[at] = topicAlias
      at = bytes.writeUInt16BE(alias.alias, at + 1)
      if (!alias.known) this.#aliases.told(topic, alias.alias)
    }
    carried?.properties.copy(bytes, at)
    this.#outlet.write(bytes)
    return this.#outlet.write(payload)
  }

  #drop ({ qos, messageId = 0 }: OutgoingPublish, by: string): boolean {
    this.#outlet.dropped(by)
    if (qos === 0) return true
    // Later, because aedes is in the middle of sending it.
    setImmediate(() => {
      this.#outlet.settled(messageId)
      this.ended(messageId)
    })
    return true
  }
}

function bytesOf ({ topic, payload }: OutgoingPublish): number {
  return topic.length + payload.length + bytesOfHeld
}

/** Of a PUBLISH: all but its first byte and the length itself. */
function remainingLength (topicBytes: number, qos: number, properties: number, payloadBytes: number): number {
  return 2 + topicBytes + (qos === 0 ? 0 : 2) + varintBytes(properties) + properties + payloadBytes
}

function wholeLength (remaining: number): number {
  return 1 + varintBytes(remaining) + remaining
}

function varintBytes (value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4
}
