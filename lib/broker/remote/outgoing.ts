import type { IConnackPacket } from 'mqtt-packet'
import { PlatziverseError } from '../../errors.ts'
import { aliasBytes, publishPackets, sizeOf, type Outbound } from '../../mqtt/link/publish-packet.ts'
import { RefusedMessage } from '../../mqtt/link/refused-message.ts'
import { encodedOnce } from '../../mqtt/message-properties.ts'
import { OutgoingAliases } from '../mqtt5/topic-aliases.ts'
import type { OutgoingPublication } from '../publication.ts'
import { refusalOf, termsOf, type Terms } from './terms.ts'

/** What may wait for a broker that is away. */
const mostWaiting = { messages: 10_000, bytes: 16_000_000 }
/** The largest packet id of a message; those above it are for whatever else needs one. */
export const lastMessageId = 60_000
/** Bytes that go out in one piece, if they are of several messages. */
const mostAtOnce = 256 * 1024
/** Topics that are remembered for their aliases, however many the broker understands. */
const mostAliases = 1_000
/** Characters of a topic in what is reported. */
const mostShown = 200
/** Connections in a row that the broker ends over the same message before it is given up. */
const chances = 4

/** Where a message stands: not sent on this connection; sent; with QoS 2, taken by the broker and released. */
type Stage = 'waiting' | 'sent' | 'released'

interface Entry extends Outbound {
  /** When it is no longer worth sending, in UTC ms; undefined: never. */
  expiresAt: number | undefined
  noAlias: boolean
  stage: Stage
  resolve (): void
  reject (error: PlatziverseError): void
}

/** A connection, as far as messages need it. */
export interface Way {
  /** @returns false: no more until `room` is called */
  write (bytes: Buffer): boolean
  /** Send PUBREL. */
  release (packetId: number): void
}

/**
 * What is to be published, until the broker has acknowledged it: in the order in which it came, as many at once as the broker takes, and again on
 * the next connection [MQTT-4.4.0-1].
 */
export class Outgoing {
  readonly #refused = new RefusedMessage<Entry>(chances)
  /** Not sent yet; a beginning that moves, since there are as many of them as messages. What was sent leaves its place at once. */
  #waiting: Array<Entry | undefined> = []
  #first = 0
  /** Sent with QoS 1 or 2 and not acknowledged, by packet id, oldest first. */
  readonly #inFlight = new Map<number, Entry>()
  /** What earlier connections left, and is to be sent again before all others. */
  #again: Entry[] = []
  /** How many of what is in flight this connection has. */
  #sent = 0
  /** How many are sent one at a time, because the broker hung up and one of them may be why. */
  #careful = 0
  #bytes = 0
  #lastId = 0
  #way: Way | undefined
  #terms: Terms | undefined
  /** Of this connection. */
  #aliases = new OutgoingAliases(0)
  #isFull = false
  #isPlanned = false
  #isClosed = false
  /** Called when nothing waits any more. */
  #drained: (() => void) | undefined
  /** How many the broker took. */
  delivered = 0

  /** How many wait or are not acknowledged. */
  get size (): number { return this.#waiting.length - this.#first + this.#inFlight.size }

  /** The oldest message that this connection was given and did not acknowledge. */
  get oldest (): object | undefined { return this.#oldest }

  get #oldest (): Entry | undefined {
    if (this.#sent === 0) return undefined
    const [oldest] = this.#inFlight.values()
    return oldest
  }

  /** Resolves when the broker took it. @throws PlatziverseError PUBLISH_FAILED */
  add ({ topic, payload, qos, retain, properties: given, noAlias = false }: OutgoingPublication): Promise<void> {
    return new Promise((resolve, reject) => {
      const [topicBytes, payloadBytes] = [Buffer.byteLength(topic), typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length]
      if (this.#isClosed) return reject(failed('The broker is closed.'))
      if (topicBytes === 0 || topicBytes > 65_535) return reject(failed(`A topic has 1 to 65,535 bytes, and not ${topicBytes}.`))
      const properties = given && encodedOnce(given)
      const expiry = given?.messageExpiry
      const entry: Entry = {
        topic, payload, qos, retain, topicBytes, payloadBytes, properties, expiry, expiresAt: expiry === undefined ? undefined : Date.now() + expiry * 1000,
        noAlias, packetId: 0, again: false, stage: 'waiting', resolve, reject
      }
      if (this.size >= mostWaiting.messages || this.#bytes + bytesOf(entry) > mostWaiting.bytes) return reject(failed(`${this.size} messages wait for the broker already.`))
      this.#bytes += bytesOf(entry)
      this.#waiting.push(entry)
      this.#plan()
    })
  }

  /** There is a connection. */
  connected (way: Way, version: 4 | 5, connack: IConnackPacket): void {
    this.#way = way
    this.#terms = termsOf(version, connack, mostWaiting.messages)
    this.#aliases = new OutgoingAliases(Math.min(this.#terms.aliases, mostAliases))
    this.#isFull = false
    this.#again = [...this.#inFlight.values()]
    this.#plan()
  }

  /**
   * The connection is over.
   * @param blame whether a message may be why
   * @returns whether one was given up
   */
  disconnected (blame: boolean): boolean {
    const oldest = this.#oldest
    this.#way = undefined
    this.#again = []
    this.#sent = 0
    for (const entry of this.#inFlight.values()) {
      entry.again = true
      if (entry.stage === 'sent') entry.stage = 'waiting'
    }
    if (!blame) {
      this.#careful = Math.min(this.#careful, this.#inFlight.size)
      this.#refused.forget()
      return false
    }
    this.#careful = this.#inFlight.size
    if (!this.#refused.hungUp(oldest) || oldest === undefined) return false
    this.#careful--
    this.#end(oldest, failed(`The broker ended the connection each time that it was given a message on ${JSON.stringify(oldest.topic.slice(0, mostShown))}.`))
    return true
  }

  /** The connection lasted: no message ended those before it. */
  lasted (): void {
    this.#refused.forget()
  }

  /** The connection takes more again. */
  room (): void {
    this.#isFull = false
    this.#plan()
  }

  /** PUBACK, or PUBCOMP. RabbitMQ 3 answers QoS 2 with PUBACK. @param code from 0x80 up the broker did not take it */
  acknowledged (packetId: number, code = 0): void {
    const entry = this.#inFlight.get(packetId)
    // [MQTT-4.8.2-1] of what this connection was not given nothing is known.
    if (entry === undefined || entry.stage === 'waiting') return
    this.#sent--
    if (this.#careful > 0) this.#careful--
    this.#end(entry, code >= 0x80 && entry.stage === 'sent' ? failed(`The broker did not take it, with code ${code}.`) : undefined)
    this.#plan()
  }

  /** PUBREC: the broker has it, and must not take it again. */
  received (packetId: number, code = 0): void {
    const entry = this.#inFlight.get(packetId)
    if (entry === undefined || entry.stage === 'waiting' || entry.qos !== 2) return
    if (code >= 0x80) return this.acknowledged(packetId, code)
    entry.stage = 'released'
    this.#way?.release(packetId)
  }

  /** Resolves when nothing waits any more. */
  drained (): Promise<void> {
    return new Promise(resolve => {
      if (this.size === 0) return resolve()
      this.#drained = resolve
    })
  }

  /** Nothing is sent any more, and what was not acknowledged failed. */
  close (): void {
    this.#isClosed = true
    this.#way = undefined
    for (const entry of [...this.#inFlight.values(), ...this.#waiting.slice(this.#first)]) entry?.reject(failed('The broker is closed.'))
    this.#inFlight.clear()
    this.#waiting = []
    this.#first = 0
  }

  /** Send what may be sent, at the end of this turn of the event loop: Node-RED runs a callback for each message, and a write for each would cost more than all else. */
  #plan (): void {
    if (this.#isPlanned || this.#way === undefined) return
    this.#isPlanned = true
    setImmediate(() => {
      this.#isPlanned = false
      this.#send()
    })
  }

  #send (): void {
    const [way, terms] = [this.#way, this.#terms]
    if (way === undefined || terms === undefined) return
    const window = this.#careful > 0 ? 1 : terms.window
    while (!this.#isFull) {
      const batch: Entry[] = []
      let size = 0
      for (let entry; size < mostAtOnce && (entry = this.#next(window)) !== undefined;) {
        if (entry.stage === 'released') {
          this.#sent++
          way.release(entry.packetId)
          continue
        }
        // Whether a message fits must not depend on those before it: its size is that with the whole topic.
        entry.alias = undefined
        const refusal = isLate(entry) ? 'It expired before the broker could be given it.' : refusalOf(entry, terms)
        if (refusal !== undefined) {
          this.#end(entry, failed(refusal))
          continue
        }
        if (entry.qos > 0) {
          if (entry.packetId === 0) {
            entry.packetId = this.#nextId()
            this.#inFlight.set(entry.packetId, entry)
          }
          entry.stage = 'sent'
          this.#sent++
        }
        entry.alias = this.#aliasOf(entry, terms)
        size += sizeOf(entry, terms.version)
        batch.push(entry)
      }
      if (batch.length === 0) return
      this.#isFull = !way.write(publishPackets(batch, size, terms.version))
      for (const entry of batch) if (entry.qos === 0) this.#end(entry)
    }
  }

  #aliasOf (entry: Entry, { version, packetSize }: Terms): Entry['alias'] {
    if (entry.noAlias || sizeOf(entry, version) + aliasBytes + 2 > packetSize) return undefined
    const alias = this.#aliases.of(entry.topic)
    if (alias?.known === false) this.#aliases.told(entry.topic, alias.alias)
    return alias
  }

  /** What is to be sent next. @returns undefined: nothing, or the broker has to acknowledge something first */
  #next (window: number): Entry | undefined {
    const isOpen = this.#sent < window
    if (this.#again.length > 0) return isOpen ? this.#again.shift() : undefined
    const entry = this.#waiting[this.#first]
    if (entry === undefined || (entry.qos > 0 && !isOpen)) return undefined
    this.#waiting[this.#first++] = undefined
    if (this.#first >= 1_000 && this.#first * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    return entry
  }

  #nextId (): number {
    // There are fewer messages than ids.
    do this.#lastId = this.#lastId % lastMessageId + 1
    while (this.#inFlight.has(this.#lastId))
    return this.#lastId
  }

  #end (entry: Entry, error?: PlatziverseError): void {
    this.#bytes -= bytesOf(entry)
    this.#inFlight.delete(entry.packetId)
    if (this.#drained !== undefined && this.size === 0) this.#drained()
    if (error !== undefined) return entry.reject(error)
    this.delivered++
    entry.resolve()
  }
}

/** Of what waits. */
function bytesOf ({ topicBytes, payloadBytes, properties }: Entry): number {
  return topicBytes + payloadBytes + (properties?.length ?? 0)
}

/** Look how long a message is still worth sending. @returns whether it is not, and the broker never got it */
function isLate (entry: Entry): boolean {
  if (entry.expiresAt === undefined) return false
  const left = Math.ceil((entry.expiresAt - Date.now()) / 1000)
  // What was sent may have been taken: it has to come to its end.
  entry.expiry = Math.max(1, left)
  return left <= 0 && entry.packetId === 0
}

function failed (detail: string): PlatziverseError {
  return new PlatziverseError('PUBLISH_FAILED', detail)
}
