export type ViolationCode =
  | 'first-packet' | 'second-connect' | 'too-large' | 'length' | 'malformed' | 'packet-type' | 'header-flags' | 'qos' | 'dup'
  | 'packet-id' | 'utf8' | 'nul' | 'topic' | 'filter' | 'no-filters' | 'filters' | 'connect-flags' | 'protocol-name' | 'protocol-level' | 'client-id' | 'cut-up'

/** Why a connection must end. */
export interface Violation {
  readonly code: ViolationCode
  /** Of MQTT 3.1.1, such as `MQTT-2.2.2-2`; absent where the standard gives the sentence no number. */
  readonly clause?: string
  /** For a log; repeats nothing that the client sent. */
  readonly reason: string
  /** To be sent in a CONNACK before the connection is closed. */
  readonly returnCode?: 1 | 2
}

/** The violations whose text never varies. */
export const violations = {
  notConnect: { code: 'first-packet', clause: 'MQTT-3.1.0-1', reason: 'the first packet is not a CONNECT' },
  secondConnect: { code: 'second-connect', clause: 'MQTT-3.1.0-2', reason: 'a second CONNECT' },
  longLength: { code: 'length', reason: 'the remaining length has more than four bytes' },
  /** The parser would take the missing bytes out of the next packet. */
  short: { code: 'malformed', reason: 'a packet that is shorter than its fields' },
  surplus: { code: 'malformed', reason: 'a packet that is longer than its fields' },
  packetType: { code: 'packet-type', reason: 'a packet that no client sends' },
  /** Also MQTT-3.6.1-1, MQTT-3.8.1-1 and MQTT-3.10.1-1. */
  headerFlags: { code: 'header-flags', clause: 'MQTT-2.2.2-2', reason: 'reserved flags in a fixed header' },
  /** Of programs that take the number of characters for the number of bytes, and send `°` for the first time. */
  overhang: { code: 'header-flags', clause: 'MQTT-2.2.2-2', reason: 'JSON that goes on behind its PUBLISH, whose length has to count bytes rather than characters' },
  publishQos: { code: 'qos', clause: 'MQTT-3.3.1-4', reason: 'a PUBLISH of QoS 3' },
  publishDup: { code: 'dup', clause: 'MQTT-3.3.1-2', reason: 'a PUBLISH of QoS 0 with DUP' },
  packetId: { code: 'packet-id', clause: 'MQTT-2.3.1-1', reason: 'packet id 0' },
  utf8: { code: 'utf8', clause: 'MQTT-1.5.3-1', reason: 'malformed UTF-8' },
  nul: { code: 'nul', clause: 'MQTT-1.5.3-2', reason: 'a NUL character in a text' },
  emptyTopic: { code: 'topic', clause: 'MQTT-4.7.3-1', reason: 'an empty topic' },
  topicWildcard: { code: 'topic', clause: 'MQTT-3.3.2-2', reason: 'a wildcard in a topic' },
  emptyFilter: { code: 'filter', clause: 'MQTT-4.7.3-1', reason: 'an empty topic filter' },
  misplacedHash: { code: 'filter', clause: 'MQTT-4.7.1-2', reason: 'a misplaced # in a topic filter' },
  misplacedPlus: { code: 'filter', clause: 'MQTT-4.7.1-3', reason: 'a misplaced + in a topic filter' },
  /** MQTT-4.8.2-1 and MQTT-4.8.2-2 of MQTT 5: its group has a name without wildcards, and a filter comes after it. */
  sharedFilter: { code: 'filter', reason: 'a malformed shared subscription' },
  filterQos: { code: 'qos', clause: 'MQTT-3.8.3-4', reason: 'a subscription of a QoS above 2, or with reserved bits' },
  noSubscription: { code: 'no-filters', clause: 'MQTT-3.8.3-3', reason: 'SUBSCRIBE without a topic filter' },
  noUnsubscription: { code: 'no-filters', clause: 'MQTT-3.10.3-2', reason: 'UNSUBSCRIBE without a topic filter' },
  protocolName: { code: 'protocol-name', clause: 'MQTT-3.1.2-1', reason: 'another protocol than MQTT' },
  reservedFlag: { code: 'connect-flags', clause: 'MQTT-3.1.2-3', reason: 'the reserved flag of CONNECT' },
  passwordAlone: { code: 'connect-flags', clause: 'MQTT-3.1.2-22', reason: 'a password without a username' },
  /** Also MQTT-3.1.2-11. */
  willQosAlone: { code: 'connect-flags', clause: 'MQTT-3.1.2-13', reason: 'the QoS of a will without a will' },
  willRetainAlone: { code: 'connect-flags', clause: 'MQTT-3.1.2-15', reason: 'a retained will without a will' },
  willQos: { code: 'connect-flags', clause: 'MQTT-3.1.2-14', reason: 'a will of QoS 3' },
  /** It may be empty for a clean session of MQTT 3.1.1, and never in MQTT 3.1. */
  noClientId: { code: 'client-id', clause: 'MQTT-3.1.3-8', reason: 'no client id, and a session to keep', returnCode: 2 },
  cutUp: { code: 'cut-up', reason: 'packets in WebSocket messages of a few bytes each' }
} as const satisfies Record<string, Violation>

export function tooLarge (bytes: number): Violation {
  return { code: 'too-large', reason: `a packet of more than ${bytes} bytes` }
}

export function tooManyFilters (most: number): Violation {
  return { code: 'filters', reason: `a packet with more than ${most} topic filters` }
}

export function unknownLevel (level: number): Violation {
  return { code: 'protocol-level', clause: 'MQTT-3.1.2-2', reason: `protocol level ${level}`, returnCode: 1 }
}
