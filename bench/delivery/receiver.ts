import type { Version } from '../packets.ts'
import { openConnection } from './connection.ts'
import { cutter, layoutOf, publishTemplate, subscribe } from './packets.ts'
import type { Shape } from './shapes.ts'

export interface Receiver {
  /** Messages received so far. */
  readonly received: number
  /** Messages at QoS 0 that did not come. */
  lost: number
  /** For each publisher the sequence number that comes next: messages of one publisher keep their order [MQTT-4.6.0-6]. */
  readonly next: Uint32Array
  close (): void
}

/**
 * @param onReceived called for each message with its time (ms of `performance.now`)
 * @param onRead called after each read
 * @param onError whatever is not the next message of a publisher: doubled, out of order, at QoS 1 also missing
 */
export async function openReceiver (
  index: number, port: number, version: Version, { qos, publishers }: Shape,
  onReceived: (time: number) => void, onRead: () => void, onError: (error: Error) => void
): Promise<Receiver> {
  const connection = await openConnection(port, version, `receiver-${index}`, onError)
  const { packet, answer } = subscribe(qos, version)
  await connection.request(packet, bytes => bytes.equals(answer))
  const layout = layoutOf(qos, version)
  const header = publishTemplate(0, qos, version).readUIntBE(0, 3)
  const next = new Uint32Array(publishers)
  let received = 0
  let acknowledgements = Buffer.alloc(0)
  let acknowledged = 0
  const receiver: Receiver = {
    get received () { return received },
    lost: 0,
    next,
    close: () => { connection.close() }
  }

  const cut = cutter(layout.size, (bytes, at) => {
    const publisher = bytes.readUInt32BE(at + layout.publisher)
    const sequence = bytes.readUInt32BE(at + layout.sequence)
    const expected = next[publisher] ?? NaN
    if (sequence !== expected || bytes.readUIntBE(at, 3) !== header) {
      if (qos === 1 || !(sequence > expected)) {
        return onError(new Error(`Receiver ${index} got ${bytes.subarray(at, at + 3).toString('hex')}, message ${sequence} of publisher ${publisher}, instead of its message ${expected}.`))
      }
      receiver.lost += sequence - expected
    }
    next[publisher] = sequence + 1
    received++
    onReceived(bytes.readDoubleBE(at + layout.time))
    if (qos === 0) return
    acknowledgements.writeUInt16BE(0x4002, acknowledged)
    bytes.copy(acknowledgements, acknowledged + 2, at + layout.id, at + layout.id + 2)
    acknowledged += 4
  })

  connection.onBytes = bytes => {
    if (qos === 1) {
      acknowledgements = Buffer.allocUnsafe(4 * (Math.floor(bytes.length / layout.size) + 2))
      acknowledged = 0
    }
    cut(bytes)
    if (acknowledged > 0) connection.write(acknowledgements.subarray(0, acknowledged))
    onRead()
  }
  return receiver
}
