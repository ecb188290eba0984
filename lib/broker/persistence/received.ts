import { crc32 } from 'node:zlib'
import { StateShare, textBytes } from '../state-bytes.ts'
import type { Client, Context } from './context.ts'
import { copyOf, type Packet } from './journal/records.ts'

/** Called with the outcome of a message: it is where it belongs, or an error. */
export type Ended = (error?: Error) => void

/** A QoS 2 PUBLISH, as far as it tells a copy from another message. */
export type ReceivedPacket = Pick<Packet, 'messageId' | 'topic' | 'payload' | 'dup'>

interface Received {
  packet: Partial<Packet>
  /** Its number in the journal. */
  record: number | undefined
  /** Tells its copies from another message with the same id; undefined: not known. */
  sum: number | undefined
  /** Copies that came while the message was on its way; undefined once it is where it belongs. */
  copies: Ended[] | undefined
  /** The connection on which the copies came. */
  from: Client | undefined
}

/** Shared, because anybody can ask for what is not there, and making an error each time would cost more than all the rest. */
const unknown = new Error('no such packet')

/** Messages of one client that may wait for PUBREL: aedes' limit, but for a session rather than a connection. */
export const mostUnreleased = 1_000
/** About the bytes that each of them takes. */
const bytesOfOne = 256

/** The messages of one client. */
interface OfClient {
  byId: Map<number, Received>
  kept: StateShare
}

/** QoS 2 messages on their way in, each known by its id from arrival until PUBREL. [MQTT-4.3.3-2] */
export class ReceivedMessages {
  #context: Context
  /** By client and message id. */
  #byClient = new Map<string, OfClient>()
  /** Messages from clients with a session that are not in the queues yet, by payload: the one thing that aedes passes on untouched. */
  #arriving = new WeakMap<object, { received: Received, client: string, messageId: number }>()

  constructor (context: Context) {
    this.#context = context
  }

  has (clientId: string): boolean { return this.#byClient.has(clientId) }

  knows (clientId: string, messageId: number): boolean { return this.#find(clientId, messageId) !== undefined }

  restore (clientId: string, messageId: number, sum: number | undefined, record: number): void {
    this.#put(clientId, messageId, { packet: { cmd: 'publish', messageId }, record, sum, copies: undefined, from: undefined })
  }

  /**
   * A message came, for the first time or again. If it goes into queues, its id is written together with it there. If the id were
   * written first, a crash in between would make the broker take the next copy for a duplicate and lose the message.
   * @param ended is called after the commit; PUBREC may be sent then
   * @returns what to call once the message is where it belongs, or failed; undefined: it is a copy and shares the first one's outcome
   */
  receive (client: Client, packet: ReceivedPacket, ended: Ended): Ended | undefined {
    const messageId = packet.messageId!
    const known = this.#find(client.id, messageId)
    if (known !== undefined && (packet.dup || known.sum === undefined || known.sum === sumOf(packet))) {
      this.#join(known, client, ended)
      return undefined
    }
    // A device that was switched off does not remember which ids it used. Taken for a copy, its message would be acknowledged and lost.
    if (known !== undefined) this.#remove(client.id, messageId)
    const whyNot = this.#whyNot(client)
    if (whyNot !== undefined) {
      ended(whyNot)
      return undefined
    }
    const received = this.#add(client, packet, [])
    return error => {
      const settled = (error?: Error): void => {
        const { copies = [] } = received
        received.copies = undefined
        ended(error)
        for (const copy of copies) copy(error)
      }
      if (this.#find(client.id, messageId) !== received) return settled(error)
      if (error !== undefined) {
        this.#remove(client.id, messageId)
        return settled(error)
      }
      if (client.clean === true) return settled()
      this.#write(received, client.id, messageId)
      this.#context.journal.committed().then(() => { settled() }, settled)
    }
  }

  /** Write down the id of a message that is being queued, if it came as QoS 2 from a client with a session. */
  keepArrived ({ payload }: Packet): void {
    const arriving = typeof payload === 'object' ? this.#arriving.get(payload) : undefined
    if (arriving === undefined || typeof payload !== 'object') return
    this.#arriving.delete(payload)
    const { received, client, messageId } = arriving
    if (this.#find(client, messageId) === received) this.#write(received, client, messageId)
  }

  /** For messages that `receive` was not asked about. */
  async store (client: Client, packet: Packet): Promise<void> {
    const whyNot = this.#whyNot(client)
    if (whyNot !== undefined) throw whyNot
    this.#add(client, packet, undefined).packet = { ...copyOf(packet), messageId: packet.messageId }
  }

  /** Rejects when there is none, as aedes expects. A PUBREL that comes early waits until its message is where it belongs. */
  async get (client: Client, { messageId }: { messageId: number }): Promise<Partial<Packet>> {
    const received = this.#find(client.id, messageId)
    if (received === undefined) throw unknown
    if (received.copies !== undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#join(received, client, error => { if (error === undefined) resolve(); else reject(error) })
      })
    }
    return received.packet
  }

  /** Resolves after the commit, because the client may reuse the message id once it has PUBCOMP. */
  async delete (client: Client, { messageId }: { messageId: number }): Promise<void> {
    const received = this.#find(client.id, messageId)
    if (received === undefined) throw unknown
    this.#remove(client.id, messageId)
    if (received.record !== undefined) await this.#context.journal.committed()
  }

  /** Resolves after the commit. */
  async clean (client: Client): Promise<void> {
    if (!this.forget(client.id)) return
    await this.#context.journal.committed()
  }

  /** Whether there were any. */
  forget (clientId: string): boolean {
    const ofClient = this.#byClient.get(clientId)
    if (ofClient === undefined) return false
    for (const { record } of ofClient.byId.values()) if (record !== undefined) this.#context.journal.delete(record)
    ofClient.kept.end()
    return this.#byClient.delete(clientId)
  }

  /** Why no further message of a client may wait. */
  #whyNot (client: Client): Error | undefined {
    const ofClient = this.#byClient.get(client.id)
    if (ofClient === undefined) return undefined
    if (ofClient.byId.size >= mostUnreleased) return new Error(`${mostUnreleased} messages of QoS 2 wait for their PUBREL`)
    if (ofClient.kept.hasRoomFor(bytesOfReceived(client.id))) return undefined
    this.#context.stateBytes.refused()
    return new Error('all clients together have the broker remember too much')
  }

  #add (client: Client, packet: ReceivedPacket, copies: Received['copies']): Received {
    const { messageId, payload } = packet
    const received: Received = { packet: { cmd: 'publish', messageId }, record: undefined, sum: sumOf(packet), copies, from: undefined }
    this.#put(client.id, messageId!, received)
    if (client.clean !== true && typeof payload === 'object') this.#arriving.set(payload, { received, client: client.id, messageId: messageId! })
    return received
  }

  #join (received: Received, client: Client, ended: Ended): void {
    if (received.copies === undefined) return ended()
    // A session has one connection at a time: copies from an earlier one no longer expect an answer.
    if (received.from !== client) received.copies = []
    received.from = client
    received.copies.push(ended)
  }

  #write (received: Received, client: string, messageId: number): void {
    if (received.record !== undefined) return
    const { journal } = this.#context
    received.record = journal.next()
    // From here on only whether it came matters.
    received.packet = { cmd: 'publish', messageId }
    journal.put(received.record, { kind: 'received', client, messageId, ...received.sum === undefined ? {} : { sum: received.sum } })
  }

  #remove (clientId: string, messageId: number): void {
    const ofClient = this.#byClient.get(clientId)
    const received = ofClient?.byId.get(messageId)
    if (ofClient === undefined || received === undefined) return
    if (received.record !== undefined) this.#context.journal.delete(received.record)
    ofClient.byId.delete(messageId)
    ofClient.kept.add(-bytesOfReceived(clientId))
    if (ofClient.byId.size === 0) this.#byClient.delete(clientId)
  }

  #find (clientId: string, messageId: number): Received | undefined {
    return this.#byClient.get(clientId)?.byId.get(messageId)
  }

  #put (clientId: string, messageId: number, received: Received): void {
    let ofClient = this.#byClient.get(clientId)
    if (ofClient === undefined) this.#byClient.set(clientId, ofClient = { byId: new Map(), kept: new StateShare(this.#context.stateBytes) })
    ofClient.byId.set(messageId, received)
    ofClient.kept.add(bytesOfReceived(clientId))
  }
}

function sumOf ({ topic, payload }: ReceivedPacket): number {
  return crc32(payload, crc32(topic))
}

/** The client id counts, because each record in the journal has it. */
function bytesOfReceived (clientId: string): number {
  return bytesOfOne + textBytes(clientId)
}
