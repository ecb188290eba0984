/** The largest packet that most of what connects to a broker takes, in bytes: as much as a broker of this package takes from its clients. */
export const largestPacket = 2 * 1024 * 1024

/** A PUBLISH that is larger than the limit, as far as it was read. */
export interface Oversized {
  topic: string
  qos: number
  /** 0: nothing has to be acknowledged. */
  packetId: number
  /** Of the whole packet. */
  bytes: number
}

/** Bytes that a fixed header can have. */
const longestHeader = 5
/** Bytes of a topic with its length, and of a packet id. */
const longestStart = 2 + 65_535 + 2

/**
 * Stands between a socket and the parser, which gathers each packet whole: lets packets up to a limit pass, and steps over a larger PUBLISH
 * without keeping it. The broker would give it again on each connection if it were not acknowledged.
 */
export class PacketLimit {
  readonly #limit: number
  readonly #pass: (bytes: Buffer) => void
  readonly #skipped: (packet: Oversized) => void
  /** Bytes that are left of the packet that passes. */
  #passing = 0
  /** … of the one that is stepped over, once its start was read. */
  #skipping = 0
  /** The beginning of a packet whose length, or whose topic and id, are not known yet. */
  #start: Buffer | undefined

  /**
   * @param limit bytes after the fixed header
   * @param pass gets what the parser may have
   */
  constructor (limit: number, pass: (bytes: Buffer) => void, skipped: (packet: Oversized) => void) {
    this.#limit = limit
    this.#pass = pass
    this.#skipped = skipped
  }

  /** @throws Error when this is not MQTT, or a packet other than PUBLISH is too large */
  write (chunk: Buffer): void {
    let bytes = this.#start === undefined ? chunk : Buffer.concat([this.#start, chunk])
    this.#start = undefined
    /** Where what passes begins. */
    let from = 0
    let at = 0
    while (at < bytes.length) {
      if (this.#skipping > 0) {
        const skipped = Math.min(this.#skipping, bytes.length - at)
        this.#skipping -= skipped
        bytes = bytes.subarray(at + skipped)
        at = from = 0
      } else if (this.#passing > 0) {
        const passed = Math.min(this.#passing, bytes.length - at)
        this.#passing -= passed
        at += passed
      } else {
        const header = readHeader(bytes, at)
        const start = header === undefined ? undefined : this.#begin(bytes, at, header)
        if (start === undefined) {
          // Not enough yet of what the next packet begins with.
          if (at > from) this.#pass(bytes.subarray(from, at))
          this.#start = Buffer.from(bytes.subarray(at))
          return
        }
        if (this.#skipping > 0 || start === 'skipped') {
          if (at > from) this.#pass(bytes.subarray(from, at))
          from = at
        }
      }
    }
    if (bytes.length > from) this.#pass(bytes.subarray(from))
  }

  /** @returns undefined: more has to be read first */
  #begin (bytes: Buffer, at: number, { length, size }: Header): 'passes' | 'skipped' | undefined {
    if (length <= this.#limit) {
      this.#passing = size + length
      return 'passes'
    }
    const type = bytes[at]! >> 4
    if (type !== 3) throw new Error(`the broker sent a packet of ${length} bytes, of type ${type}`)
    const body = bytes.subarray(at + size)
    const topicLength = body.length < 2 ? longestStart : body.readUInt16BE(0)
    const qos = (bytes[at]! >> 1) & 3
    if (body.length < 2 + topicLength + (qos > 0 ? 2 : 0)) return undefined
    const topic = body.toString('utf8', 2, 2 + topicLength)
    this.#skipping = size + length
    this.#skipped({ topic, qos, packetId: qos > 0 ? body.readUInt16BE(2 + topicLength) : 0, bytes: size + length })
    return 'skipped'
  }
}

/** The length of what follows the fixed header, and the size of the header, in bytes. */
interface Header { length: number, size: number }

/** @returns undefined: it is not complete */
function readHeader (bytes: Buffer, at: number): Header | undefined {
  let length = 0
  for (let i = 1; i < longestHeader; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    length += (byte & 0x7f) * 128 ** (i - 1)
    if (byte < 0x80) return { length, size: i + 1 }
  }
  throw new Error('the broker sent something that is not MQTT')
}
