import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Peer, type ConnectOptions } from '../../../../helpers/peer.ts'

/** A check of one clause of MQTT 5 that any broker can be put to. */
export interface Clause {
  /** As the standard numbers it; where it has no number, its section. */
  clause: string
  title: string
  /** Throws where the broker does not do what the clause says. */
  check (room: Room): Promise<void>
}

export type ClientOptions = ConnectOptions & { clientId?: string }

/** Where a check meets a broker: with topics and client ids that no other check has. */
export class Room {
  readonly port: number
  readonly #name: string
  readonly #peers: Peer[] = []

  constructor (port: number) {
    this.port = port
    this.#name = randomBytes(4).toString('hex')
  }

  topic (name = 'a'): string { return `${this.#name}/${name}` }

  clientId (name: string): string { return `${this.#name}${name}` }

  /** A socket on which nothing was said yet. */
  async socket (version = 5): Promise<Peer> {
    const peer = await Peer.open(this.port, version)
    this.#peers.push(peer)
    return peer
  }

  /** A client that the broker accepts. Without a name it is another one each time. */
  async client (name = `client${this.#peers.length}`, { clientId = this.clientId(name), protocolVersion = 5, ...options }: ClientOptions = {}): Promise<Peer> {
    const peer = await this.socket(protocolVersion)
    const { reasonCode, returnCode } = await peer.connect(clientId, { protocolVersion, ...options })
    assert.equal(reasonCode ?? returnCode, 0, 'CONNACK')
    return peer
  }

  /** The same of MQTT 3.1.1. */
  older (name?: string, options: ClientOptions = {}): Promise<Peer> { return this.client(name, { protocolVersion: 4, ...options }) }

  /** A client whose session is kept for a minute. */
  kept (name: string, { properties, ...options }: ClientOptions = {}): Promise<Peer> {
    return this.client(name, { clean: false, properties: { sessionExpiryInterval: 60, ...properties }, ...options })
  }

  /** Hang up on everyone. */
  leave (): void { for (const peer of this.#peers) peer.cut() }
}

/** Do a check, and leave. */
export async function put (port: number, { check }: Clause): Promise<void> {
  const room = new Room(port)
  try {
    await check(room)
  } finally {
    room.leave()
  }
}

export const payloads = (messages: Array<{ payload: string | Buffer }>): string[] => messages.map(({ payload }) => String(payload))

/** What hangs up has to say one of these, if it says anything. */
export function assertCode (code: number | undefined, ...allowed: number[]): void {
  assert.ok(code === undefined || allowed.includes(code), `DISCONNECT 0x${code?.toString(16)}`)
}
