/** Bytes up to which pieces are joined. More is handed on, except for a packet's first piece, which would keep the packets before it in its chunk in memory. */
const most = 16_384

/** WebSocket messages that a client may cut its packets into, because each takes work: some to begin with, some for each packet, and one for some bytes. */
const messagesAtFirst = 20_000
const messagesPerPacket = 32
const bytesPerMessage = 16

/** The most WebSocket messages that a client may have sent, by the packets and bytes in them. */
export function mostMessages (packets: number, bytes: number): number {
  return messagesAtFirst + messagesPerPacket * packets + bytes / bytesPerMessage
}

/** Joins the pieces of a packet, so that many small pieces take no more memory than their bytes. */
export class Pieces {
  #bytes: Buffer | undefined
  #length = 0

  /**
   * @param chunk comes next
   * @param whole bytes of it that belong to packets which end in it
   * @returns what to hand on now, including what was kept before; the rest is kept
   */
  join (chunk: Buffer, whole: number): Buffer | undefined {
    const rest = chunk.length - whole
    if (rest === 0 || (whole === 0 && this.#length + rest >= most)) return this.#take(chunk)
    const ready = whole === 0 ? undefined : this.#take(chunk.subarray(0, whole))
    this.#keep(chunk.subarray(whole))
    return ready
  }

  #take (chunk: Buffer): Buffer {
    if (this.#bytes === undefined) return chunk
    const kept = this.#bytes.subarray(0, this.#length)
    this.#bytes = undefined
    this.#length = 0
    return Buffer.concat([kept, chunk])
  }

  #keep (piece: Buffer): void {
    const length = this.#length + piece.length
    if (this.#bytes === undefined || length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(64, 2 ** Math.ceil(Math.log2(length))))
      this.#bytes?.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    piece.copy(this.#bytes, this.#length)
    this.#length = length
  }
}
