import type { Client, PublishPacket } from 'aedes'

/** Called with the outcome of a message: it is where it belongs, or an error. */
type Ended = (error?: Error) => void

interface Open {
  payload: Buffer
  /** Copies that came while the message was on its way; undefined: none. */
  copies: Ended[] | undefined
}

/**
 * Messages of QoS 1 on their way in, by connection and message id. Some devices, such as those with Espressif's library, send a message
 * each second until it is acknowledged, over the same connection: those are no further messages.
 */
export class Unacknowledged {
  #byConnection = new WeakMap<Client, Map<number, Open>>()

  /**
   * A message came, for the first time or again.
   * @param ended is called with its outcome; PUBACK may be sent then
   * @returns what to call once the message is where it belongs, or failed; undefined: it is a copy and shares the first one's outcome
   */
  receive (client: Client, packet: Pick<PublishPacket, 'messageId' | 'payload' | 'dup'>, ended: Ended): Ended | undefined {
    const { messageId = 0, dup } = packet
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
    let byId = this.#byConnection.get(client)
    const known = dup ? byId?.get(messageId) : undefined
    if (known?.payload.equals(payload) === true) {
      (known.copies ??= []).push(ended)
      return undefined
    }
    if (byId === undefined) this.#byConnection.set(client, byId = new Map())
    const open: Open = { payload, copies: undefined }
    byId.set(messageId, open)
    return error => {
      // A device may have used the id again for another message.
      if (byId.get(messageId) === open) byId.delete(messageId)
      ended(error)
      if (open.copies !== undefined) for (const copy of open.copies) copy(error)
    }
  }
}
