import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'

/** What an acknowledgement says beyond success. */
export interface Outcome { code: ReasonCode, text?: string }

/** The exchanges of packets about messages of QoS 1 and 2 that are under way with one client, as far as they are the speaker's alone. */
export class Exchanges {
  /** Message ids that the client sent and that are not acknowledged. */
  #unacknowledged = new Set<number>()
  #outcomes = new Map<number, Outcome>()
  /** Of a PUBREC and a PUBREL that came and that nothing is known about. */
  #unknownReceipts = new Set<number>()
  #unknownReleases = new Set<number>()
  /** Of messages of QoS 2 that are over for the client, and not for aedes: the next PUBCOMP is not for the client. */
  #over = new Set<number>()

  /** A message of the client came. @returns how many of them are not acknowledged */
  came (messageId: number): number {
    this.#unacknowledged.add(messageId)
    return this.#unacknowledged.size
  }

  /** How a message of the client is to be acknowledged. */
  decide (messageId: number, outcome: Outcome): void {
    this.#outcomes.set(messageId, outcome)
  }

  /** PUBACK leaves. @returns what it says */
  acknowledged (messageId: number): Outcome | undefined {
    this.#unacknowledged.delete(messageId)
    return this.received(messageId)
  }

  /** PUBREC leaves. @returns what it says; if that is an error, the exchange is over for the client [MQTT-4.3.3-9] */
  received (messageId: number): Outcome | undefined {
    if (this.#outcomes.size === 0) return undefined
    const outcome = this.#outcomes.get(messageId)
    this.#outcomes.delete(messageId)
    return outcome
  }

  /** The exchange is over for the client, and not for aedes. */
  endsEarly (messageId: number): void {
    this.#unacknowledged.delete(messageId)
    this.#over.add(messageId)
  }

  /** PUBCOMP leaves. @returns whether it is for the client */
  completed (messageId: number): boolean {
    this.#unacknowledged.delete(messageId)
    return !this.#over.delete(messageId)
  }

  /** PUBREC came for a message that was not sent. */
  receiptIsUnknown (messageId: number): void { this.#unknownReceipts.add(messageId) }

  /** PUBREL came for a message that did not come. */
  releaseIsUnknown (messageId: number): void { this.#unknownReleases.add(messageId) }

  /** What the PUBREL says that leaves. */
  ofRelease (messageId: number): Outcome | undefined { return known(this.#unknownReceipts, messageId) }

  /** What the PUBCOMP says that leaves. */
  ofCompletion (messageId: number): Outcome | undefined { return known(this.#unknownReleases, messageId) }
}

function known (unknown: Set<number>, messageId: number): Outcome | undefined {
  return unknown.delete(messageId) ? { code: reasonCodes.packetIdNotFound } : undefined
}
