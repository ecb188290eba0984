import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Client } from 'aedes'
import type { IConnectPacket, IDisconnectPacket, IPublishPacket, ISubscribePacket, IUnsubscribePacket, Packet } from 'mqtt-packet'
import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'
import { internalsOf } from '../aedes/aedes-internals.ts'
import type { GrantedDelivery } from '../aedes/granted-delivery.ts'
import { subscriptionsOf } from '../aedes/routing-aedes.ts'
import type { Limits } from '../limits.ts'
import type { BrokerPersistence, Subscription } from '../persistence/broker-persistence.ts'
import { mostUnreleased } from '../persistence/received.ts'
import type { Will } from '../persistence/wills.ts'
import type { Refusal } from '../publication.ts'
import { Answers } from './answers.ts'
import { carryPublisher } from '../carried.ts'
import { lingerWithLastWords } from './farewell.ts'
import { FilterAnswers } from './filter-answers.ts'
import { carryProperties, keepPropertyBytes } from './received-properties.ts'
import { Sending, type Options, type Outlet } from './sending.ts'
import { IncomingAliases } from './topic-aliases.ts'
import { readWishes, secondsOf, type Wishes } from './wishes.ts'
import { WrittenPackets, type PacketReader, type WrittenPublish } from './written-packets.ts'

/** Message ids are 1 to 65,535, and so are the receive maximum and topic aliases. */
const most = 65_535
const none: Options = { asPublished: false, ids: [] }

/** The broker, as far as its speakers know it. */
export interface SpeakerHost {
  limits (): Limits
  readonly persistence: BrokerPersistence
  /** Messages of one client that wait to be settled at most; undefined: any number. */
  mostUnsettled (): number | undefined
  /** A message did not reach a client. */
  dropped (by: string): void
}

/** The connection that a speaker speaks on. */
export interface SpeakerConnection {
  readonly stream: Duplex
  readonly delivery: GrantedDelivery | undefined
  readonly guard: { readonly level: number }
  /** Why it ends: for DISCONNECT, and for a log. The first ones count. */
  endCode: ReasonCode | undefined
  reason: string | undefined
  refusal: string | undefined
  cutOff (reason: string, code?: ReasonCode): void
  goOn (): void
}

/** A subscription as aedes gets it, and as the session keeps it. `silent`: its retained messages are not asked for. */
export type SpokenSubscription = Subscription & { silent: boolean }

/**
 * Speaks MQTT 5 with one client, and 3.1.1 with aedes in its name. It has aedes' parser read the client's packets, hands on what 3.1.1
 * knows of them, and rewrites what aedes answers. What aedes does not know of is kept here, or goes along with the payload: see `Carried`.
 */
export class Speaker implements PacketReader, Outlet {
  /** Once CONNECT was read. */
  wishes: Wishes | undefined
  /** Whether the client comes back to a session that is there; known before CONNACK. */
  sessionPresent = false
  /** Seconds for which its last will is held back. */
  willDelay = 0
  /** Why CONNACK refuses. */
  refused: Refusal | undefined
  readonly filters = new FilterAnswers()
  readonly #client: Client
  readonly #connection: SpeakerConnection
  readonly #host: SpeakerHost
  readonly #give: (packet: object) => void
  readonly #write: (piece: Buffer | string) => boolean
  readonly #propertyBytes: () => Buffer
  #answers = new Answers(Infinity, true)
  #sending: Sending | undefined
  #aliases = new IncomingAliases(0)
  #receiveMaximum = most
  #mostAliases = 0
  #assignedId: string | undefined
  #serverKeepAlive: number | undefined
  /** Seconds, if they are fewer than the client asked for. */
  #shorterExpiry: number | undefined
  /** Whether CONNACK let the client in, and whether the last packet was said by either side. */
  #connected = false
  #over = false
  /** Message ids of QoS 1 and 2 that the client sent and that are not acknowledged. */
  #unacknowledged = new Set<number>()
  /** What acknowledgements say beyond success. */
  #outcomes = new Map<number, { code: ReasonCode, text?: string }>()
  /** Of a PUBREC and a PUBREL that came and that nothing is known about. */
  #unknownReceipts = new Set<number>()
  #unknownReleases = new Set<number>()
  /** Message ids whose PUBCOMP is for this side alone. */
  #swallowed = new Set<number>()

  /** Call it before aedes reads CONNECT. */
  constructor (client: Client, connection: SpeakerConnection, host: SpeakerHost) {
    this.#client = client
    this.#connection = connection
    this.#host = host
    const { _parser: parser } = internalsOf(client)
    this.#propertyBytes = keepPropertyBytes(parser)
    const [give] = parser.listeners('packet') as Array<(packet: object) => void>
    parser.removeAllListeners('packet')
    parser.on('packet', (packet: Packet) => { this.#hear(packet) })
    this.#give = packet => { give!.call(parser, packet) }
    const { stream } = connection
    const write = stream.write as (piece: Buffer | string) => boolean
    this.#write = piece => write.call(stream, piece)
    const written = new WrittenPackets(this)
    stream.write = (piece: Buffer | string) => written.write(piece)
    lingerWithLastWords(stream, () => this.#lastWords(), () => { if (!client.closed) client.close() })
  }

  get heldBytes (): number { return this.#sending?.heldBytes ?? 0 }

  /** Whether the last packet was said. */
  get isOver (): boolean { return this.#over }

  /** Call `then` once the client can take further messages. */
  whenFree (then: () => void): void {
    if (this.#sending === undefined) then()
    else this.#sending.whenFree(then)
  }

  /** How a message of the client is acknowledged. */
  acknowledge (messageId: number | undefined, outcome: { code: ReasonCode, text?: string }): void {
    if (messageId !== undefined) this.#outcomes.set(messageId, outcome)
  }

  /** The stream has ended. */
  end (): void {
    this.#over = true
    this.#sending?.end()
  }

  // What the client says.

  #hear (packet: Packet): void {
    if (this.#over) return
    switch (packet.cmd) {
      case 'connect': return this.#connect(packet)
      case 'publish': return this.#publish(packet)
      case 'subscribe': return this.#subscribe(packet)
      case 'unsubscribe': return this.#unsubscribe(packet)
      case 'disconnect': return this.#disconnect(packet)
      case 'puback':
      case 'pubcomp': {
        this.#sending?.ended(packet.messageId!)
        return this.#give(packet)
      }
      case 'pubrec': {
        const { messageId, reasonCode = 0 } = packet as { messageId: number, reasonCode?: number }
        // It ends the message. [MQTT-4.4.0-2]
        if (reasonCode >= 0x80) return this.#endSent(messageId)
        if (this.#sending?.isOnItsWay(messageId) !== true) this.#unknownReceipts.add(messageId)
        return this.#give(packet)
      }
      case 'pubrel': {
        const messageId = packet.messageId!
        // No error in a session that goes on: its PUBCOMP may have been lost, and MQTT.js takes it for a message that failed.
        if (!this.sessionPresent && !this.#host.persistence.hasReceived(this.#client.id, messageId)) this.#unknownReleases.add(messageId)
        return this.#give(packet)
      }
      default: this.#give(packet)
    }
  }

  #connect (packet: IConnectPacket): void {
    const limits = this.#host.limits()
    const mostUnsettled = this.#host.mostUnsettled()
    const bytes = this.#propertyBytes()
    const wishes = this.wishes = readWishes(packet)
    this.#answers = new Answers(wishes.packetSize, wishes.wantsReasons)
    if (wishes.authentication !== undefined) return this.#refuse({ code: reasonCodes.badAuthenticationMethod, text: 'only username and password are known here' })
    if (limits.sessionExpiry > 0 && wishes.sessionExpiry > limits.sessionExpiry) wishes.sessionExpiry = this.#shorterExpiry = limits.sessionExpiry
    if (limits.keepalive > 0 && (wishes.keepalive === 0 || wishes.keepalive > limits.keepalive)) wishes.keepalive = this.#serverKeepAlive = limits.keepalive
    if (packet.clientId === '') this.#assignedId = `auto-${randomUUID()}`
    this.#receiveMaximum = Math.min(most, limits.receiveMaximum || Math.min(mostUnreleased, mostUnsettled ?? mostUnreleased))
    this.#mostAliases = limits.topicAliases || most
    this.#aliases = new IncomingAliases(this.#mostAliases)
    this.#sending = new Sending(this, wishes, Math.min(wishes.topicAliases, this.#mostAliases))
    if (packet.will !== undefined) this.#readWill(packet.will as Will & { properties?: { willDelayInterval?: number } }, bytes)
    // A copy, because the parser looks up in this packet which version it reads.
    this.#give({
      ...packet,
      clientId: this.#assignedId ?? packet.clientId,
      keepalive: wishes.keepalive,
      clean: wishes.cleanStart && wishes.sessionExpiry === 0,
      protocolVersion: 4,
      properties: undefined
    })
  }

  #readWill (will: Will & { properties?: { willDelayInterval?: number } }, bytes: Buffer): void {
    // Of this message alone, because what it carries goes by its identity.
    if (will.payload.length === 0) will.payload = Buffer.alloc(0)
    carryProperties(will.payload as Buffer, will.retain, bytes, true)
    const delay = Math.min(will.properties?.willDelayInterval ?? 0, this.wishes!.sessionExpiry)
    if (delay > 0) will.delay = this.willDelay = delay
    delete will.properties
  }

  #refuse (refusal: Refusal): void {
    this.#over = true
    this.#connection.refusal = 'authentication'
    this.#connection.reason = refusal.text
    this.#say(this.#answers.refusal(refusal))
    // aedes does not expect to lose the client while it reads.
    setImmediate(() => { this.#client.emit('error', new Error(refusal.text)) })
  }

  #publish (packet: IPublishPacket): void {
    const { properties = {}, qos } = packet
    const alias = properties.topicAlias
    const topic = this.#aliases.resolve(packet.topic, alias)
    if (topic === undefined) {
      const isUnknown = alias !== undefined && alias <= this.#mostAliases
      return this.#connection.cutOff('a topic alias that stands for nothing', isUnknown ? reasonCodes.protocolError : reasonCodes.topicAliasInvalid)
    }
    if (qos > 0) {
      this.#unacknowledged.add(packet.messageId!)
      if (this.#unacknowledged.size > this.#receiveMaximum) return this.#connection.cutOff('more messages at a time than the receive maximum', reasonCodes.receiveMaximumExceeded)
    }
    packet.topic = topic
    delete packet.properties
    if (packet.payload.length === 0) packet.payload = Buffer.alloc(0)
    carryProperties(packet.payload as Buffer, packet.retain, this.#propertyBytes())
    if (this.#connection.delivery?.hidesOwn === true) carryPublisher(packet.payload as Buffer, this.#client.id)
    this.#give(packet)
  }

  #subscribe (packet: ISubscribePacket): void {
    const { messageId = 0, subscriptions, properties } = packet
    const id = properties?.subscriptionIdentifier
    const before = subscriptionsOf(this.#client)
    this.filters.subscribing(messageId, subscriptions)
    const spoken: SpokenSubscription[] = subscriptions.map(({ topic, qos, nl, rap, rh = 0 }) => ({
      topic,
      qos,
      options: { ...nl === true ? { noLocal: true } : {}, ...rap === true ? { asPublished: true } : {}, ...id === undefined ? {} : { id } },
      silent: rh === 2 || (rh === 1 && before[topic] !== undefined)
    }))
    this.#give(Object.assign(packet, { subscriptions: spoken, properties: undefined }))
  }

  #unsubscribe (packet: IUnsubscribePacket): void {
    const before = subscriptionsOf(this.#client)
    this.filters.unsubscribing(packet.messageId!, packet.unsubscriptions, filter => before[filter] !== undefined)
    this.#give(packet)
  }

  #disconnect (packet: IDisconnectPacket): void {
    const { reasonCode = 0, properties } = packet
    const expiry = properties?.sessionExpiryInterval
    const wishes = this.wishes!
    if (expiry !== undefined) {
      // [MQTT-3.14.2-2]
      if (wishes.sessionExpiry === 0 && expiry > 0) return this.#connection.cutOff('a session that was not to be kept is to be kept after all', reasonCodes.protocolError)
      const most = this.#host.limits().sessionExpiry || Infinity
      wishes.sessionExpiry = Math.min(secondsOf(expiry), most)
      this.#host.persistence.sessionExpires(this.#client.id, wishes.sessionExpiry)
    }
    this.#over = true
    if (reasonCode === 0) return this.#give(packet)
    this.#connection.cutOff(reasonCode === reasonCodes.disconnectWithWill ? 'the client disconnected with its last will' : `the client disconnected with reason 0x${reasonCode.toString(16)}`)
  }

  // What aedes says.

  publish (packet: WrittenPublish): boolean {
    return this.#sending!.publish(packet)
  }

  other (type: number, bytes: Buffer): boolean {
    const messageId = bytes.length < 4 ? 0 : bytes.readUInt16BE(2)
    switch (type) {
      case 2: return this.#connack(bytes[3]!)
      case 4: {
        this.#unacknowledged.delete(messageId)
        return this.#write(this.#answers.acknowledge('puback', messageId, this.#outcome(messageId)))
      }
      case 5: {
        const outcome = this.#outcome(messageId)
        if (outcome !== undefined && outcome.code >= 0x80) this.#endReceived(messageId)
        return this.#write(this.#answers.acknowledge('pubrec', messageId, outcome))
      }
      case 6: {
        this.#sending!.released(messageId)
        return this.#write(this.#answers.acknowledge('pubrel', messageId, this.#unknown(this.#unknownReceipts, messageId)))
      }
      case 7: {
        this.#unacknowledged.delete(messageId)
        if (this.#swallowed.delete(messageId)) return true
        return this.#write(this.#answers.acknowledge('pubcomp', messageId, this.#unknown(this.#unknownReleases, messageId)))
      }
      case 9: {
        const at = subackPayload(bytes)
        const id = bytes.readUInt16BE(at - 2)
        return this.#write(this.#answers.granted('suback', id, this.filters.subscribed(id, bytes.subarray(at))))
      }
      case 11: return this.#write(this.#answers.granted('unsuback', messageId, this.filters.unsubscribed(messageId)))
      default: return this.#write(bytes)
    }
  }

  #connack (returnCode: number): boolean {
    if (returnCode !== 0) {
      this.#over = true
      return this.#write(this.#answers.refusal(this.refused ?? { code: reasonCodes.unspecified, text: '' }))
    }
    this.#connected = true
    return this.#write(this.#answers.connack(this.sessionPresent, {
      sessionExpiryInterval: this.#shorterExpiry,
      receiveMaximum: this.#receiveMaximum < most ? this.#receiveMaximum : undefined,
      maximumPacketSize: this.#host.limits().packetBytes || undefined,
      assignedClientIdentifier: this.#assignedId,
      topicAliasMaximum: this.#mostAliases,
      serverKeepAlive: this.#serverKeepAlive
    }))
  }

  #outcome (messageId: number): { code: ReasonCode, text?: string } | undefined {
    if (this.#outcomes.size === 0) return undefined
    const outcome = this.#outcomes.get(messageId)
    this.#outcomes.delete(messageId)
    return outcome
  }

  #unknown (ids: Set<number>, messageId: number): { code: ReasonCode } | undefined {
    return ids.delete(messageId) ? { code: reasonCodes.packetIdNotFound } : undefined
  }

  /** A message of QoS 2 that was refused is over for the client: aedes still expects its PUBREL. */
  #endReceived (messageId: number): void {
    this.#unacknowledged.delete(messageId)
    setImmediate(() => {
      if (this.#client.closed) return
      this.#swallowed.add(messageId)
      this.#give({ cmd: 'pubrel', messageId })
    })
  }

  /** A message to the client is over. */
  #endSent (messageId: number): void {
    this.#sending?.ended(messageId)
    this.settled(messageId)
  }

  #say (packet: Buffer): void {
    this.#connection.stream.cork()
    this.#write(packet)
    this.#connection.stream.uncork()
  }

  #lastWords (): Buffer | undefined {
    if (!this.#connected || this.#over) return undefined
    this.#over = true
    const { endCode, reason } = this.#connection
    return this.#answers.disconnect(endCode ?? reasonCodes.unspecified, reason)
  }

  // For `Sending`.

  write (piece: Buffer | string): boolean { return this.#write(piece) }

  optionsOf (topic: string, publisher: string | undefined): Options {
    return this.#connection.delivery?.optionsOf(topic, publisher === this.#client.id) ?? none
  }

  settled (messageId: number): void {
    if (!this.#client.closed) this.#give({ cmd: 'puback', messageId })
  }

  dropped (by: string): void { this.#host.dropped(by) }

  goOn (): void { this.#connection.goOn() }
}

/** Where the codes of a SUBACK begin, behind its length and message id. */
function subackPayload (bytes: Buffer): number {
  let at = 1
  while (bytes[at]! > 127) at++
  return at + 3
}
