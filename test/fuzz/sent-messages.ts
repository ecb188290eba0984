import { nameOf } from '../fixtures/fuzzed-worker.ts'
import type { Version } from './broker-packets.ts'

/** Bytes of a packet beyond which a worker steps over it. */
const largest = 2 * 1024 * 1024
const taken = /^agent\/(?:[^/]+\/)?(connected|disconnected|message)$/

/** A message of QoS 1 or 2 in what a broker sent. */
export interface SentMessage {
  messageId: number
  name: string
  /** Whether somebody has to settle it before it may be acknowledged. */
  needsSettling: boolean
  /** It may be a copy of one that was sent before on the same connection. */
  isCopy: boolean
}

/**
 * Which messages are in the bytes of one connection of a broker, and which acknowledgements of them are right: in the order of receipt, of what was
 * settled. Read without mqtt-packet, and up to the first byte that cannot be right; whatever a worker takes beyond that it may not acknowledge.
 */
export class SentMessages {
  readonly #version: Version
  readonly #takesRetained: boolean
  #bytes: Buffer = Buffer.alloc(0)
  #isOver = false
  /** Bytes that are left of the packet that was read. */
  #skipping = 0
  readonly messages: SentMessage[] = []
  /** Indexes of the messages that may be the one that was acknowledged last. */
  #last = new Set([-1])

  /** @param takesRetained whether the flow gets what the broker retained; what comes with every SUBSCRIBE it does not get */
  constructor (version: Version, takesRetained: boolean) {
    this.#version = version
    this.#takesRetained = takesRetained
  }

  write (bytes: Buffer): void {
    if (this.#isOver) return
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    while (this.#readPacket());
  }

  /** What follows is not what it says. */
  end (): void {
    this.#isOver = true
  }

  /** @returns the messages that may be meant; none: it is wrong */
  acknowledged (messageId: number): SentMessage[] {
    const next = new Set<number>()
    for (const last of this.#last) {
      for (let i = last + 1; i < this.messages.length; i++) {
        const message = this.messages[i] as SentMessage
        if (message.messageId === messageId) next.add(i)
        if (!message.isCopy) break
      }
    }
    this.#last = next
    return [...next].map(i => this.messages[i] as SentMessage)
  }

  #readPacket (): boolean {
    if (this.#bytes.length === 0) return false
    const skipped = Math.min(this.#skipping, this.#bytes.length)
    this.#skipping -= skipped
    const bytes = this.#bytes = this.#bytes.subarray(skipped)
    if (skipped > 0) return true
    const { length, size } = varint(bytes, 1)
    if (size > 4) this.end()
    // Of what is too large the start is enough.
    const isLarge = length > largest
    const body = bytes.subarray(1 + size, 1 + size + length)
    if (this.#isOver || size === 0 || (!isLarge && body.length < length)) return false
    if (bytes[0]! >> 4 === 3 && !this.#readPublish(body, bytes[0]!, isLarge)) return false
    this.#skipping = 1 + size + length
    return true
  }

  /** @returns whether it could be read */
  #readPublish (body: Buffer, first: number, isLarge: boolean): boolean {
    const qos = first >> 1 & 3
    const topicEnd = body.length < 2 ? Infinity : 2 + body.readUInt16BE(0)
    const start = topicEnd + (qos > 0 ? 2 : 0)
    if (start > body.length) return false
    const messageId = qos > 0 ? body.readUInt16BE(topicEnd) : 0
    if (messageId === 0) return true
    const { length, size } = this.#version === 5 ? varint(body, start) : { length: 0, size: 0 }
    const topic = body.toString('utf8', 2, topicEnd)
    const contract = taken.exec(topic)?.[1]
    this.messages.push({
      messageId,
      name: nameOf(contract === undefined ? topic : `agent/${contract}`, body.subarray(start + size + length)),
      needsSettling: contract !== undefined && !isLarge && (this.#takesRetained || (first & 1) === 0),
      isCopy: (first & 8) > 0 && this.messages.some(message => message.messageId === messageId)
    })
    return true
  }
}

/** @returns size 0: it is not complete */
function varint (bytes: Buffer, at: number): { length: number, size: number } {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return { length, size: 0 }
    length += (byte & 0x7f) * 128 ** i
    if (byte < 0x80) return { length, size: i + 1 }
  }
  return { length, size: 5 }
}
