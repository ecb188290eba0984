// Packets of MQTT 5 byte by byte, for what a codec refuses to write and for what it does not keep: the order of properties.

export type Bytes = Buffer | readonly number[]

const join = (parts: Bytes[]): Buffer => Buffer.concat(parts.map(part => Buffer.from(part as number[])))

/** A Variable Byte Integer. */
export function variable (value: number): number[] {
  const bytes = []
  do {
    bytes.push(value % 128 + (value > 127 ? 128 : 0))
    value = Math.floor(value / 128)
  } while (value > 0)
  return bytes
}

export const two = (value: number): number[] => [value >> 8, value & 255]
export const four = (value: number): number[] => [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255]

/** A text or binary data, with its length in front. */
export function text (content: string | Bytes): Buffer {
  const bytes = Buffer.from(content as string)
  return join([two(bytes.length), bytes])
}

/** A packet: its first byte, its length, and its parts. */
export function packet (first: number, ...parts: Bytes[]): Buffer {
  const body = join(parts)
  return join([[first], variable(body.length), body])
}

/** Properties, with their length in front. */
export function properties (...parts: Bytes[]): Buffer {
  const body = join(parts)
  return join([variable(body.length), body])
}

export const userProperty = (name: string, value: string): Buffer => join([[0x26], text(name), text(value)])

/** A CONNECT with Clean Start, without a will. */
export function connectBytes (clientId: string, { level = 5, flags = 2, own = properties() }: { level?: number, flags?: number, own?: Bytes } = {}): Buffer {
  return packet(0x10, text('MQTT'), [level, flags, 0, 0], own, text(clientId))
}

export interface Publication { qos?: 0 | 1 | 2 | 3, messageId?: number, retain?: boolean, dup?: boolean, own?: Bytes, payload?: string }

export function publishBytes (topic: string, { qos = 0, messageId = 1, retain = false, dup = false, own = properties(), payload = 'x' }: Publication = {}): Buffer {
  return packet(0x30 | (dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0), text(topic), qos === 0 ? [] : two(messageId), own, Buffer.from(payload))
}

/** @param filters with the byte of their options */
export function subscribeBytes (messageId: number, filters: Array<[filter: string, options: number]>, own: Bytes = properties()): Buffer {
  return packet(0x82, two(messageId), own, ...filters.flatMap(([filter, options]) => [text(filter), [options]]))
}

/** The name-value pairs of a PUBLISH in the order in which they stand in it. */
export function userPropertiesOf (publish: Buffer): Array<[name: string, value: string]> {
  const pairs: Array<[string, string]> = []
  let at = 1
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = publish[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  const data = (): Buffer => {
    const length = publish.readUInt16BE(at)
    at += 2 + length
    return publish.subarray(at - length, at)
  }
  number()
  data()
  if ((publish[0]! & 6) !== 0) at += 2
  const length = number()
  const end = at + length
  while (at < end) {
    switch (publish[at++]) {
      case 0x01: at += 1; break
      case 0x02: at += 4; break
      case 0x23: at += 2; break
      case 0x0b: number(); break
      case 0x26: pairs.push([data().toString(), data().toString()]); break
      default: data()
    }
  }
  return pairs
}
