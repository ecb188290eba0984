/** The few MQTT 3.1.1 packets that the load needs, as bytes: a client library would be slower than the brokers. */

export const metricsPerMessage = 5
/** What a connection's messages are like. */
export interface MessageShape {
  metrics: number
  /** Bytes of a field that the store does not know. */
  payload: number
  /** uuids that the connection reports for, one after another. */
  uuids: number
}

export const usualShape: MessageShape = { metrics: metricsPerMessage, payload: 0, uuids: 1 }
const types = ['cpu.load', 'memory.used', 'temperature', 'disk.used', 'network.received']
const counterDigits = 7
const timestampDigits = 13
const uuidStart = '0b5e0000-0000-4000-8000-'
const uuidDigits = 12

/** The protocol level: MQTT 3.1.1 or 5. */
export type Version = 4 | 5

/** CONNECT with a clean session and no keep-alive [MQTT-3.1]. */
export function connect (clientId: string, version: Version = 4): Buffer {
  const id = Buffer.from(clientId)
  const properties = version === 5 ? [0] : []
  return packet(0x10, Buffer.concat([Buffer.from([0, 4, ...Buffer.from('MQTT'), version, 2, 0, 0, ...properties, 0, id.length]), id]))
}

/** One message of an agent as section 3 of the design has it; only its digits change from one to the next. */
export function messageText (agent: number, timestamp: number, counter: number, { metrics, payload }: MessageShape = usualShape): string {
  const digits = String(counter).padStart(counterDigits, '0')
  const uuid = `${uuidStart}${String(agent).padStart(uuidDigits, '0')}`
  return JSON.stringify({
    agent: { uuid, username: 'bench', name: `agent-${agent}`, hostname: `host-${agent}`, pid: 4000 + agent },
    metrics: Array.from({ length: metrics }, (_, i) => ({ type: types[i] ?? `metric.${i}`, value: '#' })),
    timestamp,
    ...payload > 0 ? { note: 'x'.repeat(payload) } : {}
  }).replaceAll('"#"', `42.${digits}`)
}

/**
 * Makes an agent's PUBLISH packets (QoS 1) by copying one and writing packet id, counter and timestamp over it.
 * No two messages of an agent are alike: the counter repeats after ten million, long after the timestamp moved on.
 */
export function publisher (agent: number, topic = 'agent/message', shape: MessageShape = usualShape): { size: number, write (target: Buffer, offset: number, packetId: number, timestamp: number): void } {
  const payload = Buffer.from(messageText(agent, 10 ** (timestampDigits - 1), 0, shape))
  const name = Buffer.from(topic)
  const template = packet(0x32, Buffer.concat([Buffer.from([0, name.length]), name, Buffer.from([0, 0]), payload]))
  const start = template.length - payload.length
  const counterOffsets = offsetsOf(template, '42.').map(offset => offset + 3)
  const timestampOffset = template.indexOf('"timestamp":') + '"timestamp":'.length
  const uuidOffset = template.indexOf(uuidStart) + uuidStart.length
  const digits = Buffer.alloc(counterDigits, '0')
  let counter = 0

  return {
    size: template.length,
    write (target, offset, packetId, timestamp) {
      counter = (counter + 1) % 10 ** counterDigits
      writeDigits(digits, 0, counterDigits, counter)
      template.copy(target, offset)
      target[offset + start - 2] = packetId >> 8
      target[offset + start - 1] = packetId & 0xff
      for (const at of counterOffsets) digits.copy(target, offset + at)
      if (shape.uuids > 1) writeDigits(target, offset + uuidOffset, uuidDigits, agent * shape.uuids + counter % shape.uuids)
      writeDigits(target, offset + timestampOffset, timestampDigits, timestamp)
    }
  }
}

function packet (type: number, body: Buffer): Buffer {
  const length: number[] = []
  for (let rest = body.length; rest > 0 || length.length === 0; rest >>= 7) length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  return Buffer.concat([Buffer.from([type, ...length]), body])
}

function offsetsOf (bytes: Buffer, text: string): number[] {
  const offsets = []
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) offsets.push(at)
  return offsets
}

function writeDigits (target: Buffer, offset: number, length: number, value: number): void {
  for (let at = offset + length - 1; at >= offset; at--) {
    const tens = Math.floor(value / 10)
    target[at] = 48 + value - tens * 10
    value = tens
  }
}
