import { reasonCodes } from '../../mqtt/reason-codes.ts'
import { texts, type TextKind } from './text-scan.ts'
import { violations, type Violation } from './violation.ts'

/** Types of packet that clients send. [MQTT-2.2.1] */
export const packetTypes = {
  CONNECT: 1, PUBLISH: 3, PUBACK: 4, PUBREC: 5, PUBREL: 6, PUBCOMP: 7, SUBSCRIBE: 8, UNSUBSCRIBE: 10, PINGREQ: 12, DISCONNECT: 14,
  /** Of MQTT 5. */
  AUTH: 15
} as const

/**
 * What comes next: a packet's first byte, its remaining length, or, in a field, a number of known or of variable length, a text, or bytes
 * that are not looked at.
 */
export const states = { HEADER: 0, LENGTH: 1, NUMBER: 2, VARIABLE: 3, TEXT: 4, SKIP: 5 } as const
export type State = typeof states[keyof typeof states]

/** The fields of a packet. A text's length is read as a number of the text's own field. */
export const fields = {
  NAME: 0, LEVEL: 1, FLAGS: 2, KEEPALIVE: 3, CLIENT_ID: 4, WILL_TOPIC: 5, WILL_MESSAGE: 6, USERNAME: 7, PASSWORD: 8,
  TOPIC: 9, PACKET_ID: 10, FILTER: 11, FILTER_OPTIONS: 12, REST: 13,
  /** Of MQTT 5: a reason code, the length of all properties, the id of one, and its value. */
  REASON: 14, PROPERTIES: 15, PROPERTY: 16, VALUE: 17, VALUE_TEXT: 18, VALUE_TOPIC: 19, VALUE_BINARY: 20, PAIR_NAME: 21, PAIR_VALUE: 22
} as const
export type Field = typeof fields[keyof typeof fields]

/** What the texts are that are not plain. */
export const kindsOfTexts: Partial<Record<Field, TextKind>> = {
  [fields.NAME]: texts.NAME, [fields.WILL_TOPIC]: texts.TOPIC, [fields.TOPIC]: texts.TOPIC, [fields.VALUE_TOPIC]: texts.TOPIC, [fields.FILTER]: texts.FILTER
}

const { CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT, AUTH } = packetTypes

const {
  success, disconnectWithWill, noMatchingSubscribers, unspecified, malformedPacket, protocolError, implementationSpecific, notAuthorized, topicNameInvalid,
  packetIdInUse, packetIdNotFound, receiveMaximumExceeded, topicAliasInvalid, packetTooLarge, messageRateTooHigh, quotaExceeded, administrativeAction, payloadFormatInvalid
} = reasonCodes
/** Of PUBACK and PUBREC. [MQTT 5, 2.4] */
const receipts: ReadonlySet<number> = new Set([
  success, noMatchingSubscribers, unspecified, implementationSpecific, notAuthorized, topicNameInvalid, packetIdInUse, quotaExceeded, payloadFormatInvalid
])
/** Of PUBREL and PUBCOMP. */
const releases: ReadonlySet<number> = new Set([success, packetIdNotFound])
/** Of a client's DISCONNECT. */
const goodbyes: ReadonlySet<number> = new Set([
  success, disconnectWithWill, unspecified, malformedPacket, protocolError, implementationSpecific, topicNameInvalid, receiveMaximumExceeded,
  topicAliasInvalid, packetTooLarge, messageRateTooHigh, quotaExceeded, administrativeAction, payloadFormatInvalid
])

/** `]` and `}`. */
const jsonEnds: readonly number[] = [0x5d, 0x7d]

/** What is wrong with the first byte of a packet, but for its place. @param former the type of the packet before */
export function violationOfHeader (byte: number, level: number, former: number): Violation | undefined {
  const type = byte >> 4
  const flags = byte & 0x0f
  if (type === PUBLISH) {
    const qos = flags >> 1 & 3
    if (qos === 3) return violations.publishQos
    return qos === 0 && flags >= 8 ? violations.publishDup : undefined
  }
  const isAuth = level === 5 && type === AUTH
  if (!isAuth && !fromClient(type)) return violations.packetType
  const required = type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? 2 : 0
  if (flags === required) return isAuth ? violations.auth : undefined
  return former === PUBLISH && jsonEnds.includes(byte) ? violations.overhang : violations.headerFlags
}

function fromClient (type: number): boolean {
  return type === CONNECT || (type >= PUBACK && type <= SUBSCRIBE) || type === UNSUBSCRIBE || type === PINGREQ || type === DISCONNECT
}

/** In MQTT 3.1 what is sent again has DUP, also PUBREL, SUBSCRIBE and UNSUBSCRIBE; 3.1.1 reserves the bit, and so does the engine's parser. */
export function withoutDup (first: number): number {
  const type = first >> 4
  return type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? first & 0xf7 : first
}

/** What is wrong with the flags of a CONNECT. */
export function violationOfFlags (flags: number, level: number): Violation | undefined {
  if ((flags & 0x01) !== 0) return violations.reservedFlag
  if (level !== 5 && (flags & 0xc0) === 0x40) return violations.passwordAlone
  const willQos = flags >> 3 & 3
  if ((flags & 0x04) !== 0) return willQos === 3 ? violations.willQos : undefined
  if (willQos !== 0) return violations.willQosAlone
  return (flags & 0x20) === 0 ? undefined : violations.willRetainAlone
}

/** What is wrong with the options of a subscription; before MQTT 5 they are the QoS alone. */
export function violationOfOptions (options: number, level: number, isShared: boolean): Violation | undefined {
  if (level !== 5) return options > 2 ? violations.filterQos : undefined
  if ((options & 0xc0) !== 0) return violations.reservedOptions
  if ((options & 0x03) === 3) return violations.filterQos
  if ((options & 0x30) === 0x30) return violations.retainHandling
  return isShared && (options & 0x04) !== 0 ? violations.sharedNoLocal : undefined
}

/** Whether a client may give this reason code in a packet that has one. */
export function mayGive (code: number, type: number): boolean {
  if (type === DISCONNECT) return goodbyes.has(code)
  return type === PUBACK || type === PUBREC ? receipts.has(code) : releases.has(code)
}
