import type { MqttClient, Packet } from 'mqtt'

/** Connections in a row that the other broker ends over the same message, once that is watched, before it is given up. */
const chances = 3

/**
 * Finds the message that the other broker hangs up on, such as one that is too large for it. MQTT.js sends it again on every connection, and nothing that
 * comes after it would arrive. It is taken to be the oldest one that is not acknowledged.
 */
export class RefusedMessage {
  readonly #client: MqttClient
  /** By packet id, what was sent on this connection and is not acknowledged, oldest first. */
  #sent = new Set<number>()
  #suspect: number | undefined
  #times = 0
  #isWatching = false

  constructor (client: MqttClient) {
    this.#client = client
  }

  /**
   * The other broker ended a connection, and a message may be why. Nothing is watched before that.
   * @returns whether a message was given up
   */
  hungUp (): boolean {
    const [oldest] = this.#sent
    this.#sent.clear()
    if (!this.#isWatching) {
      this.#isWatching = true
      this.#client.on('packetsend', this.#onSent).on('packetreceive', this.#onReceived)
      return false
    }
    // Of an attempt that came to nothing.
    if (oldest === undefined) return false
    this.#times = oldest === this.#suspect ? this.#times + 1 : 1
    this.#suspect = oldest
    if (this.#times < chances) return false
    this.forget()
    this.#client.removeOutgoingMessage(oldest)
    return true
  }

  /** A connection lasted. */
  forget (): void {
    this.#isWatching = false
    this.#client.off('packetsend', this.#onSent).off('packetreceive', this.#onReceived)
    this.#sent.clear()
    this.#suspect = undefined
    this.#times = 0
  }

  readonly #onSent = (packet: Packet): void => {
    if (packet.cmd === 'publish' && packet.qos > 0) this.#sent.add(packet.messageId as number)
  }

  readonly #onReceived = (packet: Packet): void => {
    if (packet.cmd === 'puback' || packet.cmd === 'pubrec') this.#sent.delete(packet.messageId as number)
  }
}

/** Whether that is why a message was not published. */
export function isGivenUp (error: Error): boolean {
  return error.message === 'Message removed'
}
