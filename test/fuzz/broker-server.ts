import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { WebSocketServer } from 'ws'
import { binary, frame, text } from '../helpers/raw-web-socket.ts'
import type { Framing } from './broker-packets.ts'

/** A client's connection to a broker that sends whatever it likes. */
export interface Line {
  socket: Socket
  /** @returns whether the client may take the bytes for what they are */
  write (bytes: Buffer, framing: Framing): boolean
  end (): void
  heard (listener: (bytes: Buffer) => void): void
}

const ping = 9
const close = 8

/** A frame of a server, which has no mask if it is right. */
function framed (bytes: Buffer, framing: Framing): Buffer {
  const unmasked = { masked: false }
  switch (framing) {
    case 'text': return frame(text, bytes, unmasked)
    case 'masked': return frame(binary, bytes)
    case 'reserved': return frame(binary, bytes, { ...unmasked, reserved: 4 })
    case 'closing': return Buffer.concat([frame(close, Buffer.from([3, 0xe8]), unmasked), frame(binary, bytes, unmasked)])
    case 'tooLong': return frame(binary, bytes, { ...unmasked, length: bytes.length + 1_000 })
    case 'endless': return frame(binary, bytes, { ...unmasked, length: 2 ** 40 })
    case 'ping': return Buffer.concat([frame(ping, 'x', unmasked), frame(binary, bytes, unmasked)])
    case 'fragments': {
      const half = bytes.length >> 1
      return Buffer.concat([frame(binary, bytes.subarray(0, half), { ...unmasked, final: false }), frame(ping, '', unmasked), frame(0, bytes.subarray(half), unmasked)])
    }
    case 'right': return frame(binary, bytes, unmasked)
  }
}

const understood: Framing[] = ['right', 'text', 'ping', 'fragments']

/** A server on a free port. @returns its port, how many connections are open, and what closes it */
export async function listen (transport: 'mqtt' | 'ws', accept: (line: Line) => void): Promise<{ port: number, open: Set<Socket>, close (): void }> {
  const open = new Set<Socket>()
  const keep = (socket: Socket): void => {
    open.add(socket)
    socket.setNoDelay(true).on('error', () => undefined).on('close', () => { open.delete(socket) })
  }
  const server = transport === 'mqtt' ? createServer() : createHttpServer()
  server.on('connection', keep)
  if (transport === 'mqtt') {
    server.on('connection', (socket: Socket) => {
      accept({ socket, write: bytes => { socket.write(bytes); return true }, end: () => { socket.end() }, heard: listener => { socket.on('data', listener) } })
    })
  } else {
    const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
    server.on('upgrade', (request, socket: Socket, head: Buffer) => {
      webSockets.handleUpgrade(request, socket, head, client => {
        client.on('error', () => undefined)
        accept({
          socket,
          write (bytes, framing) {
            socket.write(framed(bytes, framing))
            return understood.includes(framing)
          },
          end: () => { client.close(); socket.end() },
          heard: listener => { client.on('message', data => { listener(data as Buffer) }) }
        })
      })
    })
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    open,
    close () {
      server.close()
      for (const socket of open) socket.destroy()
    }
  }
}
