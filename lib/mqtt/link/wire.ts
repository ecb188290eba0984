import type { Duplex } from 'node:stream'
import { generate, parser, type Packet } from 'mqtt-packet'
import { noBroker } from './faults.ts'
import { PacketLimit, type Oversized } from './packet-limit.ts'

export interface WireHandler {
  packet (packet: Packet): void
  oversized (packet: Oversized): void
  /** The broker reads again what `write` sent. */
  drained? (): void
  /** Called once; `cause` says why where this side knows. */
  closed (cause: Error | undefined): void
}

/** ms in which a connection has to be open, and the broker has to have answered CONNECT and SUBSCRIBE: of a cluster without a majority, some nodes take clients all the same. */
const patience = 15_000

/** Bytes that may wait for a broker that does not read what this side answers, before nothing more is read from it. */
const mostUnread = 256 * 1024

/** One connection to a broker: bytes to packets and back, and whether the broker is still there. */
export class Wire {
  readonly #stream: Duplex
  readonly #protocolVersion: 4 | 5
  #acknowledgements: number[] = []
  #cause: Error | undefined
  #opening: NodeJS.Timeout
  /** Whether nothing is to be read, and whether the broker reads too little itself. */
  #paused = false
  #isBehind = false
  #keepalive: NodeJS.Timeout | undefined
  /** Whether the broker owes an answer to a PINGREQ, and what it is asked again after. */
  #owesAnswer = false
  #closed = false

  /** @param limit the largest packet that is read, in bytes; a larger PUBLISH is stepped over */
  constructor (stream: Duplex, protocolVersion: 4 | 5, limit: number, handler: WireHandler) {
    this.#stream = stream
    this.#protocolVersion = protocolVersion
    this.#opening = setInterval(() => {
      // While this side does not read, the answer waits in the socket behind the messages of a kept session.
      if (!stream.isPaused()) this.end(new Error('the broker did not answer in time'))
    }, patience).unref()
    const packets = parser({ protocolVersion })
    let isBroker = false
    const unreadable = (error: Error): void => { this.end(isBroker ? error : new Error(noBroker)) }
    packets.on('packet', packet => {
      isBroker = true
      if (!this.#closed) handler.packet(packet)
    })
    packets.on('error', unreadable)
    const limited = new PacketLimit(limit, bytes => { packets.parse(bytes) }, packet => { if (!this.#closed) handler.oversized(packet) })
    stream.on('drain', () => {
      this.#isBehind = false
      if (!this.#paused) stream.resume()
      if (!this.#closed) handler.drained?.()
    })
    stream.on('data', (chunk: Buffer) => {
      // A large message may take longer than the broker has for an answer.
      this.#owesAnswer = false
      try {
        limited.write(chunk)
      } catch (error) {
        unreadable(error as Error)
      }
    })
    stream.on('error', error => { this.#cause ??= error })
    stream.on('close', () => {
      this.#close()
      handler.closed(this.#cause)
    })
    stream.on('end', () => { stream.destroy() })
  }

  get isClosed (): boolean { return this.#closed }

  get isPaused (): boolean { return this.#stream.isPaused() }

  send (packet: Packet): void {
    if (!this.#closed) this.#stream.write(generate(packet, { protocolVersion: this.#protocolVersion }))
  }

  /** @returns false: the broker reads too little, and no more is to be written until `drained` */
  write (bytes: Buffer): boolean {
    if (!this.#closed) this.#stream.write(bytes)
    return this.#stream.writableLength < mostUnread
  }

  /** The broker has answered all that a connection begins with. */
  ready (): void {
    clearInterval(this.#opening)
  }

  /** Ask the broker again and again whether it is still there. @param keepalive seconds; 0: never */
  keepAlive (keepalive: number): void {
    if (keepalive === 0) return
    this.#keepalive = setInterval(() => {
      // While this side does not read, the answer waits in the socket.
      if (this.#owesAnswer && !this.#stream.isPaused()) return this.end(new Error('the broker does not answer any more'))
      this.#owesAnswer = true
      this.send({ cmd: 'pingreq' })
    }, keepalive * 1000).unref()
  }

  /** Acknowledge a message of QoS 1. All of one turn go in one write. */
  acknowledge (packetId: number): void {
    if (this.#acknowledgements.push(packetId) === 1) queueMicrotask(() => { this.#flush() })
  }

  /** Read nothing until `resume`. */
  pause (): void {
    this.#paused = true
    if (!this.#stream.isPaused()) this.#stream.pause()
  }

  resume (): void {
    this.#paused = false
    if (!this.#isBehind && this.#stream.isPaused()) this.#stream.resume()
  }

  /** @param cause why, where nobody asked for it */
  end (cause?: Error): void {
    this.#cause ??= cause
    this.#close()
    this.#stream.destroy()
  }

  /** End in good order: what was written is sent first. Resolves when the connection is closed. */
  leave (): Promise<void> {
    this.#flush()
    this.send({ cmd: 'disconnect', ...this.#protocolVersion === 5 ? { reasonCode: 0 } : {} } as Packet)
    this.#close()
    this.#stream.end()
    const timer = setTimeout(() => { this.#stream.destroy() }, 1_000).unref()
    return new Promise(resolve => {
      this.#stream.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #close (): void {
    this.#closed = true
    clearInterval(this.#opening)
    clearInterval(this.#keepalive)
  }

  /** A PUBACK is four bytes in every version, where it means success. */
  #flush (): void {
    const packetIds = this.#acknowledgements
    if (packetIds.length === 0 || this.#closed) return
    this.#acknowledgements = []
    const bytes = Buffer.allocUnsafe(packetIds.length * 4)
    packetIds.forEach((packetId, i) => {
      bytes.writeUInt16BE(0x4002, i * 4)
      bytes.writeUInt16BE(packetId, i * 4 + 2)
    })
    this.#stream.write(bytes)
    if (this.#stream.writableLength < mostUnread) return
    this.#isBehind = true
    this.#stream.pause()
  }
}
