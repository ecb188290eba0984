import type { Version } from '../packets.ts'
import { openConnection } from './connection.ts'
import { cutter, layoutOf, publishTemplate } from './packets.ts'
import type { Shape } from './shapes.ts'

export interface Publisher {
  /** Messages sent so far: the sequence number of the next one. */
  readonly sent: number
  readonly acknowledged: number
  /** Messages at QoS 1 that the broker has not acknowledged. */
  readonly unacknowledged: number
  /** Publish so many messages with this time (ms of `performance.now`). */
  send (count: number, time: number): void
  close (): void
}

const mostIds = 65_535

/** @param onAcknowledged called with the time that was given to `send` */
export async function openPublisher (
  index: number, port: number, version: Version, { qos }: Shape,
  onAcknowledged: (time: number) => void, onError: (error: Error) => void
): Promise<Publisher> {
  const connection = await openConnection(port, version, `publisher-${index}`, onError)
  const layout = layoutOf(qos, version)
  const template = publishTemplate(index, qos, version)
  const sentAt = new Float64Array(mostIds + 1)
  let sent = 0
  let acknowledged = 0

  const onPuback = (bytes: Buffer, at: number): void => {
    const id = bytes.readUInt16BE(at + 2)
    const time = sentAt[id] ?? 0
    if (bytes[at] !== 0x40 || time === 0) return onError(new Error(`Publisher ${index} got ${bytes.subarray(at, at + 4).toString('hex')} instead of a PUBACK that it waits for.`))
    sentAt[id] = 0
    acknowledged++
    onAcknowledged(time)
  }
  let cut: ((bytes: Buffer) => void) | undefined
  connection.onBytes = bytes => {
    // With MQTT 5 they are longer where a reason is given: 0x10, to all or to none of a shape.
    cut ??= cutter(2 + (bytes[1] ?? 2), onPuback)
    cut(bytes)
  }

  return {
    get sent () { return sent },
    get acknowledged () { return acknowledged },
    get unacknowledged () { return qos === 0 ? 0 : sent - acknowledged },
    send (count, time) {
      const packets = Buffer.allocUnsafe(layout.size * count)
      for (let at = 0; at < packets.length; at += layout.size) {
        template.copy(packets, at)
        packets.writeUInt32BE(sent, at + layout.sequence)
        packets.writeDoubleBE(time, at + layout.time)
        if (qos === 1) {
          const id = 1 + sent % mostIds
          packets.writeUInt16BE(id, at + layout.id)
          sentAt[id] = time
        }
        sent++
      }
      connection.write(packets)
    },
    close: () => { connection.close() }
  }
}
