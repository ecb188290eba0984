/** What a PUBLISH says, but for its payload. */
interface Publish {
  dup: boolean
  qos: 0 | 1 | 2
  retain: boolean
  topic: string
  /** Of QoS 1 and 2. */
  messageId?: number | undefined
}

/** All that comes before the payload of a PUBLISH, but for its message id. */
interface Beginning {
  first: number
  topic: string
  payloadBytes: number
  properties: Buffer | undefined
  before: Buffer
  after: Buffer
}

const nothing = { first: 0, topic: '', payloadBytes: -1, properties: undefined, before: Buffer.alloc(0), after: Buffer.alloc(0) }
/** Those that were made last, of 3.1.1 and of 5: usually the next PUBLISH is the same message for another subscriber. */
let last: Beginning = nothing
let last5: Beginning = nothing
const noProperties = Buffer.of(0)

/** Topics whose bytes are remembered, and how long each may be: publishers choose them. */
const mostTopics = 1_000
const mostTopicLength = 128
const topics = new Map<string, Buffer>()

/**
 * What comes before the payload of a PUBLISH. It may be written to several clients, and must not be changed.
 * @param properties of MQTT 5, without the length in front; undefined: MQTT 3.1.1
 */
export function publishBeginning ({ dup, qos, retain, topic, messageId = 0 }: Publish, payloadBytes: number, properties?: Buffer): Buffer {
  const first = 0x30 | (dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0)
  let beginning = properties === undefined ? last : last5
  if (beginning.first !== first || beginning.payloadBytes !== payloadBytes || beginning.properties !== properties || beginning.topic !== topic) {
    beginning = encode(first, topic, payloadBytes, properties)
    if (properties === undefined) last = beginning
    else last5 = beginning
  }
  const { before, after } = beginning
  if (qos === 0) return before
  const bytes = Buffer.allocUnsafe(before.length + 2 + after.length)
  bytes.set(before)
  bytes[before.length] = messageId >> 8
  bytes[before.length + 1] = messageId & 0xff
  bytes.set(after, before.length + 2)
  return bytes
}

function encode (first: number, topic: string, payloadBytes: number, properties: Buffer | undefined): Beginning {
  const name = encodedTopic(topic)
  const after = properties === undefined ? nothing.after : properties.length === 0 ? noProperties : withLength(properties)
  const hasId = (first & 6) !== 0
  const before = Buffer.allocUnsafe(5 + name.length + (hasId ? 0 : after.length))
  before[0] = first
  let at = writeVarint(before, 1, name.length + (hasId ? 2 : 0) + after.length + payloadBytes)
  before.set(name, at)
  at += name.length
  if (!hasId) {
    before.set(after, at)
    at += after.length
  }
  return { first, topic, payloadBytes, properties, before: before.subarray(0, at), after }
}

/** With its length in front. */
function encodedTopic (topic: string): Buffer {
  let bytes = topics.get(topic)
  if (bytes !== undefined) return bytes
  const text = Buffer.from(topic)
  bytes = Buffer.allocUnsafeSlow(2 + text.length)
  bytes.writeUInt16BE(text.length)
  bytes.set(text, 2)
  if (topic.length > mostTopicLength) return bytes
  if (topics.size >= mostTopics) topics.clear()
  topics.set(topic, bytes)
  return bytes
}

function withLength (properties: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(4 + properties.length)
  const at = writeVarint(bytes, 0, properties.length)
  bytes.set(properties, at)
  return bytes.subarray(0, at + properties.length)
}

/** @returns where it ends */
export function writeVarint (bytes: Buffer, at: number, value: number): number {
  let left = value
  while (left > 127) {
    bytes[at++] = left & 0x7f | 0x80
    left >>>= 7
  }
  bytes[at] = left
  return at + 1
}
