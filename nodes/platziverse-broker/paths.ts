import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Arrival } from '../../lib/broker/broker.ts'
import { acceptWebSockets, pathOf } from '../../lib/broker/listening/web-socket.ts'
import { isLoopback } from '../../lib/broker/loopback.ts'

const taken = new Map<string, object>()

export interface PathOptions {
  /** Web origins whose pages may connect, beside those of the same host. */
  origins: string[]
  accept (stream: Duplex, arrival: Arrival): void
  refused (by: string, reason: string, address: string | undefined): void
}

/**
 * MQTT over WebSocket on a path of Node-RED's own server.
 * @returns ends it; undefined when somebody else has the path
 */
export function servePath (server: Server, path: string, { origins, accept, refused }: PathOptions): (() => void) | undefined {
  if (taken.has(path)) return undefined
  const mark = {}
  taken.set(path, mark)
  const upgrade = acceptWebSockets({
    origins,
    accept (stream, socket, messages, direct) {
      const address = socket.remoteAddress
      // Behind a proxy everybody seems to come from this machine.
      accept(stream, { address, local: isLoopback(address ?? '') && direct, username: undefined, socket, messages })
    },
    refused (socket, reason) { refused('origin', reason, socket.remoteAddress) }
  })
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Others have paths of their own: what is not ours is theirs.
    if (pathOf(request) !== path) return
    upgrade(request, socket as Socket, head)
  }
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('upgrade', onUpgrade)
    if (taken.get(path) === mark) taken.delete(path)
  }
}
