import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { posix } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Arrival } from '../../lib/broker/arrival.ts'
import { acceptWebSockets, pathOf } from '../../lib/broker/listening/web-socket.ts'
import { isLoopback } from '../../lib/broker/loopback.ts'
import { PlatziverseError } from '../../lib/errors.ts'

/** The paths that are served, each with a mark of the node that serves it. */
const taken = new Map<string, object>()

export interface PathOptions {
  /** Web origins whose pages may connect, beside those of the same host. */
  origins: string[]
  accept (stream: Duplex, arrival: Arrival): void
  refused (by: string, reason: string, address: string | undefined): void
}

/**
 * Serves MQTT over WebSocket on paths of Node-RED's own server.
 * @param paths as saved, below `root`
 * @param report gets BROKER_PATH_INVALID for each path that cannot be served
 * @returns ends it
 */
export function servePaths (
  server: Server, root: string, paths: readonly string[], options: PathOptions, report: (error: PlatziverseError) => void
): () => void {
  const ends = paths.map(path => {
    const full = posix.join('/', root, path)
    const end = path.startsWith('/') ? servePath(server, full, options) : undefined
    if (end === undefined) report(new PlatziverseError('BROKER_PATH_INVALID', `MQTT cannot be served at ${full}.`))
    return end
  })
  return () => { for (const end of ends) end?.() }
}

/** @returns ends it; undefined when another node has the path */
function servePath (server: Server, path: string, { origins, accept, refused }: PathOptions): (() => void) | undefined {
  if (taken.has(path)) return undefined
  const mark = {}
  taken.set(path, mark)
  const upgrade = acceptWebSockets({
    origins: () => origins,
    accept (stream, socket, messages, direct) {
      const address = socket.remoteAddress
      // Behind a proxy every client seems to come from this machine.
      accept(stream, { address, local: isLoopback(address ?? '') && direct, username: undefined, socket, messages })
    },
    refused (socket, reason) { refused('origin', reason, socket.remoteAddress) }
  })
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Other nodes have paths of their own on the same server.
    if (pathOf(request) !== path) return
    upgrade(request, socket as Socket, head)
  }
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('upgrade', onUpgrade)
    if (taken.get(path) === mark) taken.delete(path)
  }
}
