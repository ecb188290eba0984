import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Arrival } from '../../lib/broker/broker.ts'
import { isLoopback } from '../../lib/broker/listener.ts'
import { acceptWebSockets, pathOf } from '../../lib/broker/web-socket.ts'

const taken = new Map<string, object>()

/**
 * MQTT over WebSocket on a path of Node-RED's own server.
 * @returns ends it; undefined when somebody else has the path
 */
export function servePath (server: Server, path: string, accept: (stream: Duplex, arrival: Arrival) => void): (() => void) | undefined {
  if (taken.has(path)) return undefined
  const mark = {}
  taken.set(path, mark)
  const proxied = new WeakSet<Socket>()
  const upgrade = acceptWebSockets((stream, socket, limitPackets) => {
    const address = socket.remoteAddress
    // Behind a proxy everybody seems to come from this machine.
    accept(stream, { address, local: isLoopback(address ?? '') && !proxied.has(socket), username: undefined, socket, limitPackets })
  })
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Others have paths of their own: what is not ours is theirs.
    if (pathOf(request) !== path) return
    if (['x-forwarded-for', 'forwarded', 'via'].some(header => request.headers[header] !== undefined)) proxied.add(socket as Socket)
    upgrade(request, socket as Socket, head)
  }
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('upgrade', onUpgrade)
    if (taken.get(path) === mark) taken.delete(path)
  }
}
