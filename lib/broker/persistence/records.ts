/** What is kept of a publication. `payload` in bytes, or as text when this process published it so. */
export interface Content {
  topic: string
  payload: Buffer | string
  qos: 0 | 1 | 2
  retain: boolean
}

/** A publication as aedes gives it and wants it back; `brokerId` and `brokerCounter` tell it from all others. */
export interface Packet extends Content {
  cmd: string
  dup: boolean
  brokerId: string
  brokerCounter: number
  messageId?: number | undefined
}

/** What is left of a QoS 2 message after its PUBREC, or an acknowledgement of one. */
export type Release = Pick<Packet, 'cmd' | 'messageId'>

/** A subscription as aedes gives it and wants it back; `rh`, `rap`, `nl` are MQTT 5's options. */
export interface Subscription {
  topic: string
  qos: 0 | 1 | 2
  rh?: number | undefined
  rap?: boolean | undefined
  nl?: boolean | undefined
  subscriptionIdentifier?: number
}

/** What is on the disk: one of these under each number. A message in many queues is there once. */
export type StoredRecord =
  | { kind: 'retained', content: Content }
  /** `owner`: as of a session; absent where an earlier version wrote it, which ignores it. */
  | { kind: 'will', client: string, owner?: string | null, content: Content }
  | { kind: 'message', content: Content }
  /** `message` is the number of its content; without one the message was released by PUBREL. */
  | { kind: 'queued', client: string, message?: number, qos: 0 | 1 | 2, messageId?: number }
  /** A QoS 2 message that was received and waits for its PUBREL. `sum`: of its topic and payload; absent where an earlier version wrote it, which ignores it. */
  | { kind: 'received', client: string, messageId: number, sum?: number }
  /** `away`: ms since 1970, null while the client is here. `owner`: absent where version 1 wrote it. */
  | { kind: 'session', client: string, away: number | null, owner?: string | null }
  | { kind: 'subscription', client: string, subscription: Subscription }
  /** The user that an agent belongs to. */
  | { kind: 'agent', uuid: string, username: string }

/** The record as a plain object for JSON: the payload as base64. */
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

/** Bytes to be kept: a piece of what a client sent would keep all of that in memory. */
export function ownBytes (bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= 2 * bytes.length + 256) return bytes
  const own = Buffer.allocUnsafeSlow(bytes.length)
  own.set(bytes)
  return own
}

/** A payload to be kept. */
export function ownPayload (payload: Buffer | string): Buffer | string {
  return typeof payload === 'string' ? payload : ownBytes(payload)
}

/** What is kept of it. */
export function contentOf ({ topic, payload, qos, retain }: Content): Content {
  return { topic, payload, qos, retain }
}

/** As aedes keeps packets; what is not a packet's own is left out. */
export function copyOf ({ cmd, topic, payload, qos, retain = false, dup = false, brokerId, brokerCounter }: Packet): Packet {
  return { cmd, brokerId, brokerCounter, topic, payload, qos, retain, dup, messageId: undefined }
}
