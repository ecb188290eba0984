import type { EventEmitter } from 'node:events'
import type { IPublishPacket } from 'mqtt-packet'

const [PUBLISH, PUBACK, PUBCOMP] = [3, 4, 7]
const acknowledgements = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const
/** The most bytes of an acknowledgement that says nothing but success. */
const mostOfSuccess = 6

/** mqtt-packet's parser, as far as it is needed here. */
type Parser = EventEmitter & { parse (bytes: Buffer): number }

/** Takes the most frequent packets of subscribers. */
export interface PubackTaker {
  /** A PUBACK that says nothing but success. @returns whether that is all there is to do */
  delivered (messageId: number): boolean
}

/**
 * Reads most packets of a client in the place of the engine's parser, which takes several times as long: messages without properties, and acknowledgements
 * that say nothing but success. The guard has checked them. The parser gets all others, in their order, and the rest of those that it has begun.
 */
export class PlainPackets {
  readonly #parser: Parser
  readonly #taker: PubackTaker | undefined
  /** Bytes still to come of a packet that the parser has begun. */
  #left = 0

  /**
   * @param parser whose event `packet` tells of all packets; once the connection has ended, nobody listens to it
   * @param taker is asked before
   */
  constructor (parser: Parser, taker?: PubackTaker) {
    this.#parser = parser
    this.#taker = taker
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
      if (end <= bytes.length && isPlain(bytes, at, end, level === 5)) {
        if (begin < at) parser.parse(bytes.subarray(begin, at))
        this.#hear(bytes, at, end, level === 5)
        begin = end
      }
      at = end
    }
    this.#left = at - bytes.length
    if (begin < bytes.length) parser.parse(bytes.subarray(begin))
  }

  #hear (bytes: Buffer, at: number, end: number, hasProperties: boolean): void {
    const type = bytes[at]! >> 4
    if (type === PUBLISH) return void this.#parser.emit('packet', publishOf(bytes, at, end, hasProperties))
    const messageId = bytes[at + 2]! << 8 | bytes[at + 3]!
    if (type === PUBACK && this.#taker?.delivered(messageId) === true) return
    this.#parser.emit('packet', { cmd: acknowledgements[type - PUBACK], messageId })
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

/** Whether it needs no parser. */
function isPlain (bytes: Buffer, at: number, end: number, hasProperties: boolean): boolean {
  const type = bytes[at]! >> 4
  if (type === PUBLISH) return !hasProperties || bytes[idEndOf(bytes, topicOf(bytes, at), qosOf(bytes, at))] === 0
  if (type < PUBACK || type > PUBCOMP || end - at > mostOfSuccess) return false
  // Behind the message id come a reason code and the length of properties, or neither.
  for (let i = at + 4; i < end; i++) if (bytes[i] !== 0) return false
  return true
}

function qosOf (bytes: Buffer, at: number): 0 | 1 | 2 { return (bytes[at]! >> 1 & 3) as 0 | 1 | 2 }

/** Where the topic of a PUBLISH begins, with its length in front. */
function topicOf (bytes: Buffer, at: number): number {
  let from = at + 1
  while (bytes[from++]! > 127);
  return from
}

/** Where the message id ends, if there is one, or else the topic. */
function idEndOf (bytes: Buffer, topic: number, qos: 0 | 1 | 2): number {
  return topic + 2 + (bytes[topic]! << 8 | bytes[topic + 1]!) + (qos === 0 ? 0 : 2)
}

function publishOf (bytes: Buffer, at: number, end: number, hasProperties: boolean): IPublishPacket {
  const flags = bytes[at]!
  const qos = qosOf(bytes, at)
  const topic = topicOf(bytes, at)
  const idEnd = idEndOf(bytes, topic, qos)
  const topicEnd = qos === 0 ? idEnd : idEnd - 2
  return {
    cmd: 'publish',
    retain: (flags & 1) !== 0,
    qos,
    dup: (flags & 8) !== 0,
    length: end - topic,
    topic: bytes.toString('utf8', topic + 2, topicEnd),
    payload: bytes.subarray(hasProperties ? idEnd + 1 : idEnd, end),
    messageId: qos === 0 ? undefined : bytes[topicEnd]! << 8 | bytes[topicEnd + 1]!
  } as IPublishPacket
}
