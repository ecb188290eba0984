import type { ReasonCode } from '../../mqtt/reason-codes.ts'
import type { OutgoingPublish } from '../aedes/direct-delivery.ts'
import { acknowledgements, codeAlone, type Acknowledgement, type Answers } from './answers.ts'
import type { Exchanges, Outcome } from './exchanges.ts'
import type { FilterAnswers } from './filter-answers.ts'
import type { Sending } from './sending.ts'
import type { AcknowledgementType, PacketReader } from './written-packets.ts'

/** A speaker, as far as what it replies depends on it. */
export interface Replying {
  readonly exchanges: Exchanges
  readonly filters: FilterAnswers
  readonly answers: Answers
  /** Undefined before CONNECT was read. */
  readonly sending: Sending | undefined
  /** Write to the client. @returns whether there is room for more */
  write (piece: Buffer | string): boolean
  /** The CONNACK for one of MQTT 3.1.1. @param returnCode 0: the client is let in */
  connack (returnCode: number): Buffer
  /** A message of QoS 2 from the client was refused by its PUBREC. */
  endReceived (messageId: number): void
}

/** Says to a client of MQTT 5 what aedes says in 3.1.1. */
export class Replies implements PacketReader {
  readonly #speaker: Replying

  constructor (speaker: Replying) {
    this.#speaker = speaker
  }

  publish (packet: OutgoingPublish): boolean {
    return this.#speaker.sending!.publish(packet)
  }

  acknowledgement (type: AcknowledgementType, id: Buffer): boolean {
    const { exchanges } = this.#speaker
    const messageId = id[0]! << 8 | id[1]!
    switch (type) {
      case 4: return this.#acknowledge('puback', id, exchanges.acknowledged(messageId))
      case 5: {
        const outcome = exchanges.received(messageId)
        if (outcome !== undefined && outcome.code >= 0x80) this.#speaker.endReceived(messageId)
        return this.#acknowledge('pubrec', id, outcome)
      }
      case 6: {
        const outcome = exchanges.ofRelease(messageId)
        // A client can answer any number of messages that it was never sent.
        if (outcome === undefined) this.#speaker.sending!.released(messageId)
        return this.#acknowledge('pubrel', id, outcome)
      }
      case 7: return !exchanges.completed(messageId) || this.#acknowledge('pubcomp', id, exchanges.ofCompletion(messageId))
    }
  }

  /** The PUBACK of a message, which aedes knows nothing of. @returns whether there is room for more */
  puback (messageId: number): boolean {
    const { exchanges, answers } = this.#speaker
    const outcome = exchanges.acknowledged(messageId)
    return this.#speaker.write(outcome?.text === undefined ? plainPuback(messageId, outcome?.code) : answers.acknowledge('puback', messageId, outcome))
  }

  /** Most say the same, but for the id: in pieces that are made once. */
  #acknowledge (cmd: Acknowledgement, id: Buffer, outcome: Outcome | undefined): boolean {
    const speaker = this.#speaker
    if (outcome?.text !== undefined) return speaker.write(speaker.answers.acknowledge(cmd, id.readUInt16BE(0), outcome))
    const { plain, withCode } = acknowledgements[cmd]
    speaker.write(outcome === undefined ? plain : withCode)
    if (outcome === undefined) return speaker.write(id)
    speaker.write(id)
    return speaker.write(codeAlone(outcome.code))
  }

  other (type: number, bytes: Buffer): boolean {
    const speaker = this.#speaker
    switch (type) {
      case 2: return speaker.write(speaker.connack(bytes[3]!))
      case 9: {
        const at = subackPayload(bytes)
        const id = bytes.readUInt16BE(at - 2)
        return speaker.write(speaker.answers.granted('suback', id, speaker.filters.subscribed(id, bytes.subarray(at))))
      }
      case 11: {
        const id = bytes.readUInt16BE(2)
        return speaker.write(speaker.answers.granted('unsuback', id, speaker.filters.unsubscribed(id)))
      }
      default: return speaker.write(bytes)
    }
  }
}

/** @param code undefined: it says success by what it leaves out */
function plainPuback (messageId: number, code: ReasonCode | undefined): Buffer {
  const bytes = Buffer.allocUnsafe(code === undefined ? 4 : 6)
  bytes[0] = 0x40
  bytes[1] = bytes.length - 2
  bytes[2] = messageId >> 8
  bytes[3] = messageId & 0xff
  if (code === undefined) return bytes
  bytes[4] = code
  bytes[5] = 0
  return bytes
}

/** Where the codes of a SUBACK begin, behind its length and message id. */
function subackPayload (bytes: Buffer): number {
  let at = 1
  while (bytes[at]! > 127) at++
  return at + 3
}
