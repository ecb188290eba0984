import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'

export type ViolationCode =
  | 'first-packet' | 'second-connect' | 'too-large' | 'length' | 'malformed' | 'packet-type' | 'header-flags' | 'qos' | 'dup'
  | 'packet-id' | 'utf8' | 'nul' | 'topic' | 'filter' | 'no-filters' | 'filters' | 'connect-flags' | 'protocol-name' | 'protocol-level' | 'client-id' | 'cut-up'
  | 'auth' | 'property' | 'property-bytes' | 'reason-code' | 'options'

/** Why a connection must end. */
export interface Violation {
  readonly code: ViolationCode
  /** Of MQTT 3.1.1, such as `MQTT-2.2.2-2`; absent where the standard gives the sentence no number, or has no such sentence. */
  readonly clause?: string
  /** Of MQTT 5, likewise. */
  readonly clause5?: string
  /** For a log; repeats nothing that the client sent. */
  readonly reason: string
  /** To be sent in a CONNACK of MQTT 3.1.1 before the connection is closed. */
  readonly returnCode?: 1 | 2
  /** To be sent in a CONNACK or DISCONNECT of MQTT 5 before the connection is closed. */
  readonly reasonCode: ReasonCode
}

const {
  malformedPacket, protocolError, unsupportedVersion, clientIdNotValid, topicFilterInvalid, topicNameInvalid, topicAliasInvalid, packetTooLarge, quotaExceeded
} = reasonCodes

/** The violations whose text never varies. */
export const violations = {
  notConnect: { code: 'first-packet', clause: 'MQTT-3.1.0-1', clause5: 'MQTT-3.1.0-1', reason: 'the first packet is not a CONNECT', reasonCode: protocolError },
  secondConnect: { code: 'second-connect', clause: 'MQTT-3.1.0-2', clause5: 'MQTT-3.1.0-2', reason: 'a second CONNECT', reasonCode: protocolError },
  longLength: { code: 'length', reason: 'the remaining length has more than four bytes', reasonCode: malformedPacket },
  longInteger: { code: 'length', clause5: 'MQTT-1.5.5-1', reason: 'a variable byte integer in more bytes than it needs, or than four', reasonCode: malformedPacket },
  /** The parser would take the missing bytes out of the next packet. */
  short: { code: 'malformed', reason: 'a packet that is shorter than its fields', reasonCode: malformedPacket },
  surplus: { code: 'malformed', reason: 'a packet that is longer than its fields', reasonCode: malformedPacket },
  packetType: { code: 'packet-type', reason: 'a packet that no client sends', reasonCode: protocolError },
  auth: { code: 'auth', clause5: 'MQTT-4.12.0-7', reason: 'AUTH outside of an authentication', reasonCode: protocolError },
  /** Also MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, and of MQTT 5 MQTT-3.14.1-1 and MQTT-3.15.1-1. */
  headerFlags: { code: 'header-flags', clause: 'MQTT-2.2.2-2', clause5: 'MQTT-2.1.3-1', reason: 'reserved flags in a fixed header', reasonCode: malformedPacket },
  /** Of programs that take the number of characters for the number of bytes, and send `°` for the first time. */
  overhang: {
    code: 'header-flags', clause: 'MQTT-2.2.2-2', clause5: 'MQTT-2.1.3-1', reasonCode: malformedPacket,
    reason: 'JSON that goes on behind its PUBLISH, whose length has to count bytes rather than characters'
  },
  publishQos: { code: 'qos', clause: 'MQTT-3.3.1-4', clause5: 'MQTT-3.3.1-4', reason: 'a PUBLISH of QoS 3', reasonCode: malformedPacket },
  publishDup: { code: 'dup', clause: 'MQTT-3.3.1-2', clause5: 'MQTT-3.3.1-2', reason: 'a PUBLISH of QoS 0 with DUP', reasonCode: malformedPacket },
  packetId: { code: 'packet-id', clause: 'MQTT-2.3.1-1', clause5: 'MQTT-2.2.1-3', reason: 'packet id 0', reasonCode: protocolError },
  /** Of a pair of strings also MQTT-1.5.7-1 of MQTT 5. */
  utf8: { code: 'utf8', clause: 'MQTT-1.5.3-1', clause5: 'MQTT-1.5.4-1', reason: 'malformed UTF-8', reasonCode: malformedPacket },
  nul: { code: 'nul', clause: 'MQTT-1.5.3-2', clause5: 'MQTT-1.5.4-2', reason: 'a NUL character in a text', reasonCode: malformedPacket },
  emptyTopic: { code: 'topic', clause: 'MQTT-4.7.3-1', clause5: 'MQTT-4.7.3-1', reason: 'an empty topic', reasonCode: topicNameInvalid },
  topicMissing: { code: 'topic', reason: 'a PUBLISH with neither a topic nor a topic alias', reasonCode: protocolError },
  /** Of a response topic MQTT-3.3.2-14 of MQTT 5. */
  topicWildcard: { code: 'topic', clause: 'MQTT-3.3.2-2', clause5: 'MQTT-3.3.2-2', reason: 'a wildcard in a topic', reasonCode: topicNameInvalid },
  emptyFilter: { code: 'filter', clause: 'MQTT-4.7.3-1', clause5: 'MQTT-4.7.3-1', reason: 'an empty topic filter', reasonCode: topicFilterInvalid },
  misplacedHash: { code: 'filter', clause: 'MQTT-4.7.1-2', clause5: 'MQTT-4.7.1-1', reason: 'a misplaced # in a topic filter', reasonCode: topicFilterInvalid },
  misplacedPlus: { code: 'filter', clause: 'MQTT-4.7.1-3', clause5: 'MQTT-4.7.1-2', reason: 'a misplaced + in a topic filter', reasonCode: topicFilterInvalid },
  /** Its group has a name without wildcards, and a filter comes after it: also MQTT-4.8.2-1. */
  sharedFilter: { code: 'filter', clause5: 'MQTT-4.8.2-2', reason: 'a malformed shared subscription', reasonCode: topicFilterInvalid },
  filterQos: { code: 'qos', clause: 'MQTT-3.8.3-4', reason: 'a subscription of a QoS above 2, or with reserved bits', reasonCode: protocolError },
  reservedOptions: { code: 'options', clause5: 'MQTT-3.8.3-5', reason: 'reserved bits in the options of a subscription', reasonCode: malformedPacket },
  retainHandling: { code: 'options', reason: 'a subscription whose retain handling is 3', reasonCode: protocolError },
  sharedNoLocal: { code: 'options', clause5: 'MQTT-3.8.3-4', reason: 'a shared subscription with No Local', reasonCode: protocolError },
  noSubscription: { code: 'no-filters', clause: 'MQTT-3.8.3-3', clause5: 'MQTT-3.8.3-2', reason: 'SUBSCRIBE without a topic filter', reasonCode: protocolError },
  noUnsubscription: { code: 'no-filters', clause: 'MQTT-3.10.3-2', clause5: 'MQTT-3.10.3-2', reason: 'UNSUBSCRIBE without a topic filter', reasonCode: protocolError },
  protocolName: { code: 'protocol-name', clause: 'MQTT-3.1.2-1', clause5: 'MQTT-3.1.2-1', reason: 'another protocol than MQTT', reasonCode: unsupportedVersion },
  reservedFlag: { code: 'connect-flags', clause: 'MQTT-3.1.2-3', clause5: 'MQTT-3.1.2-3', reason: 'the reserved flag of CONNECT', reasonCode: malformedPacket },
  passwordAlone: { code: 'connect-flags', clause: 'MQTT-3.1.2-22', reason: 'a password without a username', reasonCode: malformedPacket },
  /** Also MQTT-3.1.2-11 of MQTT 3.1.1. */
  willQosAlone: { code: 'connect-flags', clause: 'MQTT-3.1.2-13', clause5: 'MQTT-3.1.2-11', reason: 'the QoS of a will without a will', reasonCode: malformedPacket },
  willRetainAlone: { code: 'connect-flags', clause: 'MQTT-3.1.2-15', clause5: 'MQTT-3.1.2-13', reason: 'a retained will without a will', reasonCode: malformedPacket },
  willQos: { code: 'connect-flags', clause: 'MQTT-3.1.2-14', clause5: 'MQTT-3.1.2-12', reason: 'a will of QoS 3', reasonCode: malformedPacket },
  /** It may be empty in MQTT 5, for a clean session of MQTT 3.1.1, and never in MQTT 3.1. */
  noClientId: { code: 'client-id', clause: 'MQTT-3.1.3-8', reason: 'no client id, and a session to keep', returnCode: 2, reasonCode: clientIdNotValid },
  unknownProperty: { code: 'property', reason: 'a property that is unknown, or not one of this packet', reasonCode: malformedPacket },
  serversProperty: { code: 'property', reason: 'a property that only a server sends', reasonCode: protocolError },
  subscriptionId: { code: 'property', clause5: 'MQTT-3.3.4-6', reason: 'a PUBLISH of a client with a subscription identifier', reasonCode: protocolError },
  propertyTwice: { code: 'property', reason: 'a property that comes twice', reasonCode: protocolError },
  propertyValue: { code: 'property', reason: 'a property with a value that is not allowed', reasonCode: protocolError },
  aliasZero: { code: 'property', clause5: 'MQTT-3.3.2-8', reason: 'topic alias 0', reasonCode: topicAliasInvalid },
  dataWithoutMethod: { code: 'property', reason: 'authentication data without an authentication method', reasonCode: protocolError },
  lateExpiry: { code: 'property', reason: 'a DISCONNECT that would keep a session which CONNECT said ends', reasonCode: protocolError },
  /** Of PUBACK; of the others also MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1 and MQTT-3.14.2-1. */
  reasonCode: { code: 'reason-code', clause5: 'MQTT-3.4.2-1', reason: 'a reason code that this packet does not have', reasonCode: protocolError },
  cutUp: { code: 'cut-up', reason: 'packets in WebSocket messages of a few bytes each', reasonCode: quotaExceeded }
} as const satisfies Record<string, Violation>

export function tooLarge (bytes: number): Violation {
  return { code: 'too-large', reason: `a packet of more than ${bytes} bytes`, reasonCode: packetTooLarge }
}

export function tooManyFilters (most: number): Violation {
  return { code: 'filters', reason: `a packet with more than ${most} topic filters`, reasonCode: quotaExceeded }
}

export function tooManyPropertyBytes (most: number): Violation {
  return { code: 'property-bytes', reason: `a packet with more than ${most} bytes of properties`, reasonCode: quotaExceeded }
}

export function unknownLevel (level: number): Violation {
  return { code: 'protocol-level', clause: 'MQTT-3.1.2-2', clause5: 'MQTT-3.1.2-2', reason: `protocol level ${level}`, returnCode: 1, reasonCode: unsupportedVersion }
}
