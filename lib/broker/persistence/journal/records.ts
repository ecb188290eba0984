/** The part of a publication that is kept. `payload` in bytes, or as text if this process published text. */
export interface Content {
  topic: string
  payload: Buffer | string
  qos: 0 | 1 | 2
  retain: boolean
}

/** A publication as aedes hands it over and expects it back. `brokerId` and `brokerCounter` tell it from all others. */
export interface Packet extends Content {
  cmd: string
  dup: boolean
  brokerId: string
  brokerCounter: number
  messageId?: number | undefined
}

/** What is left of a QoS 2 message after PUBREC; also an acknowledgement. */
export type Release = Pick<Packet, 'cmd' | 'messageId'>

/** A subscription as aedes hands it over and expects it back. `rh`, `rap` and `nl` are MQTT 5 options. */
export interface Subscription {
  topic: string
  qos: 0 | 1 | 2
  rh?: number | undefined
  rap?: boolean | undefined
  nl?: boolean | undefined
  subscriptionIdentifier?: number
}

/** What is on the disk: one of these under each number. A message in several queues is stored once. */
export type StoredRecord =
  | { kind: 'retained', content: Content }
  /**
   * `owner`: as for a session. `delay`: seconds from the client's end to the will. `dueAt`: when it is due, in ms since 1970; the client is gone.
   * Earlier versions did not write them, and ignore them.
   */
  | { kind: 'will', client: string, owner?: string | null, delay?: number, dueAt?: number, content: Content }
  | { kind: 'message', content: Content }
  /** `message` is the number of its content; absent: PUBREC came, and only PUBREL is left. */
  | { kind: 'queued', client: string, message?: number, qos: 0 | 1 | 2, messageId?: number }
  /** A QoS 2 message that was received and waits for PUBREL. `sum`: checksum of topic and payload. Earlier versions did not write it, and ignore it. */
  | { kind: 'received', client: string, messageId: number, sum?: number }
  /**
   * `away`: ms since 1970, null while the client is connected. `owner`: version 1 did not write it. `expiry`: seconds from `away` to the end;
   * earlier versions did not write it, and ignore it.
   */
  | { kind: 'session', client: string, away: number | null, owner?: string | null, expiry?: number }
  | { kind: 'subscription', client: string, subscription: Subscription }
  /** The user that an agent belongs to. */
  | { kind: 'agent', uuid: string, username: string }

/** A record as a plain object for JSON, its payload as base64. */
export function encodeRecord (record: StoredRecord): object {
  if (!('content' in record)) return record
  const { topic, payload, qos, retain } = record.content
  return { ...record, content: { topic, payload: Buffer.from(payload as string).toString('base64'), qos, retain } }
}

/** The inverse of `encodeRecord`, from JSON text. */
export function decodeRecord (text: string): StoredRecord {
  const record = JSON.parse(text) as StoredRecord
  if ('content' in record) record.content.payload = Buffer.from(record.content.payload as string, 'base64')
  return record
}

/** Bytes that count against the limits. */
export function sizeOf ({ topic, payload }: Pick<Content, 'topic' | 'payload'>): number {
  return Buffer.byteLength(topic) + Buffer.byteLength(payload)
}

/** Bytes to be kept, in a buffer of their own: a slice would keep the whole chunk that the client sent in memory. */
function ownedBytes (bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= 2 * bytes.length + 256) return bytes
  const own = Buffer.allocUnsafeSlow(bytes.length)
  own.set(bytes)
  return own
}

/** A payload to be kept. */
export function ownPayload (payload: Buffer | string): Buffer | string {
  return typeof payload === 'string' ? payload : ownedBytes(payload)
}

/** The part of a publication that is kept. */
export function contentOf ({ topic, payload, qos, retain }: Content): Content {
  return { topic, payload, qos, retain }
}

/** A packet with the fields that aedes stores, and no others. */
export function copyOf ({ cmd, topic, payload, qos, retain = false, dup = false, brokerId, brokerCounter }: Packet): Packet {
  return { cmd, brokerId, brokerCounter, topic, payload, qos, retain, dup, messageId: undefined }
}
