import type { Client, Context } from './context.ts'
import { copyOf, type Packet } from './records.ts'

type Received = { packet: Partial<Packet>, record: number | undefined }

/** QoS 2 messages on their way in: they wait for their PUBREL. */
export class ReceivedMessages {
  #context: Context
  /** By client and message id. */
  #byClient = new Map<string, Map<number, Received>>()
  /** What was received and is not yet in the queues, by its payload: the one thing that aedes passes on untouched. */
  #arriving = new WeakMap<object, { received: Received, client: string, messageId: number }>()

  constructor (context: Context) {
    this.#context = context
  }

  has (clientId: string): boolean { return this.#byClient.has(clientId) }

  restore (clientId: string, messageId: number, record: number): void {
    this.#of(clientId).set(messageId, { packet: { cmd: 'publish', messageId }, record })
  }

  /**
   * Remembers the message id. It is written together with the message in `outgoingEnqueueCombi`: were it written before,
   * a crash between the two would make the broker take the client's second attempt for a duplicate, and lose the message.
   */
  async store (client: Client, packet: Packet): Promise<void> {
    const messageId = packet.messageId!
    const received: Received = { packet: { ...copyOf(packet), messageId }, record: undefined }
    this.#of(client.id).set(messageId, received)
    if (client.clean !== true && typeof packet.payload === 'object') this.#arriving.set(packet.payload, { received, client: client.id, messageId })
  }

  /** Write the message id of a message that is being queued, if it came as QoS 2 from a client with a session. */
  keepArrived ({ payload }: Packet): void {
    const arriving = typeof payload === 'object' ? this.#arriving.get(payload) : undefined
    if (arriving === undefined || typeof payload !== 'object') return
    this.#arriving.delete(payload)
    const { received, client, messageId } = arriving
    if (this.#byClient.get(client)?.get(messageId) !== received) return
    const { journal } = this.#context
    // That it came is all that is asked from here on.
    received.packet = { cmd: 'publish', messageId }
    received.record = journal.next()
    journal.put(received.record, { kind: 'received', client, messageId })
  }

  /** Rejects when there is none: aedes wants it so. */
  async get (client: Client, { messageId }: { messageId: number }): Promise<Partial<Packet>> {
    const received = this.#byClient.get(client.id)?.get(messageId)
    if (received === undefined) throw new Error('no such packet')
    return received.packet
  }

  /** Resolves after the commit: the client may use the message id anew once it has its PUBCOMP. */
  async delete (client: Client, { messageId }: { messageId: number }): Promise<void> {
    const { journal } = this.#context
    const ofClient = this.#byClient.get(client.id)
    const received = ofClient?.get(messageId)
    if (ofClient === undefined || received === undefined) throw new Error('no such packet')
    ofClient.delete(messageId)
    if (ofClient.size === 0) this.#byClient.delete(client.id)
    if (received.record === undefined) return
    journal.delete(received.record)
    await journal.committed()
  }

  /** Resolves after the commit. */
  async clean (client: Client): Promise<void> {
    if (!this.forget(client.id)) return
    await this.#context.journal.committed()
  }

  /** Whether there were any. */
  forget (clientId: string): boolean {
    for (const { record } of this.#byClient.get(clientId)?.values() ?? []) if (record !== undefined) this.#context.journal.delete(record)
    return this.#byClient.delete(clientId)
  }

  #of (clientId: string): Map<number, Received> {
    const ofClient = this.#byClient.get(clientId) ?? new Map<number, Received>()
    this.#byClient.set(clientId, ofClient)
    return ofClient
  }
}
