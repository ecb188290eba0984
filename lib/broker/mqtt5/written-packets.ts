import type { OutgoingPublish } from '../aedes/direct-delivery.ts'

/** Receives the packets that aedes wrote. Each returns whether there is room for more. */
export interface PacketReader {
  publish (packet: OutgoingPublish): boolean
  /** @param id the two bytes of the message id, to be written on and not to be changed */
  acknowledgement (type: AcknowledgementType, id: Buffer): boolean
  /** Any other packet: its type, and its bytes. */
  other (type: number, bytes: Buffer): boolean
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP. */
export type AcknowledgementType = 4 | 5 | 6 | 7

const PUBLISH = 3

/**
 * Reads the packets of MQTT 3.1.1 that aedes writes to a client, piece by piece as mqtt-packet writes them. The payload of a PUBLISH is
 * its last piece, and stays the Buffer that was published.
 */
export class WrittenPackets {
  readonly #reader: PacketReader
  #pieces: Array<Buffer | string> = []
  #bytes = 0
  /** Of the whole packet; 0: not known yet. */
  #total = 0
  /** The first byte of an acknowledgement whose other pieces are still to come; 0: there is none. */
  #acknowledgement = 0

  constructor (reader: PacketReader) {
    this.#reader = reader
  }

  /** @returns whether there is room for more */
  write (piece: Buffer | string): boolean {
    if (this.#acknowledgement > 0) return this.#acknowledge(piece as Buffer)
    const pieces = this.#pieces
    if (pieces.length === 0 && piece.length === 1) {
      const byte = (piece as Buffer)[0]!
      if (byte >= 0x40 && byte < 0x80) {
        this.#acknowledgement = byte
        return true
      }
    }
    pieces.push(piece)
    this.#bytes += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length
    if (this.#total === 0) this.#total = totalOf(pieces)
    if (this.#total === 0 || this.#bytes < this.#total) return true
    const first = (pieces[0] as Buffer)[0]!
    const type = first >> 4
    // An empty payload is written, too.
    if (type === PUBLISH && pieces.length < piecesOf(first)) return true
    this.#pieces = []
    this.#bytes = this.#total = 0
    return type === PUBLISH ? this.#reader.publish(publishOf(pieces)) : this.#reader.other(type, Buffer.concat(pieces.map(piece => Buffer.from(piece as string))))
  }

  /** mqtt-packet writes its first byte, its length and the message id. */
  #acknowledge (piece: Buffer): boolean {
    if (piece.length === 1) return true
    if (piece.length !== 2) throw new Error('mqtt-packet writes an acknowledgement in other pieces than it did')
    const type = this.#acknowledgement >> 4 as AcknowledgementType
    this.#acknowledgement = 0
    return this.#reader.acknowledgement(type, piece)
  }
}

/** The bytes of a whole packet; 0: its length has not been written yet. */
function totalOf (pieces: ReadonlyArray<Buffer | string>): number {
  let length = 0
  let at = -1
  for (const piece of pieces) {
    for (const byte of piece as Buffer) {
      if (at >= 0) length += (byte & 0x7f) * 128 ** at
      at++
      if (at > 0 && byte < 0x80) return 1 + at + length
    }
  }
  return 0
}

/** The pieces of a PUBLISH, by its first byte. */
function piecesOf (first: number): number {
  return (first & 6) === 0 ? 5 : 6
}

/** mqtt-packet writes the first byte, the remaining length, the topic's length, the topic, the message id if there is one, and the payload. */
function publishOf (pieces: Array<Buffer | string>): OutgoingPublish {
  const first = (pieces[0] as Buffer)[0]!
  const qos = (first >> 1 & 3) as 0 | 1 | 2
  const topic = pieces[3]
  if (pieces.length !== piecesOf(first) || typeof topic !== 'string') throw new Error('mqtt-packet writes a PUBLISH in other pieces than it did')
  return {
    dup: (first & 8) !== 0,
    qos,
    retain: (first & 1) !== 0,
    topic,
    messageId: qos === 0 ? 0 : (pieces[4] as Buffer).readUInt16BE(0),
    payload: pieces.at(-1)!
  }
}
