/**
 * What a stranger may ask of the broker. 0 stands for no limit (for `connectBytes`, `packetBytes`, `topicLevels` and `topicAliases`: as large as MQTT allows;
 * for `receiveMaximum`: what agent-in says).
 * One table: the form, its checks and docs/broker.md show it.
 */
export const limitDefaults = {
  /** Clients connected at one time. */
  connections: 10_000,
  /** Clients connected at one time from one address. */
  connectionsPerAddress: 1_000,
  /** New connections a second from one address. */
  connectionRate: 200,
  /** Seconds from the socket to CONNECT. */
  connectTimeout: 10,
  /** Seconds from a packet's first byte to its last, approximately; 0: any time. */
  packetTimeout: 60,
  /** Bytes of a client's first packet, CONNECT. */
  connectBytes: 8_192,
  /** Bytes of any packet after it. */
  packetBytes: 2_097_152,
  /** Bytes of the properties of one packet of MQTT 5. */
  propertyBytes: 65_536,
  /** Bytes that all clients together may leave unread. */
  unreadBytes: 67_108_864,
  /** Levels of a topic or filter. */
  topicLevels: 32,
  /** Topics for which a client of MQTT 5 may have an alias, and the broker for it. */
  topicAliases: 32,
  /** Longest keepalive in seconds that a client may ask for; 0: any, and none at all. */
  keepalive: 0,
  subscriptionsPerClient: 1_000,
  /** Bytes that the broker remembers for all clients and sessions, beyond what each of them has for itself. */
  stateBytes: 67_108_864,
  /** Messages that one client of MQTT 5 may have unacknowledged; 0: as many as agent-in lets one client have unstored. */
  receiveMaximum: 0,
  /** Messages a second that one client may publish; beyond that its socket is not read for a while. */
  messageRate: 10_000,
  /**
   * Packets a second of any type from one client. An acknowledgement counts half, a PUBREL twice, each filter that is subscribed to or
   * unsubscribed from 8 times, each retained message that it brings once, and a user property of MQTT 5 a sixteenth.
   */
  packetRate: 20_000,
  /** Bytes a second from one client. */
  byteRate: 16_777_216,
  /** Bytes of all clients that are being received and handled; beyond that only some sockets are read. */
  incomingBytes: 67_108_864,
  /** Agents that one user may speak for, and that all anonymous clients together may have connected. */
  agentsPerUser: 100_000,
  retainedMessages: 10_000,
  /** Bytes of all retained messages. */
  retainedBytes: 67_108_864,
  /** Sessions that outlive their connection. */
  sessions: 10_000,
  /** Messages that wait for one client while it is away. */
  offlineMessages: 1_000,
  /** Bytes that wait for one client while it is away. */
  offlineBytes: 8_388_608,
  /** Bytes that wait for all clients, including those on their way to connected ones. */
  offlineTotalBytes: 134_217_728,
  /** Seconds after which the session of a client that is away is forgotten. */
  sessionExpiry: 604_800
} as const satisfies Record<string, number>

export type LimitName = keyof typeof limitDefaults
export type Limits = Record<LimitName, number>

/** The largest value of each limit that has one. */
export const limitMaxima: Partial<Record<LimitName, number>> = {
  topicLevels: 100,
  topicAliases: 65_535,
  keepalive: 65_535,
  receiveMaximum: 65_535,
  packetBytes: 268_435_460,
  connectBytes: 268_435_460
}

/** Limits as saved, as numbers or text, with the default for each that is absent or no whole number from 0 up. */
export function readLimits (saved: Partial<Record<string, unknown>> | undefined): Limits {
  const entries = Object.entries(limitDefaults).map(([name, standard]) => {
    const text = saved?.[name]
    const value = typeof text === 'number' || (typeof text === 'string' && text !== '') ? Number(text) : Number.NaN
    if (!Number.isInteger(value) || value < 0) return [name, standard]
    return [name, Math.min(value, limitMaxima[name as LimitName] ?? Number.MAX_SAFE_INTEGER)]
  })
  return Object.fromEntries(entries) as Limits
}
