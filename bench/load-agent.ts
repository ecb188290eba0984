import { connect as connectSocket, type Socket } from 'node:net'
import { connect, publisher, type MessageShape } from './packets.ts'

/** Unacknowledged messages that one agent may have, and so its packet ids: 1 to 50. */
export const usualWindow = 50

export interface LoadAgentOptions {
  port: number
  /** Absent: the usual one. */
  window?: number
  /** Absent: 1. */
  addresses?: number
  topic?: string
  shape?: MessageShape
}

export interface LoadAgent {
  /** Messages that may be sent now. */
  room (): number
  /** Send `due.length` messages, each due at that time (ms of `performance.now`). */
  send (due: ArrayLike<number>): void
  unacknowledged (): number
  close (): void
}

/**
 * One publishing client on a bare socket.
 * @param onAcknowledged called once per chunk of acknowledgements, with the ms from due to PUBACK of each
 * @param onError whatever should not happen: a closed connection, a packet that is no PUBACK, an id that was not sent
 */
export async function openAgent (
  index: number, { port, window: windowSize = usualWindow, addresses = 1, topic, shape }: LoadAgentOptions,
  onAcknowledged: (latencies: number[]) => void, onError: (error: Error) => void
): Promise<LoadAgent> {
  const socket = await open(port, `127.0.0.${1 + index % addresses}`)
  const free = Array.from({ length: windowSize }, (_, i) => windowSize - i)
  const dueAt = new Float64Array(windowSize + 1).fill(NaN)
  const { size, write } = publisher(index, topic, shape)
  let closing = false

  socket.on('error', onError)
  socket.on('close', () => { if (!closing) onError(new Error(`The broker closed the connection of agent ${index}.`)) })
  socket.write(connect(`bench-${index}`))
  await readConnack(socket)

  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const now = performance.now()
    const latencies: number[] = []
    let at = 0
    for (; at + 4 <= bytes.length; at += 4) {
      const id = bytes.readUInt16BE(at + 2)
      const due = dueAt[id] ?? NaN
      if (bytes[at] !== 0x40 || bytes[at + 1] !== 2 || Number.isNaN(due)) {
        return onError(new Error(`Agent ${index} got ${bytes.subarray(at, at + 4).toString('hex')} instead of a PUBACK that it waits for.`))
      }
      latencies.push(now - due)
      dueAt[id] = NaN
      free.push(id)
    }
    rest = Buffer.from(bytes.subarray(at))
    onAcknowledged(latencies)
  })

  return {
    room: () => free.length,
    unacknowledged: () => windowSize - free.length,
    send (due) {
      const packets = Buffer.allocUnsafe(size * due.length)
      const timestamp = Date.now()
      for (let i = 0; i < due.length; i++) {
        const id = free.pop()
        if (id === undefined) throw new RangeError('More messages than the window has room for.')
        dueAt[id] = due[i] ?? NaN
        write(packets, i * size, id, timestamp)
      }
      socket.write(packets)
    },
    close () {
      closing = true
      socket.end(Buffer.from([0xe0, 0]))
    }
  }
}

async function open (port: number, localAddress: string): Promise<Socket> {
  const socket = connectSocket({ port, host: '127.0.0.1', localAddress, noDelay: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return socket
}

async function readConnack (socket: Socket): Promise<void> {
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve)
    socket.once('close', () => reject(new Error('The broker closed the connection before CONNACK.')))
  })
  if (answer.length !== 4 || answer.readUInt32BE() !== 0x20020000) throw new Error(`The broker refused the client: ${answer.toString('hex')}.`)
}
