import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'

/** A socket that speaks only what it is told to, for clients that are not as they should be. */
export async function rawSocket (t: Pick<TestContext, 'after'>, port: number, options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, ...options })
  socket.on('error', () => undefined)
  t.after(() => { socket.destroy() })
  await once(socket, 'connect')
  return socket
}

/** A connected client on a bare socket. */
export async function rawClient (t: Pick<TestContext, 'after'>, port: number, clientId: string, { keepalive = 0, clean = true, version = 4 } = {}): Promise<Socket> {
  const socket = await rawSocket(t, port)
  socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version, clientId, keepalive, clean } as Packet))
  await once(socket, 'data')
  return socket
}

/** The bytes of a PUBLISH. */
export function publishPacket (topic: string, payload: string | Buffer, qos: 0 | 1 | 2, messageId = 1, protocolVersion = 4): Buffer {
  return generate({ cmd: 'publish', topic, payload, qos, messageId, dup: false, retain: false } as Packet, { protocolVersion })
}
