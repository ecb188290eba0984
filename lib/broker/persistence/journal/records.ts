import { carriedBy, carry, carryOver, type Carried } from '../../carried.ts'

/** The part of a publication that is kept. `payload` in bytes, with what these carry, or as text if this process published text. */
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

/** Options of a subscription that aedes does not know of. */
export interface SubscriptionOptions {
  /** Whether its client gets no message that it published itself. */
  noLocal?: boolean
  /** Whether a message keeps the flag that its publisher asked for it to be retained. */
  asPublished?: boolean
  /** Subscription identifier. */
  id?: number
}

/** A subscription as aedes hands it over and expects it back. `rh`, `rap` and `nl` are aedes' own MQTT 5 options. */
export interface Subscription {
  topic: string
  qos: 0 | 1 | 2
  rh?: number | undefined
  rap?: boolean | undefined
  nl?: boolean | undefined
  subscriptionIdentifier?: number
  options?: SubscriptionOptions
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

/**
 * A `Content` in JSON, with what its payload carries: the properties in base64, when it expires in ms since 1970 or how long after it is published, and
 * whether its publisher asked for it to be retained. Earlier versions did not write these, and ignore them.
 */
interface ContentInJson extends Omit<Content, 'payload'> {
  /** Base64. */
  payload: string
  properties?: string
  expiresAt?: number
  /** Of a last will: seconds. */
  lifetime?: number
  published?: true
}

/** A record as a plain object for JSON. */
export function encodeRecord (record: StoredRecord): object {
  if (!('content' in record)) return record
  const { topic, payload, qos, retain } = record.content
  const content: ContentInJson = { topic, payload: Buffer.from(payload as string).toString('base64'), qos, retain }
  const carried = carriedBy(payload)
  if (carried !== undefined) {
    if (carried.properties.length > 0) content.properties = carried.properties.toString('base64')
    if (carried.expiresAt !== undefined) content.expiresAt = carried.expiresAt
    else if (carried.lifetime !== undefined) content.lifetime = carried.lifetime
    if (carried.retain) content.published = true
  }
  return { ...record, content }
}

/** The inverse of `encodeRecord`, from JSON text. */
export function decodeRecord (text: string): StoredRecord {
  const record = JSON.parse(text) as StoredRecord
  if (!('content' in record)) return record
  const { topic, payload, qos, retain, properties = '', expiresAt, lifetime, published = false } = record.content as unknown as ContentInJson
  const bytes = Buffer.from(payload, 'base64')
  if (properties !== '' || expiresAt !== undefined || lifetime !== undefined || published) {
    const carried: Carried = { properties: Buffer.from(properties, 'base64'), retain: published }
    if (expiresAt !== undefined) carried.expiresAt = expiresAt
    if (lifetime !== undefined) carried.lifetime = lifetime
    carry(bytes, carried)
  }
  return { ...record, content: { topic, payload: bytes, qos, retain } }
}

/** Bytes that count against the limits. */
export function sizeOf ({ topic, payload }: Pick<Content, 'topic' | 'payload'>): number {
  return Buffer.byteLength(topic) + Buffer.byteLength(payload) + (carriedBy(payload)?.properties.length ?? 0)
}

/** When a message expires, in ms since 1970; undefined: never. */
export function expiryOf ({ payload }: Pick<Content, 'payload'>): number | undefined {
  return carriedBy(payload)?.expiresAt
}

/** Bytes to be kept, in a buffer of their own: a slice would keep the whole chunk that the client sent in memory. */
function ownedBytes (bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= 2 * bytes.length + 256) return bytes
  const own = Buffer.allocUnsafeSlow(bytes.length)
  own.set(bytes)
  return carryOver(bytes, own)
}

/** A payload to be kept, with what it carries. */
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
