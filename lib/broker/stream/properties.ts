import { packetTypes } from './packet-parts.ts'
import { tooManyPropertyBytes, violations, type Violation } from './violation.ts'

/** How the value of a property is written: as a number of 1, 2 or 4 bytes, or otherwise. */
export const kinds = { BYTE: 1, TWO: 2, FOUR: 4, VARIABLE: 5, TEXT: 6, TOPIC: 7, BINARY: 8, PAIR: 9 } as const
type Kind = typeof kinds[keyof typeof kinds]

/** One property of MQTT 5 that clients send. */
interface Property {
  readonly kind: Kind
  /** A set of packet types, a bit each. */
  readonly packets: number
  /** In sets of the properties that have come. */
  readonly bit: number
  /** Bounds of a number. */
  readonly least: number
  readonly most: number
}

/** Where the properties of the will are, among the types of packet. */
export const WILL = 0
const { CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT } = packetTypes
const { BYTE, TWO, FOUR, VARIABLE, TEXT, TOPIC, BINARY, PAIR } = kinds

const ids = { subscriptionId: 11, sessionExpiry: 17, authMethod: 21, authData: 22, serverReference: 28, topicAlias: 35, userProperty: 38 } as const

const messages = [WILL, PUBLISH]
const ends = [PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT]
const rows: ReadonlyArray<[id: number, kind: Kind, packets: number[], least?: number, most?: number]> = [
  /** Payload format indicator. */
  [1, BYTE, messages, 0, 1],
  /** Message expiry interval. */
  [2, FOUR, messages],
  /** Content type. */
  [3, TEXT, messages],
  /** Response topic. */
  [8, TOPIC, messages],
  /** Correlation data. */
  [9, BINARY, messages],
  [ids.subscriptionId, VARIABLE, [SUBSCRIBE], 1],
  [ids.sessionExpiry, FOUR, [CONNECT, DISCONNECT]],
  [ids.authMethod, TEXT, [CONNECT]],
  [ids.authData, BINARY, [CONNECT]],
  /** Request problem information. */
  [23, BYTE, [CONNECT], 0, 1],
  /** Will delay interval. */
  [24, FOUR, [WILL]],
  /** Request response information. */
  [25, BYTE, [CONNECT], 0, 1],
  /** Reason string. */
  [31, TEXT, ends],
  /** Receive maximum. */
  [33, TWO, [CONNECT], 1],
  /** Topic alias maximum. */
  [34, TWO, [CONNECT]],
  [ids.topicAlias, TWO, [PUBLISH], 1],
  [ids.userProperty, PAIR, [CONNECT, SUBSCRIBE, UNSUBSCRIBE, ...messages, ...ends]],
  /** Maximum packet size. */
  [39, FOUR, [CONNECT], 1]
]

/** By id. [MQTT 5, 2.2.2.2] */
const properties: ReadonlyArray<Property | undefined> = rows.reduce<Array<Property | undefined>>((table, [id, kind, packets, least = 0, most = Infinity], row) => {
  table[id] = { kind, packets: packets.reduce((set, type) => set | 1 << type, 0), bit: 1 << row, least, most }
  return table
}, Array.from({ length: 256 }, () => undefined))

/** The properties of one packet of MQTT 5 after the other, as they come: whether each may, and what it is. It keeps no value. */
export class PropertyList {
  /** The type of packet whose properties they are, or WILL. */
  section = WILL
  /** How the current one is written. */
  kind: Kind = kinds.BYTE
  readonly #mostBytes: number
  #id = 0
  /** Those that have come, as a set. */
  #seen = 0
  /** Of the packet, which has two lists if it is a CONNECT with a will. */
  #bytes = 0
  #userProperties = 0
  /** Whether CONNECT asks for a session that outlives its connection. */
  #expires = false

  /** @param mostBytes of one packet; 0: any number */
  constructor (mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  begin (section: number): void {
    this.section = section
    this.#seen = 0
  }

  /** The length of the list has come. */
  measure (bytes: number): Violation | undefined {
    this.#bytes += bytes
    return this.#mostBytes > 0 && this.#bytes > this.#mostBytes ? tooManyPropertyBytes(this.#mostBytes) : undefined
  }

  /** The id of a property has come. */
  add (id: number): Violation | undefined {
    const { section } = this
    const property = properties[id]
    if (property === undefined || (property.packets & 1 << section) === 0) {
      if (id === ids.subscriptionId && section === PUBLISH) return violations.subscriptionId
      return id === ids.serverReference && section === DISCONNECT ? violations.serversProperty : violations.unknownProperty
    }
    if (id === ids.userProperty) this.#userProperties++
    else if ((this.#seen & property.bit) !== 0) return violations.propertyTwice
    this.#seen |= property.bit
    this.#id = id
    this.kind = property.kind
    return undefined
  }

  /** The value of the property has come, and is a number. */
  take (value: number): Violation | undefined {
    const id = this.#id
    const { least, most } = properties[id]!
    if (value < least || value > most) return id === ids.topicAlias ? violations.aliasZero : violations.propertyValue
    if (id !== ids.sessionExpiry || value === 0) return undefined
    if (this.section === CONNECT) this.#expires = true
    return this.#expires ? undefined : violations.lateExpiry
  }

  /** What is wrong with the list as a whole. @param hasTopic whether the packet names a topic, if it is a PUBLISH */
  end (hasTopic: boolean): Violation | undefined {
    if (this.section === PUBLISH) return hasTopic || this.#has(ids.topicAlias) ? undefined : violations.topicMissing
    return this.section === CONNECT && this.#has(ids.authData) && !this.#has(ids.authMethod) ? violations.dataWithoutMethod : undefined
  }

  /** The packet has come to its end. @returns its user properties, of which it may have any number */
  finish (): number {
    const count = this.#userProperties
    this.#userProperties = this.#bytes = 0
    return count
  }

  #has (id: number): boolean {
    return (this.#seen & properties[id]!.bit) !== 0
  }
}
