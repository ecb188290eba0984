import type { Client } from 'aedes'
import type { IConnectPacket, IDisconnectPacket, IPublishPacket, ISubscribePacket, IUnsubscribePacket, Packet } from 'mqtt-packet'
import { reasonCodes } from '../../mqtt/reason-codes.ts'
import { internalsOf } from '../aedes/aedes-internals.ts'
import type { OutgoingPublish } from '../aedes/direct-delivery.ts'
import { subscriptionsOf } from '../aedes/routing-aedes.ts'
import { carryPublisher } from '../carried.ts'
import type { Subscription } from '../persistence/broker-persistence.ts'
import type { Will } from '../persistence/wills.ts'
import type { Refusal } from '../publication.ts'
import { agreeOn, secondsOf, type Agreement, type Wishes } from './agreement.ts'
import { Answers } from './answers.ts'
import { ClientOutlet } from './client-outlet.ts'
import { Exchanges, type Outcome } from './exchanges.ts'
import { lingerWithLastWords } from './farewell.ts'
import { FilterAnswers } from './filter-answers.ts'
import { carryProperties, keepPropertyBytes } from './received-properties.ts'
import { Replies, type Replying } from './replies.ts'
import { Sending } from './sending.ts'
import type { SpeakerConnection, SpeakerHost } from './speaker-host.ts'
import { IncomingAliases } from './topic-aliases.ts'
import { WrittenPackets } from './written-packets.ts'

/** A subscription as aedes gets it, and as the session keeps it. `silent`: its retained messages are not asked for. */
export type SpokenSubscription = Subscription & { silent: boolean }

/**
 * Speaks MQTT 5 with one client, and 3.1.1 with aedes in its name. It has aedes' parser read the client's packets, hands on what 3.1.1
 * knows of them, and rewrites what aedes answers. What aedes does not know of is kept here, or goes along with the payload: see `Carried`.
 */
export class Speaker implements Replying {
  /** Whether the client comes back to a session that is there; known before CONNACK. */
  sessionPresent = false
  /** Seconds for which its last will is held back. */
  willDelay = 0
  /** Why CONNACK refuses. */
  refused: Refusal | undefined
  readonly filters = new FilterAnswers()
  readonly exchanges = new Exchanges()
  answers = new Answers(Infinity, true)
  sending: Sending | undefined
  readonly #client: Client
  readonly #connection: SpeakerConnection
  readonly #host: SpeakerHost
  readonly #give: (packet: object) => void
  readonly #replies = new Replies(this)
  /** Once CONNECT was read. */
  #agreement: Agreement | undefined
  #aliases = new IncomingAliases(0)
  #will: Will | undefined
  /** Seconds for which it asks to be held back. */
  #askedDelay = 0
  /** Whether CONNACK let the client in, and whether the last packet was said by either side. */
  #connected = false
  #over = false

  /** Call it before aedes reads CONNECT. */
  constructor (client: Client, connection: SpeakerConnection, host: SpeakerHost) {
    this.#client = client
    this.#connection = connection
    this.#host = host
    const { _parser: parser } = internalsOf(client)
    const takePropertyBytes = keepPropertyBytes(parser)
    const [give] = parser.listeners('packet') as Array<(packet: object) => void>
    parser.removeAllListeners('packet')
    parser.on('packet', (packet: Packet) => { this.#hear(packet, takePropertyBytes()) })
    this.#give = packet => { give!.call(parser, packet) }
    const { stream } = connection
    const written = new WrittenPackets(this.#replies)
    stream.write = (piece: Buffer | string) => written.write(piece)
    lingerWithLastWords(stream, () => this.#lastWords(), () => { if (!client.closed) client.close() })
  }

  /** What the client asked for, as it is granted; undefined: CONNECT was not read yet. */
  get wishes (): Wishes | undefined { return this.#agreement?.wishes }

  /** About the bytes of what is held back; the end of each turn in which aedes wrote counts them with what is unread. */
  get heldBytes (): number { return this.sending?.heldBytes ?? 0 }

  /** How many messages may be read before the client has an answer to one. Many clients send more than the receive maximum allows. */
  get room (): number { return this.#agreement === undefined ? Infinity : this.#agreement.receiveMaximum - this.exchanges.inHand }

  /** Whether the last packet was said. */
  get isOver (): boolean { return this.#over }

  /** Call `then` once the client can take further messages. */
  whenFree (then: () => void): void {
    if (this.sending === undefined) then()
    else this.sending.whenFree(then)
  }

  /** How a message of the client is acknowledged. */
  acknowledge (messageId: number | undefined, outcome: Outcome): void {
    if (messageId !== undefined) this.exchanges.decide(messageId, outcome)
  }

  /** A message of QoS 1 is done with. @returns whether there is room for more */
  puback (messageId: number): boolean {
    if (this.#over) return true
    this.#connection.stream.cork()
    return this.#replies.puback(messageId)
  }

  /** A message of QoS 1 has reached the client, and aedes need not know it. */
  delivered (messageId: number): void { this.sending?.ended(messageId) }

  /** The stream has ended. */
  end (): void {
    this.#over = true
    this.sending?.end()
  }

  // What the client says.

  /** @param bytes its properties with their length in front; empty: none */
  #hear (packet: Packet, bytes: Buffer): void {
    if (this.#over) return
    switch (packet.cmd) {
      case 'connect': return this.#connect(packet, bytes)
      case 'publish': return this.#publish(packet, bytes)
      case 'subscribe': return this.#subscribe(packet)
      case 'unsubscribe': return this.#unsubscribe(packet)
      case 'disconnect': return this.#disconnect(packet)
      case 'puback':
      case 'pubcomp': {
        this.sending?.ended(packet.messageId!)
        return this.#give(packet)
      }
      case 'pubrec': {
        const { messageId, reasonCode = 0 } = packet as { messageId: number, reasonCode?: number }
        // It ends the message. [MQTT-4.4.0-2]
        if (reasonCode >= 0x80) {
          this.sending?.ended(messageId)
          return this.#client.closed ? undefined : this.#give({ cmd: 'puback', messageId })
        }
        if (this.sending?.isOnItsWay(messageId) !== true) this.exchanges.receiptIsUnknown(messageId)
        return this.#give(packet)
      }
      case 'pubrel': {
        const messageId = packet.messageId!
        // No error in a session that goes on: its PUBCOMP may have been lost, and MQTT.js takes it for a message that failed.
        if (!this.sessionPresent && !this.#host.persistence.hasReceived(this.#client.id, messageId)) this.exchanges.releaseIsUnknown(messageId)
        return this.#give(packet)
      }
      default: this.#give(packet)
    }
  }

  #connect (packet: IConnectPacket, bytes: Buffer): void {
    const agreement = this.#agreement = agreeOn(packet, this.#host.limits(), this.#host.mostUnsettled())
    const { wishes, clientId, aliases } = agreement
    this.answers = new Answers(wishes.packetSize, wishes.wantsReasons)
    if (wishes.authentication !== undefined) return this.#refuse({ code: reasonCodes.badAuthenticationMethod, text: 'only username and password are known here' })
    this.#aliases = new IncomingAliases(aliases)
    this.sending = new Sending(new ClientOutlet(this.#client, this.#connection, this.#host, this.#give), wishes, Math.min(wishes.topicAliases, aliases))
    if (packet.will !== undefined) this.#readWill(packet.will as Will & { properties?: { willDelayInterval?: number } }, bytes)
    const clean = wishes.cleanStart && wishes.sessionExpiry === 0
    // A copy, because the parser looks up in this packet which version it reads.
    this.#give({ ...packet, clientId, keepalive: wishes.keepalive, clean, protocolVersion: 4, properties: undefined })
  }

  #readWill (will: Will & { properties?: { willDelayInterval?: number } }, bytes: Buffer): void {
    // Of this message alone, because what it carries goes by its identity.
    if (will.payload.length === 0) will.payload = Buffer.alloc(0)
    carryProperties(will.payload as Buffer, will.retain, bytes, true)
    this.#will = will
    this.#askedDelay = will.properties?.willDelayInterval ?? 0
    delete will.properties
    this.#limitDelay()
  }

  /** A last will is held back no longer than its session lasts. */
  #limitDelay (): void {
    if (this.#will === undefined) return
    this.willDelay = Math.min(this.#askedDelay, this.wishes!.sessionExpiry)
    this.#will.delay = this.willDelay > 0 ? this.willDelay : undefined
  }

  #refuse (refusal: Refusal): void {
    this.#over = true
    this.#connection.refusal = 'authentication'
    this.#connection.reason = refusal.text
    this.#say(this.answers.refusal(refusal))
    // aedes does not expect to lose the client while it reads.
    setImmediate(() => { this.#client.emit('error', new Error(refusal.text)) })
  }

  #publish (packet: IPublishPacket, bytes: Buffer): void {
    const { properties, qos } = packet
    const topic = this.#topicOf(packet.topic, properties?.topicAlias)
    if (topic === undefined) return
    if (qos > 0 && this.exchanges.came(packet.messageId!, qos as 1 | 2) > this.#agreement!.receiveMaximum) {
      return this.#connection.cutOff('more messages at a time than the receive maximum', reasonCodes.receiveMaximumExceeded)
    }
    packet.topic = topic
    // Removing what is not there costs as much.
    if (packet.properties !== undefined) delete packet.properties
    if (packet.payload.length === 0) packet.payload = Buffer.alloc(0)
    carryProperties(packet.payload as Buffer, packet.retain, bytes)
    if (this.#connection.delivery?.grants.hideOwn === true) carryPublisher(packet.payload as Buffer, this.#client.id)
    this.#give(packet)
  }

  /** @returns undefined: the alias stands for nothing, or takes too much to remember, and the connection ends */
  #topicOf (topic: string, alias: number | undefined): string | undefined {
    if (alias === undefined) return topic
    const { kept } = this.#connection
    const bytes = this.#aliases.bytesFor(topic, alias)
    if (kept?.hasRoomFor(bytes) === false) {
      this.#host.persistence.stateBytes.refused()
      this.#connection.cutOff('all clients together have the broker remember too much', reasonCodes.quotaExceeded)
      return undefined
    }
    kept?.add(bytes)
    const meant = this.#aliases.resolve(topic, alias)
    if (meant === undefined) this.#connection.cutOff('a topic alias that stands for nothing', alias <= this.#agreement!.aliases ? reasonCodes.protocolError : reasonCodes.topicAliasInvalid)
    return meant
  }

  #subscribe (packet: ISubscribePacket): void {
    const { messageId = 0, subscriptions, properties } = packet
    const id = properties?.subscriptionIdentifier
    const before = subscriptionsOf(this.#client)
    this.filters.subscribing(messageId, subscriptions)
    const spoken = subscriptions.map(({ topic, qos, nl, rap, rh = 0 }): SpokenSubscription => {
      const options = { ...nl === true ? { noLocal: true } : {}, ...rap === true ? { asPublished: true } : {}, ...id === undefined ? {} : { id } }
      const silent = rh === 2 || (rh === 1 && before[topic] !== undefined)
      return { topic, qos, silent, ...Object.keys(options).length > 0 ? { options } : {} }
    })
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
      this.#limitDelay()
      this.#host.persistence.sessionExpires(this.#client.id, wishes.sessionExpiry)
    }
    this.#over = true
    if (reasonCode === 0) return this.#give(packet)
    this.#connection.cutOff(reasonCode === reasonCodes.disconnectWithWill ? 'the client disconnected with its last will' : `the client disconnected with reason 0x${reasonCode.toString(16)}`)
  }

  // What it says.

  publish (packet: OutgoingPublish): boolean { return this.sending!.publish(packet) }

  write (piece: Buffer | string): boolean { return this.#connection.write(piece) }

  connack (returnCode: number): Buffer {
    if (returnCode !== 0) {
      this.#over = true
      return this.answers.refusal(this.refused ?? { code: reasonCodes.unspecified, text: '' })
    }
    this.#connected = true
    return this.answers.connack(this.sessionPresent, this.#agreement!.terms)
  }

  /** A message of QoS 2 that was refused is over for the client: aedes still expects its PUBREL. */
  endReceived (messageId: number): void {
    this.exchanges.endsEarly(messageId)
    setImmediate(() => { if (!this.#client.closed) this.#give({ cmd: 'pubrel', messageId }) })
  }

  #say (packet: Buffer): void {
    this.#connection.stream.cork()
    this.write(packet)
    this.#connection.stream.uncork()
  }

  #lastWords (): Buffer | undefined {
    if (!this.#connected || this.#over) return undefined
    this.#over = true
    const { endCode, reason } = this.#connection
    // What a fault says, such as that of a database, is for the log alone.
    const text = endCode === undefined ? undefined : endCode === reasonCodes.serverBusy ? 'a message could not be stored: send it again' : reason
    return this.answers.disconnect(endCode ?? reasonCodes.unspecified, text)
  }
}
