import type { Client } from 'aedes'
import { internalsOf } from '../aedes/aedes-internals.ts'
import type { StateShare } from '../state-bytes.ts'
import type { Options, Outlet } from './sending.ts'
import type { SpeakerConnection, SpeakerHost } from './speaker-host.ts'

const none: Options = { asPublished: false, ids: [] }

/** Where the packets of a `Sending` go: the client of one connection. aedes gets the answers for those that are not sent, as if from that client. */
export class ClientOutlet implements Outlet {
  readonly #client: Client
  readonly #connection: SpeakerConnection
  readonly #host: SpeakerHost
  readonly #give: (packet: object) => void

  /** @param give lets aedes handle a packet of the client */
  constructor (client: Client, connection: SpeakerConnection, host: SpeakerHost, give: (packet: object) => void) {
    this.#client = client
    this.#connection = connection
    this.#host = host
    this.#give = give
  }

  get kept (): StateShare | undefined { return this.#connection.kept }

  write (piece: Buffer | string): boolean { return this.#connection.write(piece) }

  get usesOptions (): boolean { return this.#connection.delivery?.grants.haveOptions === true }

  optionsOf (topic: string, publisher: string | undefined): Options {
    return this.#connection.delivery?.grants.optionsOf(topic, publisher === this.#client.id) ?? none
  }

  qosOf (topic: string, id: number): number { return this.#connection.delivery?.grants.qosOf(topic, id) ?? 0 }

  nextMessageId (): number {
    const client = internalsOf(this.#client)
    const id = client._nextId
    client._nextId = id % 65_535 + 1
    return id
  }

  settled (messageId: number): void {
    if (!this.#client.closed) this.#give({ cmd: 'puback', messageId })
  }

  dropped (by: string): void { this.#host.dropped(by) }

  goOn (): void { this.#connection.goOn() }
}
