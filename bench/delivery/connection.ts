import { connect as connectSocket } from 'node:net'
import { connect, type Version } from '../packets.ts'

export interface Connection {
  write (bytes: Buffer): void
  /** Write a packet and wait for its answer. */
  request (packet: Buffer, isAnswer: (bytes: Buffer) => boolean): Promise<void>
  /** Who gets what comes in; the bytes are overwritten after the call. */
  onBytes: (bytes: Buffer) => void
  close (): void
}

/** One for all sockets: what was read is handled before the next read. It spares the allocations of a stream. */
const buffer = Buffer.allocUnsafeSlow(256 * 1024)

/**
 * An MQTT client on a bare socket, connected.
 * @param onError the broker refused or closed the connection
 * @param localAddress where the connection comes from
 */
export async function openConnection (port: number, version: Version, clientId: string, onError: (error: Error) => void, localAddress = '127.0.0.1'): Promise<Connection> {
  let closing = false
  const connection: Connection = {
    write: bytes => { socket.write(bytes) },
    async request (packet, isAnswer) {
      socket.write(packet)
      const got = await new Promise<Buffer>(resolve => { connection.onBytes = bytes => { resolve(Buffer.from(bytes)) } })
      if (!isAnswer(got)) throw new Error(`The broker answered ${clientId} with ${got.toString('hex')}.`)
    },
    onBytes: () => undefined,
    close () {
      closing = true
      socket.end(Buffer.from([0xe0, 0]))
    }
  }
  const onread = { buffer, callback: (length: number) => { connection.onBytes(buffer.subarray(0, length)); return true } }
  const socket = connectSocket({ port, host: '127.0.0.1', localAddress, noDelay: true, onread })
  socket.on('error', error => { if (!closing) onError(error) })
  socket.on('close', () => { if (!closing) onError(new Error(`The broker closed the connection of ${clientId}.`)) })
  await new Promise<void>(resolve => socket.once('connect', resolve))
  // Flags and code; with MQTT 5 there are properties behind them.
  await connection.request(connect(clientId, version), bytes => bytes[0] === 0x20 && bytes[2] === 0 && bytes[3] === 0)
  return connection
}
