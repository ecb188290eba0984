import { Readable } from 'node:stream'
import type { Client, Context } from './context.ts'
import { contentOf, type Content } from './records.ts'

/** A will as aedes gives it and wants it back. */
export type Will = Content & { brokerId?: string, clientId?: string }

/** The wills of the clients that are here, and of those that were when a former run ended. */
export class Wills {
  #context: Context
  #byClient = new Map<string, { will: Will, record: number }>()

  constructor (context: Context) {
    this.#context = context
  }

  restore (clientId: string, will: Will, record: number): void {
    this.#byClient.set(clientId, { will, record })
  }

  /** Resolves after the commit. */
  async put (client: Client, will: Will): Promise<void> {
    const { journal, broker } = this.#context
    const record = this.#byClient.get(client.id)?.record ?? journal.next()
    will.brokerId = broker!.id
    will.clientId = client.id
    this.#byClient.set(client.id, { will, record })
    journal.put(record, { kind: 'will', client: client.id, content: contentOf(will) })
    await journal.committed()
  }

  async get (client: Client): Promise<Will | undefined> {
    return this.#byClient.get(client.id)?.will
  }

  /** Resolves after the commit. */
  async delete (client: Client): Promise<Will | undefined> {
    const { journal } = this.#context
    const stored = this.#byClient.get(client.id)
    if (stored === undefined) return undefined
    this.#byClient.delete(client.id)
    journal.delete(stored.record)
    await journal.committed()
    return stored.will
  }

  /** The wills of clients whose broker is not among `brokers`: after a restart, of all that have not come back. */
  stream (brokers: Record<string, unknown>): Readable {
    return Readable.from([...this.#byClient.values()].map(({ will }) => will).filter(({ brokerId }) => brokers[brokerId!] === undefined))
  }
}
