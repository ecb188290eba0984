import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'

/** What an acknowledgement says beyond success. */
export interface Outcome { code: ReasonCode, text?: string }

/** The exchanges of packets about messages of QoS 1 and 2 that are under way with one client, as far as they are the speaker's alone. */
export class Exchanges {
  /** Messages of QoS 1 that are not acknowledged: a number, because a `Set` that each message enters and leaves costs more than the message. */
  #unacknowledged = 0
  /** Message ids of QoS 2 that are not completed: of these the client may send a message twice. */
  #uncompleted = new Set<number>()
  /** Those among them that wait for the client's PUBREL. */
  #unreleased = new Set<number>()
  /** The one that was decided last, because most are acknowledged at once; 0: there is none. The others wait. */
  #decidedId = 0
  #decided: Outcome | undefined
  #outcomes = new Map<number, Outcome>()
  /** Of a PUBREC and a PUBREL that came and that nothing is known about. */
  #unknownReceipts = new Set<number>()
  #unknownReleases = new Set<number>()
  /** Of messages of QoS 2 that are over for the client, and not for aedes: the next PUBCOMP is not for the client. */
  #over = new Set<number>()

  /** Messages that the broker works on: what it does not read meanwhile is no message too many. */
  get inHand (): number { return this.#unacknowledged + this.#uncompleted.size - this.#unreleased.size }

  /** A message of the client came. @returns how many of them are not acknowledged */
  came (messageId: number, qos: 1 | 2): number {
    if (qos === 1) this.#unacknowledged++
    else this.#uncompleted.add(messageId)
    return this.#unacknowledged + this.#uncompleted.size
  }

  /** How a message of the client is to be acknowledged. */
  decide (messageId: number, outcome: Outcome): void {
    if (this.#decidedId !== 0 && this.#decidedId !== messageId) this.#outcomes.set(this.#decidedId, this.#decided!)
    this.#decidedId = messageId
    this.#decided = outcome
  }

  /** PUBACK leaves. @returns what it says */
  acknowledged (messageId: number): Outcome | undefined {
    this.#unacknowledged--
    return this.#outcomeOf(messageId)
  }

  /** PUBREC leaves. @returns what it says; if that is an error, the exchange is over for the client [MQTT-4.3.3-9] */
  received (messageId: number): Outcome | undefined {
    if (this.#uncompleted.has(messageId)) this.#unreleased.add(messageId)
    return this.#outcomeOf(messageId)
  }

  #outcomeOf (messageId: number): Outcome | undefined {
    const earlier = this.#outcomes.size === 0 ? undefined : this.#outcomes.get(messageId)
    if (earlier !== undefined) this.#outcomes.delete(messageId)
    if (this.#decidedId !== messageId) return earlier
    this.#decidedId = 0
    return this.#decided
  }

  /** The exchange is over for the client, and not for aedes. */
  endsEarly (messageId: number): void {
    this.#ended(messageId)
    this.#over.add(messageId)
  }

  /** PUBCOMP leaves. @returns whether it is for the client */
  completed (messageId: number): boolean {
    this.#ended(messageId)
    return !this.#over.delete(messageId)
  }

  #ended (messageId: number): void {
    this.#uncompleted.delete(messageId)
    this.#unreleased.delete(messageId)
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
