/** What a publisher says of a message beside its topic and payload, in MQTT 5. Plain data, as flows see it. */
export interface MessageProperties {
  /** Of the payload, such as a MIME type. */
  contentType?: string
  /** Where an answer is expected. */
  responseTopic?: string
  /** What the answer is to carry, so that it is known as one. */
  correlationData?: Buffer
  /** Names and values in the order in which they were given; a name may come several times. */
  userProperties?: Array<[name: string, value: string]>
  /** Whether the publisher says that the payload is UTF-8 text. */
  isText?: boolean
  /** Seconds for which the message is worth delivering, counted from its receipt. */
  messageExpiry?: number
}

/** Ids of the properties of a message that are passed on as they are. [MQTT 5, 2.2.2.2] */
const ids = { payloadFormat: 0x01, contentType: 0x03, responseTopic: 0x08, correlationData: 0x09, userProperty: 0x26 } as const
const none = Buffer.alloc(0)

/** The properties of a message as they stand in a packet, without the length in front; `messageExpiry` is not among them. */
export function encodeProperties ({ isText, contentType, responseTopic, correlationData, userProperties = [] }: MessageProperties): Buffer {
  const parts: Buffer[] = []
  if (isText === true) parts.push(Buffer.of(ids.payloadFormat, 1))
  if (contentType !== undefined) parts.push(Buffer.of(ids.contentType), lengthed(contentType))
  if (responseTopic !== undefined) parts.push(Buffer.of(ids.responseTopic), lengthed(responseTopic))
  if (correlationData !== undefined) parts.push(Buffer.of(ids.correlationData), lengthed(correlationData))
  for (const [name, value] of userProperties) parts.push(Buffer.of(ids.userProperty), lengthed(name), lengthed(value))
  return parts.length === 0 ? none : Buffer.concat(parts)
}

/** The inverse of `encodeProperties`, of bytes that are well-formed. */
export function decodeProperties (bytes: Buffer): MessageProperties {
  const properties: MessageProperties = {}
  let at = 0
  const data = (): Buffer => {
    const length = bytes.readUInt16BE(at)
    at += 2 + length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    switch (bytes[at++]) {
      case ids.payloadFormat:
        if (bytes[at++] === 1) properties.isText = true
        break
      case ids.contentType:
        properties.contentType = data().toString()
        break
      case ids.responseTopic:
        properties.responseTopic = data().toString()
        break
      case ids.correlationData:
        properties.correlationData = Buffer.from(data())
        break
      case ids.userProperty:
        (properties.userProperties ??= []).push([data().toString(), data().toString()])
        break
      default:
        throw new Error('a property that is not passed on')
    }
  }
  return properties
}

const encoded = new WeakMap<MessageProperties, Buffer>()

/** The same as `encodeProperties`, for an object that comes again and again: agent-out gives the same one with each message. */
export function encodedOnce (properties: MessageProperties): Buffer {
  let bytes = encoded.get(properties)
  if (bytes === undefined) encoded.set(properties, bytes = encodeProperties(properties))
  return bytes
}

/** With its length in front. */
function lengthed (content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}
