import { tooLarge, tooManyFilters, unknownLevel, violations, type Violation } from './violation.ts'

/**
 * Bounds on what a client may send. They are checked before the engine's parser sees it, because that has no size limit and forgives
 * packets that MQTT 3.1.1 calls malformed.
 */
export interface GuardLimits {
  /** Bytes of a packet up to and including CONNECT; 0: as large as MQTT allows. */
  connectBytes: number
  /** Bytes of a packet after CONNECT; 0: as large as MQTT allows. */
  packetBytes: number
  /** Filters that a client may subscribe to; 0 or absent: any number. One packet may name as many, and never fewer than `leastFilters`. */
  subscriptionsPerClient?: number
}

// Types of packet. [MQTT-2.2.1]
const CONNECT = 1
const PUBLISH = 3
const PUBACK = 4
const PUBREL = 6
const PUBCOMP = 7
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10
const PINGREQ = 12
const DISCONNECT = 14

/** What comes next: a packet's first byte, its remaining length, or, in a field, a number, a text, or bytes that are not looked at. */
const states = { HEADER: 0, LENGTH: 1, NUMBER: 2, TEXT: 3, SKIP: 4 } as const
type State = typeof states[keyof typeof states]
const { HEADER, LENGTH, NUMBER, TEXT, SKIP } = states

/** The fields of a packet. A text's length is read as a number of the text's own field. */
const fields = {
  NAME: 0, LEVEL: 1, FLAGS: 2, KEEPALIVE: 3, CLIENT_ID: 4, WILL_TOPIC: 5, WILL_MESSAGE: 6, USERNAME: 7, PASSWORD: 8,
  TOPIC: 9, PACKET_ID: 10, FILTER: 11, FILTER_QOS: 12, REST: 13
} as const
type Field = typeof fields[keyof typeof fields]
const { NAME, LEVEL, FLAGS, KEEPALIVE, CLIENT_ID, WILL_TOPIC, WILL_MESSAGE, USERNAME, PASSWORD, TOPIC, PACKET_ID, FILTER, FILTER_QOS, REST } = fields

/**
 * The work that a packet causes, by its type; PINGREQ is 1. An acknowledgement causes less than the message that it answers, and a filter
 * in SUBSCRIBE or UNSUBSCRIBE more than a packet.
 */
const costs = [1, 1, 1, 1, 0.5, 0.5, 2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1] as const
const filterCost = 8
/** A packet may always name this many filters. The limit exists because all of them are handled in one go, however long that takes. */
const leastFilters = 1_000

/** Among the flags of CONNECT. A subscription of a clean session is in force at once. */
const cleanSession = 2
const slash = 0x2f
const plus = 0x2b
const hash = 0x23
/** `]` and `}`. */
const jsonEnds: readonly number[] = [0x5d, 0x7d]
const names = { 4: 'MQTT', 6: 'MQIsdp' } as const
const sharePrefix = '$share/'
/** A CONNECT has 12 bytes and at most five fields of 65,535 bytes, each with its length. */
export const largestConnect = 12 + 5 * 65_537

/**
 * Walks over what one client sends, chunk by chunk, wherever the chunks are cut. It keeps a few numbers and not one byte, so it does not
 * grow whatever a stranger sends. It understands MQTT 3.1 and 3.1.1; of a client of level 5 it checks only the sizes.
 *
 * It is one automaton, because packet, field and character all advance with the same byte and may all be cut by the end of a chunk.
 */
export class PacketGuard {
  /** Packets that were seen to their end. */
  packets = 0
  /** PUBLISH packets among them. */
  publishes = 0
  /** SUBSCRIBE packets for a session that are not in force yet: see `waits`. */
  subscribing = 0
  /** What they cost: see `costs`. */
  units = 0
  /** Bytes of the last chunk that were inspected. */
  inspected = 0
  /** Bytes of the last chunk up to the end of the last packet that ends in it. */
  whole = 0

  readonly #limits: GuardLimits
  readonly #mostFilters: number
  #violation: Violation | undefined
  #connected = false
  #level = 0

  #reading: State = HEADER
  #type = 0
  /** The low half of the first byte. */
  #flags = 0
  /** Bytes of the packet still to come, and of the whole packet. */
  #left = 0
  #size = 0
  #lengthBytes = 0
  #field: Field = NAME
  #number = 0
  #numberBytes = 0
  #connectFlags = 0
  #filters = 0
  /** Where `inspect` stops. */
  #mostUnits = Infinity
  #mostPublishes = Infinity
  #stopped = false
  #isAtPublish = false

  /** Bytes of the text or binary data that is being read, and those still to come. */
  #fieldBytes = 0
  #fieldLeft = 0
  /** Continuation bytes that the character still needs, and the bounds of the next one. */
  #more = 0
  #low = 0x80
  #high = 0xbf
  #previous = 0
  /** Bytes that agree so far with `sharePrefix` or with the protocol's name. */
  #agreeing = 0
  /** Where the group's name in a shared subscription ended; 0: not yet. */
  #groupEnd = 0

  constructor (limits: GuardLimits) {
    this.#limits = limits
    const { subscriptionsPerClient = 0 } = limits
    this.#mostFilters = subscriptionsPerClient === 0 ? Infinity : Math.max(leastFilters, subscriptionsPerClient)
  }

  /**
   * Inspect a chunk up to its end, or up to the end of the packet that reaches one of the bounds; with bounds, never beyond CONNECT, and not when it `waits`.
   * `inspected` says how far it came.
   * @param units that the chunk may cost
   * @param publishes that may be in it
   * @returns undefined, or why the connection must end: then neither this chunk nor any later one may reach the parser
   */
  inspect (chunk: Uint8Array, units = Infinity, publishes = Infinity): Violation | undefined {
    this.#mostUnits = this.units + units
    this.#mostPublishes = this.publishes + publishes
    this.#stopped = this.#isAtPublish = false
    if (this.#violation === undefined) this.#violation = this.#walk(chunk)
    return this.#violation
  }

  /** Whether a PUBLISH comes next and has to wait, because the client may have subscribed to it, and that is not in force. Look again later. */
  get waits (): boolean { return this.#isAtPublish && this.subscribing > 0 }

  /** Bytes that have come of an incomplete packet. */
  get begun (): number {
    if (this.#reading === HEADER) return 0
    return this.#reading === LENGTH ? 1 + this.#lengthBytes : this.#size - this.#left
  }

  /** Bytes that an incomplete packet lacks at least. */
  get missing (): number {
    if (this.#reading === HEADER) return 0
    return this.#reading === LENGTH ? 1 : this.#left
  }

  #walk (chunk: Uint8Array): Violation | undefined {
    const end = chunk.length
    let at = 0
    this.whole = 0
    while (at < end && !this.#stopped) {
      let violation: Violation | undefined
      switch (this.#reading) {
        case HEADER:
          if (this.subscribing > 0 && this.#mostUnits !== Infinity && chunk[at]! >> 4 === PUBLISH) {
            this.#stopped = this.#isAtPublish = true
            break
          }
          if (this.#level === 3) chunk[at] = withoutDup(chunk[at]!)
          violation = this.#first(chunk[at++]!)
          break
        case LENGTH: {
          const byte = chunk[at++]!
          this.#left += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes++)
          if (byte < 0x80) violation = this.#begin()
          else if (this.#lengthBytes === 4) violation = violations.longLength
          break
        }
        case NUMBER:
          this.#number = this.#number << 8 | chunk[at++]!
          this.#left--
          if (--this.#numberBytes === 0) violation = this.#gotNumber(this.#number)
          break
        case TEXT: {
          const stop = Math.min(end, at + this.#fieldLeft)
          violation = this.#scan(chunk, at, stop)
          this.#fieldLeft -= stop - at
          this.#left -= stop - at
          at = stop
          if (violation === undefined && this.#fieldLeft === 0) violation = this.#gotField()
          break
        }
        default: {
          const bytes = Math.min(end - at, this.#fieldLeft)
          at += bytes
          this.#fieldLeft -= bytes
          this.#left -= bytes
          if (this.#fieldLeft === 0) violation = this.#gotField()
        }
      }
      if (violation !== undefined) return violation
      if (this.#reading === HEADER) this.whole = at
    }
    this.inspected = at
    return undefined
  }

  /** The first byte of a packet. */
  #first (byte: number): Violation | undefined {
    const type = byte >> 4
    const flags = byte & 0x0f
    const former = this.#type
    this.#type = type
    this.#flags = flags
    this.#left = 0
    this.#lengthBytes = 0
    this.#reading = LENGTH
    if (!this.#connected) {
      if (type !== CONNECT) return violations.notConnect
    } else if (type === CONNECT) {
      return violations.secondConnect
    }
    if (this.#level === 5) return undefined
    if (type === PUBLISH) {
      const qos = flags >> 1 & 3
      if (qos === 3) return violations.publishQos
      return qos === 0 && flags >= 8 ? violations.publishDup : undefined
    }
    if (!fromClient(type)) return violations.packetType
    const required = type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? 2 : 0
    if (flags === required) return undefined
    return former === PUBLISH && jsonEnds.includes(byte) ? violations.overhang : violations.headerFlags
  }

  /** The fixed header is complete. */
  #begin (): Violation | undefined {
    this.#size = 1 + this.#lengthBytes + this.#left
    const limit = this.#connected ? this.#limits.packetBytes : this.#limits.connectBytes
    if (limit > 0 && this.#size > limit) return tooLarge(limit)
    if (this.#level === 5) return this.#skip()
    switch (this.#type) {
      case CONNECT:
        return this.#text(NAME)
      case PUBLISH:
        return this.#text(TOPIC)
      case PINGREQ:
      case DISCONNECT:
        return this.#left > 0 ? violations.surplus : this.#finish()
      default:
        if (this.#type <= PUBCOMP && this.#left !== 2) return this.#left < 2 ? violations.short : violations.surplus
        this.#filters = 0
        return this.#numeral(PACKET_ID, 2)
    }
  }

  #gotNumber (value: number): Violation | undefined {
    switch (this.#field) {
      case LEVEL: {
        // Mosquitto marks its bridges with the highest bit.
        const level = value & 0x7f
        this.#level = level
        const known = this.#fieldBytes === 6 ? level === 3 : level === 4 || level === 5
        if (!known) return unknownLevel(value)
        if (level === 5) return this.#skip()
        if (this.#left > largestConnect) return violations.surplus
        return this.#numeral(FLAGS, 1)
      }
      case FLAGS:
        this.#connectFlags = value
        return violationOfFlags(value) ?? this.#numeral(KEEPALIVE, 2)
      case KEEPALIVE:
        return this.#text(CLIENT_ID)
      case PACKET_ID:
        if (value === 0) return violations.packetId
        if (this.#type === SUBSCRIBE || this.#type === UNSUBSCRIBE) return this.#nextFilter()
        return this.#skip()
      case FILTER_QOS:
        return value > 2 ? violations.filterQos : this.#nextFilter()
      default:
        return this.#fieldLength(value)
    }
  }

  /** The length of a text or of binary data is known. */
  #fieldLength (bytes: number): Violation | undefined {
    if (bytes > this.#left) return violations.short
    this.#fieldBytes = this.#fieldLeft = bytes
    this.#more = this.#previous = this.#agreeing = this.#groupEnd = 0
    const field = this.#field
    if (field === NAME && names[bytes as 4 | 6] === undefined) return violations.protocolName
    if (bytes === 0) {
      if (field === TOPIC || field === WILL_TOPIC) return violations.emptyTopic
      if (field === FILTER) return violations.emptyFilter
      if (field === CLIENT_ID && ((this.#connectFlags & cleanSession) === 0 || this.#level === 3)) return violations.noClientId
      return this.#gotField()
    }
    this.#reading = field === WILL_MESSAGE || field === PASSWORD ? SKIP : TEXT
    return undefined
  }

  #gotField (): Violation | undefined {
    if (this.#more > 0) return violations.utf8
    const flags = this.#connectFlags
    switch (this.#field) {
      case NAME:
        return this.#agreeing === this.#fieldBytes ? this.#numeral(LEVEL, 1) : violations.protocolName
      case CLIENT_ID:
        if ((flags & 0x04) !== 0) return this.#text(WILL_TOPIC)
        return this.#credentials(flags)
      case WILL_TOPIC:
        return this.#text(WILL_MESSAGE)
      case WILL_MESSAGE:
        return this.#credentials(flags)
      case USERNAME:
        return this.#credentials(flags & 0x7f)
      case PASSWORD:
        return this.#credentials(0)
      case TOPIC:
        return (this.#flags & 0x06) === 0 ? this.#skip() : this.#numeral(PACKET_ID, 2)
      case REST:
        return this.#finish()
      default:
        if (this.#agreeing === sharePrefix.length && (this.#groupEnd === 0 || this.#groupEnd === this.#fieldBytes)) return violations.sharedFilter
        return this.#type === SUBSCRIBE ? this.#numeral(FILTER_QOS, 1) : this.#nextFilter()
    }
  }

  #credentials (flags: number): Violation | undefined {
    if ((flags & 0x80) !== 0) return this.#text(USERNAME)
    if ((flags & 0x40) !== 0) return this.#text(PASSWORD)
    return this.#left > 0 ? violations.surplus : this.#finish()
  }

  #nextFilter (): Violation | undefined {
    if (this.#left > 0) return ++this.#filters > this.#mostFilters ? tooManyFilters(this.#mostFilters) : this.#text(FILTER)
    if (this.#filters === 0) return this.#type === SUBSCRIBE ? violations.noSubscription : violations.noUnsubscription
    return this.#finish()
  }

  /** Read a number next. */
  #numeral (field: Field, bytes: number): Violation | undefined {
    if (bytes > this.#left) return violations.short
    this.#field = field
    this.#number = 0
    this.#numberBytes = bytes
    this.#reading = NUMBER
    return undefined
  }

  /** Read a text or binary data next: its length comes first. */
  #text (field: Field): Violation | undefined {
    return this.#numeral(field, 2)
  }

  /** The rest of the packet may be anything. */
  #skip (): undefined {
    if (this.#left === 0) return this.#finish()
    this.#field = REST
    this.#fieldLeft = this.#left
    this.#reading = SKIP
  }

  #finish (): undefined {
    const type = this.#type
    this.#reading = HEADER
    this.#connected = true
    this.packets++
    if (type === PUBLISH) this.publishes++
    else if (type === SUBSCRIBE && (this.#connectFlags & cleanSession) === 0) this.subscribing++
    this.units += type === SUBSCRIBE || type === UNSUBSCRIBE ? this.#filters * filterCost : costs[type]!
    this.#stopped = this.units >= this.#mostUnits || this.publishes >= this.#mostPublishes || (type === CONNECT && this.#mostUnits !== Infinity)
  }

  /** Check a piece of a text, wherever it was cut. */
  #scan (chunk: Uint8Array, from: number, to: number): Violation | undefined {
    const field = this.#field
    const topic = field === TOPIC || field === WILL_TOPIC
    const filter = field === FILTER
    const prefix = filter ? sharePrefix : field === NAME ? names[this.#fieldBytes as 4 | 6] : ''
    const position = this.#fieldBytes - this.#fieldLeft - from
    let more = this.#more
    let previous = this.#previous
    for (let at = from; at < to; at++) {
      const byte = chunk[at]!
      if (more > 0) {
        if (byte < this.#low || byte > this.#high) return violations.utf8
        this.#low = 0x80
        this.#high = 0xbf
        more--
      } else if (byte >= 0x80) {
        if (byte < 0xc2 || byte > 0xf4) return violations.utf8
        more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
        // No overlong forms, no surrogates, nothing beyond U+10FFFF.
        this.#low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
        this.#high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
      } else if (byte === 0) {
        return violations.nul
      } else if (topic) {
        if (byte === hash || byte === plus) return violations.topicWildcard
        continue
      }
      if (prefix !== '' && at + position === this.#agreeing && prefix.charCodeAt(this.#agreeing) === byte) this.#agreeing++
      if (!filter) continue
      if (previous === hash || (byte === hash && previous !== 0 && previous !== slash)) return violations.misplacedHash
      if ((previous === plus && byte !== slash) || (byte === plus && previous !== 0 && previous !== slash)) return violations.misplacedPlus
      const ofPrefix = at + position < sharePrefix.length
      if (!ofPrefix && this.#agreeing === sharePrefix.length && this.#groupEnd === 0) {
        if (byte === plus || byte === hash || (byte === slash && previous === slash)) return violations.sharedFilter
        if (byte === slash) this.#groupEnd = at + position + 1
      }
      previous = byte
    }
    this.#more = more
    this.#previous = previous
    return undefined
  }
}

/** In MQTT 3.1 what is sent again has DUP, also PUBREL, SUBSCRIBE and UNSUBSCRIBE; 3.1.1 reserves the bit, and so does the engine's parser. */
function withoutDup (first: number): number {
  const type = first >> 4
  return type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? first & 0xf7 : first
}

function fromClient (type: number): boolean {
  return type === CONNECT || (type >= PUBACK && type <= SUBSCRIBE) || type === UNSUBSCRIBE || type === PINGREQ || type === DISCONNECT
}

function violationOfFlags (flags: number): Violation | undefined {
  if ((flags & 0x01) !== 0) return violations.reservedFlag
  if ((flags & 0xc0) === 0x40) return violations.passwordAlone
  const willQos = flags >> 3 & 3
  if ((flags & 0x04) !== 0) return willQos === 3 ? violations.willQos : undefined
  if (willQos !== 0) return violations.willQosAlone
  return (flags & 0x20) === 0 ? undefined : violations.willRetainAlone
}
