import type { MqttClient, Packet } from 'mqtt'
import { RefusedMessage } from '../mqtt/link/refused-message.ts'

/** Connections in a row that the other broker ends over the same message, once that is watched, before it is given up. */
const chances = 3

/** Gives up a message that the other broker hangs up on, such as one that is too large for it. MQTT.js would send it again on every connection. */
export class RefusalWatch {
  readonly #client: MqttClient
  readonly #refused = new RefusedMessage<number>(chances)
  /** By packet id, what was sent on this connection and is not acknowledged, oldest first. */
  readonly #sent = new Set<number>()
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
    // Without one, of an attempt that came to nothing.
    if (oldest === undefined || !this.#refused.hungUp(oldest)) return false
    this.forget()
    this.#client.removeOutgoingMessage(oldest)
    return true
  }

  /** A connection lasted. */
  forget (): void {
    this.#isWatching = false
    this.#client.off('packetsend', this.#onSent).off('packetreceive', this.#onReceived)
    this.#sent.clear()
    this.#refused.forget()
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
