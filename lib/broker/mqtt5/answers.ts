import { generate, type Packet } from 'mqtt-packet'
import type { Refusal } from '../publication.ts'
import { reasonCodes, type ReasonCode } from '../../mqtt/reason-codes.ts'
import type { Outcome } from './exchanges.ts'

const version5 = { protocolVersion: 5 }

export type Acknowledgement = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'

/** How each begins, up to the message id: of plain success, and with a code and no properties. */
export const acknowledgements: Readonly<Record<Acknowledgement, { plain: Buffer, withCode: Buffer }>> = {
  puback: { plain: Buffer.of(0x40, 2), withCode: Buffer.of(0x40, 4) },
  pubrec: { plain: Buffer.of(0x50, 2), withCode: Buffer.of(0x50, 4) },
  pubrel: { plain: Buffer.of(0x62, 2), withCode: Buffer.of(0x62, 4) },
  pubcomp: { plain: Buffer.of(0x70, 2), withCode: Buffer.of(0x70, 4) }
}

const codes: Buffer[] = []

/** What comes behind the message id: a code, and the length of no properties. */
export function codeAlone (code: ReasonCode): Buffer {
  return codes[code] ??= Buffer.of(code, 0)
}

/** What CONNACK tells a client. Seconds, bytes and numbers; what is undefined is not said. */
export interface Terms {
  sessionExpiryInterval?: number | undefined
  receiveMaximum?: number | undefined
  maximumPacketSize?: number | undefined
  assignedClientIdentifier?: string | undefined
  topicAliasMaximum?: number | undefined
  serverKeepAlive?: number | undefined
}

/** Writes packets of MQTT 5 to one client: the texts that explain them only as long as it takes them. */
export class Answers {
  readonly #packetSize: number
  readonly #wantsReasons: boolean

  /** @param packetSize bytes of the largest packet that the client takes */
  constructor (packetSize: number, wantsReasons: boolean) {
    this.#packetSize = packetSize
    this.#wantsReasons = wantsReasons
  }

  connack (sessionPresent: boolean, terms: Terms): Buffer {
    const properties = Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined))
    return generate({ cmd: 'connack', sessionPresent, reasonCode: reasonCodes.success, properties } as Packet, version5)
  }

  refusal ({ code, text }: Refusal): Buffer {
    return this.#explained(text, properties => ({ cmd: 'connack', sessionPresent: false, reasonCode: code, properties }))
  }

  /** @param refusal why, unless it is plain success */
  acknowledge (cmd: Acknowledgement, messageId: number, { code, text }: Outcome): Buffer {
    return this.#explained(this.#wantsReasons ? text : undefined, properties => ({ cmd, messageId, reasonCode: code, properties }))
  }

  granted (cmd: 'suback' | 'unsuback', messageId: number, codes: readonly number[], text?: string): Buffer {
    return this.#explained(this.#wantsReasons ? text : undefined, properties => ({ cmd, messageId, granted: [...codes], properties }))
  }

  disconnect (code: ReasonCode, text: string | undefined): Buffer {
    return this.#explained(text, properties => ({ cmd: 'disconnect', reasonCode: code, properties }))
  }

  /** A text that makes the packet too large for the client is left out. [MQTT-3.4.2-2] */
  #explained (text: string | undefined, packetOf: (properties: object) => object): Buffer {
    if (text !== undefined && text !== '') {
      const packet = generate(packetOf({ reasonString: text }) as Packet, version5)
      if (packet.length <= this.#packetSize) return packet
    }
    return generate(packetOf({}) as Packet, version5)
  }
}
