import type { IConnackPacket, IConnectPacket, Packet } from 'mqtt-packet'
import { Backoff } from '../../backoff.ts'
import { clientIdTaken, isOtherVersion, keepaliveOf, refusalOf, takenOver, unexpected } from './faults.ts'
import { largestPacket, type Oversized } from './packet-limit.ts'
import { SpokenVersion } from './spoken-version.ts'
import type { TlsOptions } from '../../tls.ts'
import { hostOf, openTransport } from './transport.ts'
import { Wire } from './wire.ts'

const retries = { min: 1_000, max: 30_000 }
/** ms after which a connection counts as one that lasts. */
const lasting = 10_000

/** How a connection ended. */
export interface End {
  /** Whether the broker had let this client in, and whether the connection lasted. */
  letIn: boolean
  lasted: boolean
  /** Why, where this side knows; undefined: the broker closed it without a word. */
  cause: Error | undefined
  /** Of the broker's DISCONNECT. */
  code: number | undefined
}

export interface LinkHandler {
  /** The broker let this client in. */
  letIn (wire: Wire, connack: IConnackPacket): void
  /** What comes after that. */
  packet (wire: Wire, packet: Packet): void
  oversized (packet: Oversized): void
  /** A connection ended, or there was none. The next attempt follows, unless the link is closed. */
  ended (end: End): void
  /** What was written is on its way. */
  drained? (): void
}

export interface LinkSettings {
  /** Of one broker or cluster, without a login. At least one. */
  urls: string[]
  login: { username?: string, password?: Buffer }
  tls: TlsOptions
  /** auto: 5, and 3.1.1 where the broker does not speak it. */
  version: 'auto' | '5' | '3.1.1'
  /** Seconds; 0: never. */
  keepalive: number
}

/** Of CONNECT, beside the login. */
export type Introduction = Pick<IConnectPacket, 'clientId' | 'clean'> & { properties?: IConnectPacket['properties'] }

/** Keeps connected to a broker: at its addresses in turn, with growing pauses, in the version that the broker speaks. */
export class Link {
  readonly #settings: LinkSettings
  readonly #introduction: Introduction
  readonly #handler: LinkHandler
  readonly #backoff = new Backoff(retries, { jitter: true })
  readonly #version: SpokenVersion
  #wire: Wire | undefined
  /** Attempts that failed, and connections that broke. */
  #attempts = 0
  #letInAt: number | undefined
  /** Of the broker's DISCONNECT. */
  #code: number | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor (settings: LinkSettings, introduction: Introduction, handler: LinkHandler) {
    this.#settings = settings
    this.#introduction = introduction
    this.#handler = handler
    this.#version = new SpokenVersion(settings.version)
  }

  get version (): 4 | 5 { return this.#version.now }

  /** `host:port` of the address whose turn it is. */
  get address (): string { return hostOf(this.#url) }

  get #url (): string {
    const { urls } = this.#settings
    return urls[this.#attempts % urls.length] as string
  }

  /** The connection, or the one that is being made. */
  get wire (): Wire | undefined { return this.#wire }

  /** Connect, and stay so. */
  open (): void {
    const { login, keepalive, tls } = this.#settings
    const wire = this.#wire = new Wire(openTransport(this.#url, tls), this.version, largestPacket, {
      packet: packet => { this.#receive(wire, packet) },
      oversized: packet => { if (this.#letInAt === undefined) wire.end(unexpected('publish')); else this.#handler.oversized(packet) },
      drained: () => { this.#handler.drained?.() },
      closed: cause => { this.#ended(cause) }
    })
    const { properties, ...introduction } = this.#introduction
    wire.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: this.version,
      keepalive,
      ...introduction,
      ...login,
      ...this.version === 5 ? { properties: { ...properties, maximumPacketSize: largestPacket } } : {}
    })
  }

  /** What ended the connections is over: the next attempt follows soon. */
  resetBackoff (): void {
    this.#backoff.reset()
  }

  /** Leave the broker in good order. Resolves when the connection is closed. */
  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#wire?.leave()
  }

  #receive (wire: Wire, packet: Packet): void {
    // [MQTT-3.2.0-1], [MQTT-3.2.0-2] CONNACK is the first packet, and there is one.
    if (packet.cmd !== 'disconnect' && (packet.cmd === 'connack') === (this.#letInAt !== undefined)) return wire.end(unexpected(packet.cmd))
    switch (packet.cmd) {
      case 'connack': return this.#answered(wire, packet)
      case 'disconnect': return this.#hungUp(wire, packet.reasonCode ?? 0)
      case 'pingresp': return
      default: return this.#handler.packet(wire, packet)
    }
  }

  #answered (wire: Wire, connack: IConnackPacket): void {
    const code = connack.reasonCode ?? connack.returnCode
    if (code === undefined) return wire.end(unexpected('connack'))
    if (code !== 0) return wire.end(isOtherVersion(code) ? undefined : refusalOf(code))
    this.#letInAt = performance.now()
    this.#version.letIn()
    wire.keepAlive(keepaliveOf(this.#settings.keepalive, connack.properties?.serverKeepAlive))
    this.#handler.letIn(wire, connack)
  }

  #hungUp (wire: Wire, code: number): void {
    this.#code = code
    wire.end(code === takenOver ? clientIdTaken(this.#introduction.clientId) : new Error(`the broker hung up with code ${code}`))
  }

  #ended (cause: Error | undefined): void {
    const letIn = this.#letInAt !== undefined
    const lasted = this.#letInAt !== undefined && performance.now() - this.#letInAt > lasting
    const code = this.#code
    this.#wire = this.#letInAt = this.#code = undefined
    if (lasted) this.#backoff.reset()
    if (!this.#closed) {
      if (!letIn && cause === undefined) this.#version.refused()
      this.#attempts++
    }
    this.#handler.ended({ letIn, lasted, cause, code })
    if (!this.#closed) this.#timer = setTimeout(() => { this.open() }, this.#backoff.next())
  }
}
