import type { EventEmitter } from 'node:events'
import type { IPublishPacket, Packet } from 'mqtt-packet'

const [PUBLISH, PUBACK, PUBCOMP] = [3, 4, 7]
const acknowledgements = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const
/** The most bytes of an acknowledgement that says nothing but success. */
const mostOfSuccess = 6

/** mqtt-packet's parser, as far as it is needed here. */
type Parser = EventEmitter & { parse (bytes: Buffer): number }

/**
 * Reads most packets of a client in the place of the engine's parser, which takes several times as long: messages without properties, and acknowledgements
 * that say nothing but success. The guard has checked them. The parser gets all others, in their order, and the rest of those that it has begun.
 */
export class PlainPackets {
  readonly #parser: Parser
  /** Bytes still to come of a packet that the parser has begun. */
  #left = 0

  /** @param parser whose event `packet` tells of all packets; once the connection has ended, nobody listens to it */
  constructor (parser: Parser) {
    this.#parser = parser
  }

  /**
   * @param bytes come next, wherever they are cut
   * @param level of the protocol: with 5 there are properties
   */
  read (bytes: Buffer, level: number): void {
    const parser = this.#parser
    let at = this.#left
    /** Where the bytes begin that the parser gets next. */
    let begin = 0
    while (at < bytes.length) {
      const end = endOf(bytes, at)
      const packet = end <= bytes.length ? plainPacket(bytes, at, end, level === 5) : undefined
      if (packet !== undefined) {
        if (begin < at) parser.parse(bytes.subarray(begin, at))
        parser.emit('packet', packet)
        begin = end
      }
      at = end
    }
    this.#left = at - bytes.length
    if (begin < bytes.length) parser.parse(bytes.subarray(begin))
  }
}

/** Where the packet ends that begins at `at`; Infinity: its length is cut, which `Pieces` prevents, and the parser gets all that follows. */
function endOf (bytes: Buffer, at: number): number {
  let length = 0
  for (let next = at + 1, factor = 1; next < bytes.length; factor *= 128) {
    const byte = bytes[next++]!
    length += (byte & 0x7f) * factor
    if (byte < 0x80) return next + length
  }
  return Infinity
}

/** @returns undefined: it needs the parser */
function plainPacket (bytes: Buffer, at: number, end: number, hasProperties: boolean): Packet | undefined {
  const type = bytes[at]! >> 4
  if (type === PUBLISH) return plainPublish(bytes, at, end, hasProperties)
  if (type < PUBACK || type > PUBCOMP || end - at > mostOfSuccess) return undefined
  // Behind the message id come a reason code and the length of properties, or neither.
  for (let i = at + 4; i < end; i++) if (bytes[i] !== 0) return undefined
  return { cmd: acknowledgements[type - PUBACK]!, messageId: bytes[at + 2]! << 8 | bytes[at + 3]! }
}

function plainPublish (bytes: Buffer, at: number, end: number, hasProperties: boolean): IPublishPacket | undefined {
  const flags = bytes[at]!
  const qos = (flags >> 1 & 3) as 0 | 1 | 2
  let from = at + 1
  while (bytes[from++]! > 127);
  const remaining = end - from
  const topicEnd = from + 2 + (bytes[from]! << 8 | bytes[from + 1]!)
  const idEnd = qos === 0 ? topicEnd : topicEnd + 2
  if (hasProperties && bytes[idEnd] !== 0) return undefined
  return {
    cmd: 'publish',
    retain: (flags & 1) !== 0,
    qos,
    dup: (flags & 8) !== 0,
    length: remaining,
    topic: bytes.toString('utf8', from + 2, topicEnd),
    payload: bytes.subarray(hasProperties ? idEnd + 1 : idEnd, end),
    messageId: qos === 0 ? undefined : bytes[topicEnd]! << 8 | bytes[topicEnd + 1]!
  } as IPublishPacket
}
