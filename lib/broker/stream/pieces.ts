/** Bytes of the pieces that are joined; what is longer is handed on, but for the first: it would keep the packets that came before it in its chunk. */
const most = 16_384

/** Joins the pieces of a packet, so that many small ones take no more memory than their bytes. */
export class Pieces {
  #bytes: Buffer | undefined
  #length = 0

  /**
   * @param chunk what comes next
   * @param whole how much of it belongs to packets that end in it
   * @returns what is to be handed on now, with what was kept before; the rest is kept
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
