/**
 * What a client may send, checked before the parser of the engine sees it: that parser has no limit of size and forgives
 * packets that MQTT 3.1.1 calls malformed.
 */
export interface GuardLimits {
  /** Bytes of a whole packet before CONNECT was seen; 0: as large as MQTT allows. */
  connectBytes: number
  /** … and after it. */
  packetBytes: number
  /** Filters that a client may subscribe to; 0 or absent: any number. A packet names no more, or as many as every client may. */
  subscriptionsPerClient?: number
}

export type ViolationCode =
  | 'first-packet' | 'second-connect' | 'too-large' | 'length' | 'malformed' | 'packet-type' | 'header-flags' | 'qos' | 'dup'
  | 'packet-id' | 'utf8' | 'nul' | 'topic' | 'filter' | 'no-filters' | 'filters' | 'connect-flags' | 'protocol-name' | 'protocol-level' | 'client-id' | 'cut-up'

/** Why a connection must end. */
export interface Violation {
  code: ViolationCode
  /** Of MQTT 3.1.1, such as `MQTT-2.2.2-2`; absent where the text has no number. */
  clause?: string
  /** For a log; says nothing of what the client sent. */
  reason: string
  /** To be sent in a CONNACK before the connection is closed. */
  returnCode?: 1 | 2
}

// The types of packet. [MQTT-2.2.1]
const CONNECT = 1
const PUBLISH = 3
const PUBACK = 4
const PUBREL = 6
const PUBCOMP = 7
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10
const PINGREQ = 12
const DISCONNECT = 14

// What is read at the moment.
const HEADER = 0
const LENGTH = 1
const NUMBER = 2
const TEXT = 3
const SKIP = 4

// Which field of the packet that is.
const NAME = 0
const LEVEL = 1
const FLAGS = 2
const KEEPALIVE = 3
const CLIENT_ID = 4
const WILL_TOPIC = 5
const WILL_MESSAGE = 6
const USERNAME = 7
const PASSWORD = 8
const TOPIC = 9
const PACKET_ID = 10
const FILTER = 11
const FILTER_QOS = 12
const REST = 13

/**
 * How much work a packet is, by its type, when a PINGREQ is 1. An acknowledgement is less than the message that the broker sent
 * to get it, and a filter in SUBSCRIBE or UNSUBSCRIBE is more than a packet.
 */
const costs = [1, 1, 1, 1, 0.5, 0.5, 2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1] as const
const filterCost = 8
/** Filters that one packet may name at least: all of them are handled in one go, however long that takes. */
const leastFilters = 1_000

const slash = 0x2f
const plus = 0x2b
const hash = 0x23
const names = { 4: 'MQTT', 6: 'MQIsdp' } as const
const sharePrefix = '$share/'
/** A CONNECT has 12 bytes and at most five fields of 65,535 bytes. */
export const largestConnect = 12 + 5 * 65_537

/**
 * Walks over what one client sends, chunk by chunk, wherever the chunks are cut. It keeps some numbers and not one byte:
 * whatever a stranger sends, a guard does not grow. It understands MQTT 3.1 and 3.1.1; of a client of level 5 it checks only the sizes.
 */
export class PacketGuard {
  /** Packets seen to their end. */
  packets = 0
  /** … of which PUBLISH. */
  publishes = 0
  /** What they cost, in packets: see `costs`. */
  units = 0
  /** Bytes of the last chunk that were inspected. */
  inspected = 0
  /** … of which up to the end of the last packet that ends there. */
  whole = 0

  readonly #limits: GuardLimits
  readonly #mostFilters: number
  #violation: Violation | undefined
  #connected = false
  #level = 0

  #reading = HEADER
  #type = 0
  /** The low half of the first byte. */
  #flags = 0
  /** Bytes of the packet still to come, and of the whole packet. */
  #left = 0
  #size = 0
  #lengthBytes = 0
  #field = NAME
  #number = 0
  #numberBytes = 0
  #connectFlags = 0
  #filters = 0
  /** Where to stop. */
  #mostUnits = Infinity
  #mostPublishes = Infinity
  #stopped = false

  /** Bytes of the text or binary data that is being read. */
  #fieldBytes = 0
  #fieldLeft = 0
  /** Continuation bytes that the character needs, and the bounds of the next one. */
  #more = 0
  #low = 0x80
  #high = 0xbf
  #previous = 0
  /** Bytes of `sharePrefix` or of the protocol's name that agree so far. */
  #agreeing = 0
  /** Where the name of a shared subscription's group ended; 0: not yet. */
  #groupEnd = 0

  constructor (limits: GuardLimits) {
    this.#limits = limits
    const { subscriptionsPerClient = 0 } = limits
    this.#mostFilters = subscriptionsPerClient === 0 ? Infinity : Math.max(leastFilters, subscriptionsPerClient)
  }

  /**
   * Inspect a chunk up to its end, or to the end of the packet with which it reaches one of the bounds; with bounds also no further
   * than CONNECT. `inspected` says how far that is.
   * @param units that it may cost
   * @param publishes that may be in it
   * @returns undefined, or why the connection must end; then the chunk must not reach the parser, nor any later one
   */
  inspect (chunk: Uint8Array, units = Infinity, publishes = Infinity): Violation | undefined {
    this.#mostUnits = this.units + units
    this.#mostPublishes = this.publishes + publishes
    this.#stopped = false
    if (this.#violation === undefined) this.#violation = this.#walk(chunk)
    return this.#violation
  }

  /** Bytes that came of a packet which is not complete. */
  get begun (): number {
    if (this.#reading === HEADER) return 0
    return this.#reading === LENGTH ? 1 + this.#lengthBytes : this.#size - this.#left
  }

  /** Bytes that the packet which is not complete lacks, or so many at least. */
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
          violation = this.#first(chunk[at++]!)
          break
        case LENGTH: {
          const byte = chunk[at++]!
          this.#left += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes++)
          if (byte < 0x80) violation = this.#begin()
          else if (this.#lengthBytes === 4) violation = { code: 'length', reason: 'the remaining length has more than four bytes' }
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
    this.#type = type
    this.#flags = flags
    this.#left = 0
    this.#lengthBytes = 0
    this.#reading = LENGTH
    if (!this.#connected) {
      // [MQTT-3.1.0-1]
      if (type !== CONNECT) return { code: 'first-packet', clause: 'MQTT-3.1.0-1', reason: 'the first packet is no CONNECT' }
    } else if (type === CONNECT) {
      // [MQTT-3.1.0-2]
      return { code: 'second-connect', clause: 'MQTT-3.1.0-2', reason: 'a second CONNECT' }
    }
    if (this.#level === 5) return undefined
    if (type === PUBLISH) {
      const qos = flags >> 1 & 3
      // [MQTT-3.3.1-4]
      if (qos === 3) return { code: 'qos', clause: 'MQTT-3.3.1-4', reason: 'a PUBLISH of QoS 3' }
      // [MQTT-3.3.1-2]
      if (qos === 0 && flags >= 8) return { code: 'dup', clause: 'MQTT-3.3.1-2', reason: 'a PUBLISH of QoS 0 with DUP' }
      return undefined
    }
    if (!fromClient(type)) return { code: 'packet-type', reason: 'a packet that no client sends' }
    // [MQTT-2.2.2-2] [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
    const required = type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? 2 : 0
    if (flags !== required) return { code: 'header-flags', clause: 'MQTT-2.2.2-2', reason: 'reserved flags in a fixed header' }
    return undefined
  }

  /** The fixed header is complete. */
  #begin (): Violation | undefined {
    this.#size = 1 + this.#lengthBytes + this.#left
    const limit = this.#connected ? this.#limits.packetBytes : this.#limits.connectBytes
    if (limit > 0 && this.#size > limit) return { code: 'too-large', reason: `a packet of more than ${limit} bytes` }
    if (this.#level === 5) return this.#skip()
    switch (this.#type) {
      case CONNECT:
        return this.#text(NAME)
      case PUBLISH:
        return this.#text(TOPIC)
      case PINGREQ:
      case DISCONNECT:
        return this.#left > 0 ? surplus() : this.#finish()
      default:
        // The parser would take the id out of the next packet.
        if (this.#type <= PUBCOMP && this.#left !== 2) return this.#left < 2 ? short() : surplus()
        this.#filters = 0
        return this.#numeral(PACKET_ID, 2)
    }
  }

  #gotNumber (value: number): Violation | undefined {
    switch (this.#field) {
      case LEVEL: {
        // Mosquitto marks its bridges by the highest bit.
        const level = value & 0x7f
        this.#level = level
        // [MQTT-3.1.2-2]
        const known = this.#fieldBytes === 6 ? level === 3 : level === 4 || level === 5
        if (!known) return { code: 'protocol-level', clause: 'MQTT-3.1.2-2', reason: `protocol level ${value}`, returnCode: 1 }
        if (level === 5) return this.#skip()
        if (this.#left > largestConnect) return surplus()
        return this.#numeral(FLAGS, 1)
      }
      case FLAGS:
        this.#connectFlags = value
        return connectFlags(value) ?? this.#numeral(KEEPALIVE, 2)
      case KEEPALIVE:
        return this.#text(CLIENT_ID)
      case PACKET_ID:
        // [MQTT-2.3.1-1]
        if (value === 0) return { code: 'packet-id', clause: 'MQTT-2.3.1-1', reason: 'packet id 0' }
        if (this.#type === SUBSCRIBE || this.#type === UNSUBSCRIBE) return this.#nextFilter()
        return this.#skip()
      case FILTER_QOS:
        // [MQTT-3.8.3-4]
        if (value > 2) return { code: 'qos', clause: 'MQTT-3.8.3-4', reason: 'a subscription of a QoS above 2, or with reserved bits' }
        return this.#nextFilter()
      default:
        return this.#fieldLength(value)
    }
  }

  /** The length of a text or of binary data is known. */
  #fieldLength (bytes: number): Violation | undefined {
    if (bytes > this.#left) return short()
    this.#fieldBytes = this.#fieldLeft = bytes
    this.#more = this.#previous = this.#agreeing = this.#groupEnd = 0
    const field = this.#field
    // [MQTT-3.1.2-1]
    if (field === NAME && names[bytes as 4 | 6] === undefined) return wrongName()
    if (bytes === 0) {
      // [MQTT-4.7.3-1]
      if (field === TOPIC || field === WILL_TOPIC) return { code: 'topic', clause: 'MQTT-4.7.3-1', reason: 'an empty topic' }
      if (field === FILTER) return { code: 'filter', clause: 'MQTT-4.7.3-1', reason: 'an empty topic filter' }
      // [MQTT-3.1.3-8]; MQTT 3.1 knows no empty client id at all.
      if (field === CLIENT_ID && ((this.#connectFlags & 2) === 0 || this.#level === 3)) {
        return { code: 'client-id', clause: 'MQTT-3.1.3-8', reason: 'no client id, and a session to keep', returnCode: 2 }
      }
      return this.#gotField()
    }
    this.#reading = field === WILL_MESSAGE || field === PASSWORD ? SKIP : TEXT
    return undefined
  }

  #gotField (): Violation | undefined {
    // [MQTT-1.5.3-1]
    if (this.#more > 0) return malformedUtf8()
    const flags = this.#connectFlags
    switch (this.#field) {
      case NAME:
        if (this.#agreeing !== this.#fieldBytes) return wrongName()
        return this.#numeral(LEVEL, 1)
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
        // [MQTT-4.8.2-2] of MQTT 5: a shared subscription has a filter.
        if (this.#agreeing === sharePrefix.length && (this.#groupEnd === 0 || this.#groupEnd === this.#fieldBytes)) return share()
        return this.#type === SUBSCRIBE ? this.#numeral(FILTER_QOS, 1) : this.#nextFilter()
    }
  }

  #credentials (flags: number): Violation | undefined {
    if ((flags & 0x80) !== 0) return this.#text(USERNAME)
    if ((flags & 0x40) !== 0) return this.#text(PASSWORD)
    return this.#left > 0 ? surplus() : this.#finish()
  }

  #nextFilter (): Violation | undefined {
    if (this.#left > 0) {
      if (++this.#filters > this.#mostFilters) return { code: 'filters', reason: `a packet with more than ${this.#mostFilters} topic filters` }
      return this.#text(FILTER)
    }
    // [MQTT-3.8.3-3] [MQTT-3.10.3-2]
    if (this.#filters === 0) {
      const [clause, name] = this.#type === SUBSCRIBE ? ['MQTT-3.8.3-3', 'SUBSCRIBE'] : ['MQTT-3.10.3-2', 'UNSUBSCRIBE']
      return { code: 'no-filters', clause: clause!, reason: `${name} without a topic filter` }
    }
    return this.#finish()
  }

  /** Read a number of so many bytes next. */
  #numeral (field: number, bytes: number): Violation | undefined {
    if (bytes > this.#left) return short()
    this.#field = field
    this.#number = 0
    this.#numberBytes = bytes
    this.#reading = NUMBER
    return undefined
  }

  /** Read a text or binary data next. Its length comes first. */
  #text (field: number): Violation | undefined {
    return this.#numeral(field, 2)
  }

  /** The rest of the packet is free. */
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
        // [MQTT-1.5.3-1]
        if (byte < this.#low || byte > this.#high) return malformedUtf8()
        this.#low = 0x80
        this.#high = 0xbf
        more--
      } else if (byte >= 0x80) {
        if (byte < 0xc2 || byte > 0xf4) return malformedUtf8()
        more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
        // Neither a longer form than needed, nor a surrogate, nor beyond U+10FFFF.
        this.#low = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
        this.#high = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
      } else if (byte === 0) {
        // [MQTT-1.5.3-2]
        return { code: 'nul', clause: 'MQTT-1.5.3-2', reason: 'a NUL character in a text' }
      } else if (topic) {
        // [MQTT-3.3.2-2]
        if (byte === hash || byte === plus) return { code: 'topic', clause: 'MQTT-3.3.2-2', reason: 'a wildcard in a topic' }
        continue
      }
      if (prefix !== '' && at + position === this.#agreeing && prefix.charCodeAt(this.#agreeing) === byte) this.#agreeing++
      if (!filter) continue
      // [MQTT-4.7.1-2]
      if (previous === hash || (byte === hash && previous !== 0 && previous !== slash)) return misplaced('MQTT-4.7.1-2', '#')
      // [MQTT-4.7.1-3]
      if ((previous === plus && byte !== slash) || (byte === plus && previous !== 0 && previous !== slash)) return misplaced('MQTT-4.7.1-3', '+')
      const ofPrefix = at + position < sharePrefix.length
      if (!ofPrefix && this.#agreeing === sharePrefix.length && this.#groupEnd === 0) {
        // [MQTT-4.8.2-1] of MQTT 5: the group has a name without wildcards.
        if (byte === plus || byte === hash || (byte === slash && previous === slash)) return share()
        if (byte === slash) this.#groupEnd = at + position + 1
      }
      previous = byte
    }
    this.#more = more
    this.#previous = previous
    return undefined
  }
}

function fromClient (type: number): boolean {
  return type === CONNECT || (type >= PUBACK && type <= SUBSCRIBE) || type === UNSUBSCRIBE || type === PINGREQ || type === DISCONNECT
}

function connectFlags (flags: number): Violation | undefined {
  const refuse = (clause: string, reason: string): Violation => ({ code: 'connect-flags', clause, reason })
  // [MQTT-3.1.2-3]
  if ((flags & 0x01) !== 0) return refuse('MQTT-3.1.2-3', 'the reserved flag of CONNECT')
  // [MQTT-3.1.2-22]
  if ((flags & 0xc0) === 0x40) return refuse('MQTT-3.1.2-22', 'a password without a username')
  const willQos = flags >> 3 & 3
  if ((flags & 0x04) === 0) {
    // [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15]
    if (willQos !== 0) return refuse('MQTT-3.1.2-13', 'the QoS of a will without a will')
    if ((flags & 0x20) !== 0) return refuse('MQTT-3.1.2-15', 'a retained will without a will')
  } else if (willQos === 3) {
    // [MQTT-3.1.2-14]
    return refuse('MQTT-3.1.2-14', 'a will of QoS 3')
  }
  return undefined
}

function short (): Violation {
  return { code: 'malformed', reason: 'a packet that is shorter than its fields' }
}

function surplus (): Violation {
  return { code: 'malformed', reason: 'a packet that is longer than its fields' }
}

function malformedUtf8 (): Violation {
  return { code: 'utf8', clause: 'MQTT-1.5.3-1', reason: 'malformed UTF-8' }
}

function wrongName (): Violation {
  return { code: 'protocol-name', clause: 'MQTT-3.1.2-1', reason: 'another protocol than MQTT' }
}

function misplaced (clause: string, wildcard: string): Violation {
  return { code: 'filter', clause, reason: `a misplaced ${wildcard} in a topic filter` }
}

function share (): Violation {
  return { code: 'filter', reason: 'a malformed shared subscription' }
}
