import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { rawSocket } from './raw-client.ts'

export const binary = 2
export const text = 1

/** The bytes of a WebSocket frame of a client; its mask is all zeros. */
export function frame (opcode: number, payload: Buffer | string = '', { final = true, masked = true, reserved = 0, length }: { final?: boolean, masked?: boolean, reserved?: number, length?: number } = {}): Buffer {
  const bytes = Buffer.from(payload)
  const size = length ?? bytes.length
  const mask = masked ? 0x80 : 0
  const head = Buffer.from([(final ? 0x80 : 0) | reserved << 4 | opcode])
  const extent = size < 126
    ? Buffer.from([mask | size])
    : size < 65_536 ? Buffer.from([mask | 126, size >> 8, size & 255]) : Buffer.concat([Buffer.from([mask | 127]), bigEndian(size)])
  return Buffer.concat([head, extent, masked ? Buffer.alloc(4) : Buffer.alloc(0), bytes])
}

function bigEndian (size: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64BE(BigInt(size))
  return buffer
}

/** An upgrade request as text; `undefined` leaves a header out. */
export function upgradeRequest (path = '/', headers: Record<string, string | undefined> = {}): string {
  const all: Record<string, string | undefined> = { Host: 'localhost', Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Protocol': 'mqtt', ...headers }
  const lines = Object.entries(all).flatMap(([name, value]) => value === undefined ? [] : [`${name}: ${value}\r\n`])
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** A socket on which a WebSocket was agreed. */
export async function rawWebSocket (t: Pick<TestContext, 'after'>, port: number, path = '/', protocol = 'mqtt'): Promise<{ socket: Socket, answer: string }> {
  const socket = await rawSocket(t, port)
  socket.write(upgradeRequest(path, { 'Sec-WebSocket-Protocol': protocol }))
  const [answer] = await once(socket, 'data') as [Buffer]
  return { socket, answer: answer.toString('latin1') }
}
