import { Readable } from 'node:stream'
import type { Client, Context } from './context.ts'
import { contentOf, type Content } from './journal/records.ts'
import type { SessionOwner } from './session.ts'

/** Stands for the brokers of former runs. */
export const formerBroker = 'former'

/**
 * A will as aedes hands it over and expects it back, with its owner (undefined: not known), and the seconds by which its client wants it to be
 * published later.
 */
export type Will = Content & { brokerId?: string, clientId?: string, owner?: SessionOwner | undefined, delay?: number | undefined }

interface StoredWill {
  will: Will
  record: number
  /** The client whose will it is; absent: one of a former run. */
  client?: Client
}

/** The will that a packet is, if it was found after a restart. */
export function formerWill (packet: object): Will | undefined {
  return (packet as Partial<Will>).brokerId === formerBroker ? packet as Will : undefined
}

/** The wills of connected clients, and of clients that were connected when a former run ended. */
export class Wills {
  #context: Context
  #byClient = new Map<string, StoredWill>()
  /** Of former runs. Other clients may have their client ids by now. */
  #former = new Map<string, StoredWill>()

  constructor (context: Context) {
    this.#context = context
  }

  restore (clientId: string, will: Will, record: number): void {
    this.#former.set(clientId, { will, record })
  }

  /** Take out those of former runs that have a delay. @param hasSession without a session there is none */
  * takeDelayed (hasSession: (clientId: string) => boolean): Generator<{ clientId: string, will: Will, delay: number, record: number }> {
    for (const [clientId, { will, record }] of this.#former) {
      const { delay = 0 } = will
      if (delay === 0 || !hasSession(clientId)) continue
      this.#former.delete(clientId)
      yield { clientId, will, delay, record }
    }
  }

  /** Take out the will of a client that just went, unless it is the next one's with the id. */
  take (client: Pick<Client, 'id'>): { will: Will, record: number } | undefined {
    const stored = this.#byClient.get(client.id)
    if (stored === undefined || (stored.client !== client && stored.client?.closed === false)) return undefined
    this.#byClient.delete(client.id)
    return stored
  }

  /** A client is let in: its own will of a former run is no longer published. */
  cameBack (clientId: string, owner: SessionOwner | undefined): void {
    const kept = this.#former.get(clientId)
    if (kept === undefined || kept.will.owner !== owner) return
    this.#former.delete(clientId)
    this.#context.journal.delete(kept.record)
  }

  /** Whether a will is still to be published. */
  has (will: Will): boolean { return this.#former.get(will.clientId!)?.will === will }

  /** Resolves after the commit. */
  async put (client: Client, will: Will): Promise<void> {
    const { journal, broker } = this.#context
    const record = this.#byClient.get(client.id)?.record ?? journal.next()
    will.brokerId = broker!.id
    will.clientId = client.id
    this.#byClient.set(client.id, { will, record, client })
    const { owner, delay } = will
    journal.put(record, { kind: 'will', client: client.id, ...owner === undefined ? {} : { owner }, ...delay === undefined ? {} : { delay }, content: contentOf(will) })
    await journal.committed()
  }

  async get (client: Client): Promise<Will | undefined> {
    return (this.#byClient.get(client.id) ?? this.#former.get(client.id))?.will
  }

  /**
   * Resolves after the commit.
   * @param client with a `brokerId`: the will of a client of that broker was published, or is not to be
   */
  async delete (client: Client & { brokerId?: string }): Promise<Will | undefined> {
    const { journal } = this.#context
    if (client.brokerId === undefined) this.cameBack(client.id, undefined)
    const wills = client.brokerId === formerBroker ? this.#former : this.#byClient
    const stored = wills.get(client.id)
    if (stored === undefined || isOfAnother(stored, client)) return undefined
    wills.delete(client.id)
    journal.delete(stored.record)
    await journal.committed()
    return stored.will
  }

  /**
   * The wills of clients whose broker is not among `brokers`: after a restart, of all clients that have not come back. When the clock leaps,
   * aedes takes this broker for gone, too, so the wills of connected clients are left out.
   */
  stream (brokers: Record<string, unknown>): Readable {
    const left = [...this.#former.values(), ...this.#byClient.values()].filter(({ will, client }) => brokers[will.brokerId!] === undefined && client?.closed !== false)
    return Readable.from(left.map(({ will }) => will))
  }
}

/** Whether the will belongs to the next client with the id: aedes deletes the last client's will when the next one may be there already. */
function isOfAnother ({ will, client }: StoredWill, { brokerId }: { brokerId?: string }): boolean {
  return brokerId !== undefined && (brokerId !== will.brokerId || client?.closed === false)
}
