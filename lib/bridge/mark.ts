import { randomBytes } from 'node:crypto'
import type { MessageProperties } from '../mqtt/message-properties.ts'

/** The name of the user property that bridges of this package put on what they carry. */
const name = 'platziverse-bridge'

/**
 * By which a bridge knows again what it carried, over however many other bridges it came round. It is a user property of MQTT 5: over a broker that speaks
 * 3.1.1 it is lost, and `LoopGuard` is what is left.
 */
export class Mark {
  readonly #value = randomBytes(9).toString('base64url')

  isOn (properties: MessageProperties | undefined): boolean {
    return properties?.userProperties?.some(([key, value]) => key === name && value === this.#value) === true
  }

  /** The same with the mark, behind those of other bridges. */
  on (properties: MessageProperties | undefined): MessageProperties {
    return { ...properties, userProperties: [...properties?.userProperties ?? [], [name, this.#value]] }
  }
}
