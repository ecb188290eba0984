import { openConnection } from '../delivery/connection.ts'

/**
 * `node listen.ts '<ListenOrder as JSON>'`: so many subscribers of `agent/#` on bare sockets; says `ready`, and on each message of its parent how
 * many messages of agents each has had.
 */

export interface ListenOrder { port: number, subscribers: number, qos: 0 | 1 }
export type ListenReport = { ready: true } | { received: number[] } | { error: string }

const topic = Buffer.from('agent/message')
/** ms for which this process does not look at its sockets, so that it reads many messages at once. */
const nap = 0.5
const never = new Int32Array(new SharedArrayBuffer(4))
const { port, subscribers, qos } = JSON.parse(process.argv[2] ?? '') as ListenOrder
const received: number[] = []

const tell = (report: ListenReport): void => { process.send?.(report) }
const fail = (error: Error): void => { process.send?.({ error: error.message } satisfies ListenReport, () => process.exit(1)) }

async function subscribe (index: number): Promise<void> {
  const connection = await openConnection(port, 4, `subscriber-${index}`, fail)
  const filter = Buffer.from('agent/#')
  await connection.request(
    Buffer.concat([Buffer.from([0x82, filter.length + 5, 0, 1, 0, filter.length]), filter, Buffer.from([qos])]),
    bytes => bytes.equals(Buffer.from([0x90, 3, 0, 1, qos]))
  )
  received[index] = 0
  let rest: Buffer = Buffer.alloc(0)
  connection.onBytes = chunk => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const acknowledgements: number[] = []
    let at = 0
    for (let end = endOf(bytes, at); end <= bytes.length; end = endOf(bytes, at)) {
      let start = at + 2
      while ((bytes[start - 1] ?? 0) > 127) start++
      const idAt = start + 2 + bytes.readUInt16BE(start)
      if ((bytes[at] ?? 0) >> 4 === 3) {
        if (bytes.subarray(start + 2, idAt).equals(topic)) received[index] = (received[index] ?? 0) + 1
        if ((bytes[at] ?? 0) & 2) acknowledgements.push(0x40, 2, bytes[idAt] ?? 0, bytes[idAt + 1] ?? 0)
      }
      at = end
    }
    // The bytes are overwritten after this.
    rest = Buffer.from(bytes.subarray(at))
    if (acknowledgements.length > 0) connection.write(Buffer.from(acknowledgements))
    Atomics.wait(never, 0, 0, nap)
  }
}

/** Where the packet that starts there ends; Infinity: its length is not there yet. */
function endOf (bytes: Buffer, start: number): number {
  let length = 0
  for (let at = start + 1, factor = 1; at < bytes.length; at++, factor *= 128) {
    const byte = bytes[at] ?? 0
    length += (byte & 0x7f) * factor
    if (byte < 0x80) return at + 1 + length
  }
  return Infinity
}

process.on('message', () => { tell({ received }) })
process.on('disconnect', () => process.exit(0))
try {
  for (let index = 0; index < subscribers; index++) await subscribe(index)
  tell({ ready: true })
} catch (error) {
  fail(error as Error)
}
