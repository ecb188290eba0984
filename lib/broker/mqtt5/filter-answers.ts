import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'

/** The code of SUBACK in MQTT 3.1.1 for a filter that was refused. */
const failure = 128

/** A filter in a SUBSCRIBE, and the QoS that is asked for. */
interface AskedFilter { topic: string, qos: number }

/** Answers each filter of a SUBSCRIBE or UNSUBSCRIBE with a reason code of its own. */
export class FilterAnswers {
  /** By message id, until they are answered. */
  #subscribing = new Map<number, readonly AskedFilter[]>()
  #unsubscribing = new Map<number, number[]>()
  /** Why filters of the SUBSCRIBE that aedes works on are refused. */
  #refusals = new Map<string, ReasonCode>()

  subscribing (messageId: number, filters: readonly AskedFilter[]): void {
    this.#subscribing.set(messageId, filters.map(({ topic, qos }) => ({ topic, qos })))
  }

  /** @param exists whether there is a subscription with a filter */
  unsubscribing (messageId: number, filters: readonly string[], exists: (filter: string) => boolean): void {
    const gone = new Set<string>()
    this.#unsubscribing.set(messageId, filters.map(filter => {
      if (gone.has(filter) || !exists(filter)) return reasonCodes.noSubscriptionExisted
      gone.add(filter)
      return reasonCodes.success
    }))
  }

  /** A filter is refused. */
  refuse (filter: string, code: ReasonCode): void {
    this.#refusals.set(filter, code)
  }

  /** @param granted as aedes answers: a code for each filter, but only one for a filter that appears twice */
  subscribed (messageId: number, granted: Uint8Array): number[] {
    const asked = this.#subscribing.get(messageId) ?? []
    this.#subscribing.delete(messageId)
    const isGranted = new Map<string, boolean>()
    for (const { topic } of asked) if (!isGranted.has(topic)) isGranted.set(topic, granted[isGranted.size] !== failure)
    const codes = asked.map(({ topic, qos }) => isGranted.get(topic) === true ? qos : this.#refusals.get(topic) ?? reasonCodes.unspecified)
    for (const { topic } of asked) this.#refusals.delete(topic)
    return codes
  }

  unsubscribed (messageId: number): number[] {
    const codes = this.#unsubscribing.get(messageId) ?? []
    this.#unsubscribing.delete(messageId)
    return codes
  }
}
