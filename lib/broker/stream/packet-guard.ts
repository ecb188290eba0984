import {
  fields, kindsOfTexts, mayGive, packetTypes, states, violationOfFlags, violationOfHeader, violationOfOptions, withoutDup, type Field, type State
} from './packet-parts.ts'
import { kinds, PropertyList, WILL } from './properties.ts'
import { names, texts, TextScan } from './text-scan.ts'
import { tooLarge, tooManyFilters, unknownLevel, violations, type Violation } from './violation.ts'

/**
 * Bounds on what a client may send. They are checked before the engine's parser sees it, because that has no size limit and forgives
 * packets that MQTT calls malformed.
 */
export interface GuardLimits {
  /** Bytes of a packet up to and including CONNECT; 0: as large as MQTT allows. */
  connectBytes: number
  /** Bytes of a packet after CONNECT; 0: as large as MQTT allows. */
  packetBytes: number
  /** Filters that a client may subscribe to; 0 or absent: any number. One packet may name as many, and never fewer than `leastFilters`. */
  subscriptionsPerClient?: number
  /** Bytes of the properties of one packet, those of a will among them; 0 or absent: any number. */
  propertyBytes?: number
}

const { CONNECT, PUBLISH, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT } = packetTypes
const { HEADER, LENGTH, NUMBER, VARIABLE, TEXT, SKIP } = states
const {
  NAME, LEVEL, FLAGS, KEEPALIVE, CLIENT_ID, WILL_TOPIC, WILL_MESSAGE, USERNAME, PASSWORD, TOPIC, PACKET_ID, FILTER, FILTER_OPTIONS, REST,
  REASON, PROPERTIES, PROPERTY, VALUE, VALUE_TEXT, VALUE_TOPIC, VALUE_BINARY, PAIR_NAME, PAIR_VALUE
} = fields

/**
 * The work that a packet causes, by its type; PINGREQ is 1. An acknowledgement causes less than the message that it answers, and a filter
 * in SUBSCRIBE or UNSUBSCRIBE more than a packet. User properties are the only ones of which a packet may have any number.
 */
const costs = [1, 1, 1, 1, 0.5, 0.5, 2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1] as const
const filterCost = 8
const userPropertyCost = 1 / 16
/** A packet may always name this many filters. The limit exists because all of them are handled in one go, however long that takes. */
const leastFilters = 1_000

/** Among the flags of CONNECT. A subscription of a clean session is in force at once. */
const cleanSession = 2
/** A CONNECT of MQTT 3.1.1 has 12 bytes and at most five fields of 65,535 bytes, each with its length. */
const largestConnect = 12 + 5 * 65_537
/** Its properties and those of its will, each with a length in front. @param propertyBytes of both; 0: any number */
export function largestConnect5 (propertyBytes: number): number {
  return propertyBytes === 0 ? largestPacket : largestConnect + 2 * 4 + propertyBytes
}
/** Bytes of the largest packet that MQTT allows. */
const largestPacket = 268_435_460

/**
 * Walks over what one client sends, chunk by chunk, wherever the chunks are cut. It keeps a few numbers and not one byte, so it does not
 * grow whatever a stranger sends. It understands MQTT 3.1, 3.1.1 and 5.
 *
 * It is one automaton, because packet, property, field and character all advance with the same byte and may all be cut by the end of a chunk.
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
  #level: 0 | 3 | 4 | 5 = 0

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
  /** What the current field must leave for what comes behind its part of the packet, as `#left` counts. */
  #floor = 0
  /** Where `inspect` stops. */
  #mostUnits = Infinity
  #mostPublishes = Infinity
  #stopped = false
  #isAtPublish = false

  readonly #text = new TextScan()
  /** Bytes of the field still to come, of the text or of what is not looked at. */
  #fieldLeft = 0

  // Of MQTT 5.
  readonly #properties: PropertyList
  #hasTopic = true
  /** Whether DISCONNECT has come, and something behind it. */
  #isOver = false
  #isBehind = false

  constructor (limits: GuardLimits) {
    this.#limits = limits
    const { subscriptionsPerClient = 0, propertyBytes = 0 } = limits
    this.#properties = new PropertyList(propertyBytes)
    this.#mostFilters = subscriptionsPerClient === 0 ? Infinity : Math.max(leastFilters, subscriptionsPerClient)
  }

  /**
   * Inspect a chunk up to its end, or up to the end of the packet that reaches one of the bounds; with bounds, never beyond CONNECT, and not when it `waits`.
   * Nor beyond a DISCONNECT of MQTT 5. `inspected` says how far it came.
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

  /** The level of the protocol: 3, 4 or 5; 0: not known yet, or none of these. */
  get level (): 0 | 3 | 4 | 5 { return this.#level }

  /**
   * Whether a PUBLISH comes next and has to wait, because the client may have subscribed to it, and that is not in force. Look again later.
   * Also, and for good, once something comes behind a DISCONNECT of MQTT 5 [MQTT-3.14.4-1]: the engine's parser would take it for part of that.
   */
  get waits (): boolean { return this.#isBehind || (this.#isAtPublish && this.subscribing > 0) }

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
          if (this.#isOver) {
            this.#stopped = this.#isBehind = true
            break
          }
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
          if (byte < 0x80) violation = byte === 0 && this.#lengthBytes > 1 && this.#level === 5 ? violations.longInteger : this.#begin()
          else if (this.#lengthBytes === 4) violation = violations.longLength
          break
        }
        case NUMBER:
          this.#number = this.#number << 8 | chunk[at++]!
          this.#left--
          if (--this.#numberBytes === 0) violation = this.#gotNumber(this.#number)
          break
        case VARIABLE:
          if (chunk[at] === 0 && this.#field === PROPERTIES && this.#type === PUBLISH && this.#hasTopic && this.#numberBytes === 0) {
            // Most messages have no properties, and then nothing about them can be wrong.
            at++
            this.#left--
            this.#skip()
          } else violation = this.#variable(chunk[at++]!)
          break
        case TEXT: {
          const stop = Math.min(end, at + this.#fieldLeft)
          violation = this.#text.scan(chunk, at, stop)
          this.#fieldLeft -= stop - at
          this.#left -= stop - at
          at = stop
          if (violation === undefined && this.#fieldLeft === 0) violation = this.#text.end() ?? this.#gotField()
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
    const former = this.#type
    this.#type = type
    this.#flags = byte & 0x0f
    this.#left = 0
    this.#lengthBytes = 0
    this.#reading = LENGTH
    if (!this.#connected) {
      if (type !== CONNECT) return violations.notConnect
    } else if (type === CONNECT) {
      return violations.secondConnect
    }
    return violationOfHeader(byte, this.#level, former)
  }

  /** The fixed header is complete. */
  #begin (): Violation | undefined {
    this.#size = 1 + this.#lengthBytes + this.#left
    const limit = this.#connected ? this.#limits.packetBytes : this.#limits.connectBytes
    if (limit > 0 && this.#size > limit) return tooLarge(limit)
    switch (this.#type) {
      case CONNECT:
        return this.#lengthOf(NAME)
      case PUBLISH:
        return this.#lengthOf(TOPIC)
      case PINGREQ:
        return this.#end()
      case DISCONNECT:
        return this.#level === 5 ? this.#reason() : this.#end()
      default:
        if (this.#type <= PUBCOMP && this.#left !== 2 && this.#level !== 5) return this.#left < 2 ? violations.short : violations.surplus
        this.#filters = 0
        return this.#numeral(PACKET_ID, 2)
    }
  }

  /** One byte of a number of variable length. [MQTT 5, 1.5.5] */
  #variable (byte: number): Violation | undefined {
    this.#left--
    this.#number += (byte & 0x7f) * 2 ** (7 * this.#numberBytes++)
    if (byte < 0x80) return byte === 0 && this.#numberBytes > 1 ? violations.longInteger : this.#gotNumber(this.#number)
    if (this.#numberBytes === 4) return violations.longInteger
    return this.#left === this.#floor ? violations.short : undefined
  }

  #gotNumber (value: number): Violation | undefined {
    switch (this.#field) {
      case LEVEL:
        return this.#gotLevel(value)
      case FLAGS:
        this.#connectFlags = value
        return violationOfFlags(value, this.#level) ?? this.#numeral(KEEPALIVE, 2)
      case KEEPALIVE:
        return this.#level === 5 ? this.#propertiesOf(CONNECT) : this.#lengthOf(CLIENT_ID)
      case PACKET_ID:
        return value === 0 ? violations.packetId : this.#gotPacketId()
      case FILTER_OPTIONS:
        return violationOfOptions(value, this.#level, this.#text.isShared) ?? this.#nextFilter()
      case REASON:
        if (!mayGive(value, this.#type)) return violations.reasonCode
        return this.#left === 0 ? this.#finish() : this.#propertiesOf(this.#type)
      case PROPERTIES:
        return this.#beginProperties(value)
      case PROPERTY:
        return this.#properties.add(value) ?? this.#beginValue()
      case VALUE:
        return this.#properties.take(value >>> 0) ?? this.#nextProperty()
      default:
        return this.#beginField(value)
    }
  }

  #gotLevel (byte: number): Violation | undefined {
    // Mosquitto marks its bridges with the highest bit.
    const level = byte & 0x7f
    if (this.#text.bytes === 6 ? level !== 3 : level !== 4 && level !== 5) return unknownLevel(byte)
    this.#level = level as 3 | 4 | 5
    if (this.#left > (level === 5 ? largestConnect5(this.#limits.propertyBytes ?? 0) : largestConnect)) return violations.surplus
    return this.#numeral(FLAGS, 1)
  }

  #gotPacketId (): Violation | undefined {
    const type = this.#type
    const isAcknowledgement = type !== PUBLISH && type <= PUBCOMP
    if (this.#level === 5) return isAcknowledgement ? this.#reason() : this.#propertiesOf(type)
    return type === SUBSCRIBE || type === UNSUBSCRIBE ? this.#nextFilter() : this.#skip()
  }

  /** The length of a text or of binary data is known. */
  #beginField (bytes: number): Violation | undefined {
    if (bytes > this.#left - this.#floor) return violations.short
    this.#fieldLeft = bytes
    const field = this.#field
    const isText = field !== WILL_MESSAGE && field !== PASSWORD && field !== VALUE_BINARY
    if (field === NAME && names[bytes as 4 | 6] === undefined) return violations.protocolName
    if (isText) this.#text.begin(kindsOfTexts[field] ?? texts.PLAIN, bytes)
    if (bytes === 0) return this.#violationOfNothing(field) ?? this.#gotField()
    this.#reading = isText ? TEXT : SKIP
    return undefined
  }

  /** What is wrong with a field that has no bytes. */
  #violationOfNothing (field: Field): Violation | undefined {
    switch (field) {
      case TOPIC:
        // A topic alias may stand for it.
        this.#hasTopic = false
        return this.#level === 5 ? undefined : violations.emptyTopic
      case WILL_TOPIC:
      case VALUE_TOPIC:
        return violations.emptyTopic
      case FILTER:
        return violations.emptyFilter
      case CLIENT_ID:
        return this.#level === 3 || (this.#level === 4 && (this.#connectFlags & cleanSession) === 0) ? violations.noClientId : undefined
      default:
        return undefined
    }
  }

  #gotField (): Violation | undefined {
    const flags = this.#connectFlags
    switch (this.#field) {
      case NAME:
        return this.#numeral(LEVEL, 1)
      case CLIENT_ID:
        if ((flags & 0x04) === 0) return this.#credentials(flags)
        return this.#level === 5 ? this.#propertiesOf(WILL) : this.#lengthOf(WILL_TOPIC)
      case WILL_TOPIC:
        return this.#lengthOf(WILL_MESSAGE)
      case WILL_MESSAGE:
        return this.#credentials(flags)
      case USERNAME:
        return this.#credentials(flags & 0x7f)
      case PASSWORD:
        return this.#credentials(0)
      case TOPIC:
        if ((this.#flags & 0x06) !== 0) return this.#numeral(PACKET_ID, 2)
        return this.#level === 5 ? this.#propertiesOf(PUBLISH) : this.#skip()
      case REST:
        return this.#finish()
      case FILTER:
        return this.#type === SUBSCRIBE ? this.#numeral(FILTER_OPTIONS, 1) : this.#nextFilter()
      case PAIR_NAME:
        return this.#lengthOf(PAIR_VALUE)
      default:
        return this.#nextProperty()
    }
  }

  #credentials (flags: number): Violation | undefined {
    if ((flags & 0x80) !== 0) return this.#lengthOf(USERNAME)
    if ((flags & 0x40) !== 0) return this.#lengthOf(PASSWORD)
    return this.#end()
  }

  #nextFilter (): Violation | undefined {
    if (this.#left > 0) return ++this.#filters > this.#mostFilters ? tooManyFilters(this.#mostFilters) : this.#lengthOf(FILTER)
    if (this.#filters === 0) return this.#type === SUBSCRIBE ? violations.noSubscription : violations.noUnsubscription
    return this.#finish()
  }

  /** The reason code comes next, and properties behind it, unless the packet ends first. */
  #reason (): Violation | undefined {
    return this.#left === 0 ? this.#finish() : this.#numeral(REASON, 1)
  }

  /** Properties come next: their length, and each with its id. @param section the type of packet, or WILL */
  #propertiesOf (section: number): Violation | undefined {
    this.#properties.begin(section)
    return this.#variableNumeral(PROPERTIES)
  }

  #beginProperties (bytes: number): Violation | undefined {
    if (bytes > this.#left) return violations.short
    this.#floor = this.#left - bytes
    return this.#properties.measure(bytes) ?? this.#nextProperty()
  }

  #nextProperty (): Violation | undefined {
    if (this.#left > this.#floor) return this.#numeral(PROPERTY, 1)
    this.#floor = 0
    return this.#properties.end(this.#hasTopic) ?? this.#afterProperties()
  }

  #afterProperties (): Violation | undefined {
    switch (this.#properties.section) {
      case WILL:
        return this.#lengthOf(WILL_TOPIC)
      case CONNECT:
        return this.#lengthOf(CLIENT_ID)
      case PUBLISH:
        return this.#skip()
      case SUBSCRIBE:
      case UNSUBSCRIBE:
        return this.#nextFilter()
      default:
        return this.#end()
    }
  }

  /** A property comes next, and its id has come. */
  #beginValue (): Violation | undefined {
    const { kind } = this.#properties
    switch (kind) {
      case kinds.VARIABLE:
        return this.#variableNumeral(VALUE)
      case kinds.TEXT:
        return this.#lengthOf(VALUE_TEXT)
      case kinds.TOPIC:
        return this.#lengthOf(VALUE_TOPIC)
      case kinds.BINARY:
        return this.#lengthOf(VALUE_BINARY)
      case kinds.PAIR:
        return this.#lengthOf(PAIR_NAME)
      default:
        return this.#numeral(VALUE, kind)
    }
  }

  /** Read a number next. */
  #numeral (field: Field, bytes: number): Violation | undefined {
    if (bytes > this.#left - this.#floor) return violations.short
    this.#field = field
    this.#number = 0
    this.#numberBytes = bytes
    this.#reading = NUMBER
    return undefined
  }

  /** Read a number of variable length next. */
  #variableNumeral (field: Field): Violation | undefined {
    if (this.#left === this.#floor) return violations.short
    this.#field = field
    this.#number = this.#numberBytes = 0
    this.#reading = VARIABLE
    return undefined
  }

  /** Read a text or binary data next: its length comes first. */
  #lengthOf (field: Field): Violation | undefined {
    return this.#numeral(field, 2)
  }

  /** The rest of the packet may be anything. */
  #skip (): undefined {
    if (this.#left === 0) return this.#finish()
    this.#field = REST
    this.#fieldLeft = this.#left
    this.#reading = SKIP
  }

  /** The packet has nothing more. */
  #end (): Violation | undefined {
    return this.#left > 0 ? violations.surplus : this.#finish()
  }

  #finish (): undefined {
    const type = this.#type
    this.#reading = HEADER
    this.#connected = true
    this.packets++
    if (type === PUBLISH) this.publishes++
    else if (type === SUBSCRIBE && (this.#level === 5 || (this.#connectFlags & cleanSession) === 0)) this.subscribing++
    this.units += type === SUBSCRIBE || type === UNSUBSCRIBE ? this.#filters * filterCost : costs[type]!
    if (this.#level === 5) this.#finishOf5()
    this.#stopped = this.#isOver || this.units >= this.#mostUnits || this.publishes >= this.#mostPublishes || (type === CONNECT && this.#mostUnits !== Infinity)
  }

  #finishOf5 (): void {
    this.units += this.#properties.finish() * userPropertyCost
    this.#hasTopic = true
    this.#isOver = this.#type === DISCONNECT
  }
}
