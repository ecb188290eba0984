import { lookup } from 'node:dns/promises'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, isIP, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { Backoff } from '../../backoff.ts'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import type { Arrival } from '../arrival.ts'
import type { ListenerOptions, TlsMaterial } from '../broker-options.ts'
import type { ListenerState } from '../broker.ts'
import { isLoopback } from '../loopback.ts'
import { strangerIn } from '../stream/strangers.ts'
import { certificateProblem } from './certificate.ts'
import { addressBelow, whyNoTls, type TlsError } from './tls-refusal.ts'
import { acceptWebSockets, refuse, type WebSocketOptions } from './web-socket.ts'

const loopback = '127.0.0.1'
const loopback6 = '::1'
/** ms between attempts to listen. */
const retries = { min: 1_000, max: 30_000 }
/** ms for a TLS handshake or an HTTP upgrade. */
const handshakeTimeout = 10_000
/** ms of silence after which the system checks whether the other end is still there. */
const keepAliveDelay = 60_000

/** What stands behind the listeners and lets clients in. */
export interface Door {
  /** Called for each socket before a byte of it was read; false: it is not let in. */
  admit (socket: Socket): boolean
  /** A socket that was let in closed. */
  left (socket: Socket): void
  accept (stream: Duplex, arrival: Arrival): void
  /** A client that did not get as far as MQTT; `by` is the name under which that is counted. */
  refused (by: 'tls' | 'origin' | 'protocol', address: string | undefined, reason: string): void
}

export interface Listener {
  /**
   * Put another certificate or other web origins in force, and refuse nobody meanwhile. Clients stay, unless other authorities than before
   * vouch for theirs, or an origin is not allowed any more.
   * @param options as before but for `tls` and `origins`
   * @returns false: it does not listen, or the certificate is no good
   */
  renew (options: ListenerOptions): boolean
  /** Stop listening, hang up on every client that came in here, and free the port. May be called twice. */
  close (): Promise<void>
}

/**
 * Listen for clients, and keep trying while that fails.
 * @param open whether clients from the network may come: anonymous access is allowed, or there are users
 * @param report gets every change of state
 */
export function openListener (given: ListenerOptions, open: boolean, door: Door, report: (state: ListenerState) => void): Listener {
  let options = given
  const sockets = new Set<Socket>()
  let server: Server | undefined
  /** Listens on the other loopback address. */
  let beside: Server | undefined
  let retry: NodeJS.Timeout | undefined
  const backoff = new Backoff(retries)
  let closed = false

  // One for all sockets: a closure for each of thousands would take memory.
  function left (this: Socket): void {
    sockets.delete(this)
    door.left(this)
  }

  function makeServer (): Server {
    return serverFor(options, () => options.origins ?? [], door).on('connection', (socket: Socket) => {
      const bare = options.transport === 'tcp'
      // Errors are reported by what gets the socket later; a bare one is handed over at once.
      if (!bare) socket.on('error', ignore)
      if (!door.admit(socket)) return socket.destroy()
      socket.setKeepAlive(true, keepAliveDelay)
      sockets.add(socket)
      socket.on('close', left)
      if (bare) enter(door, socket, arrivalOf(socket, options))
    })
  }

  async function start (): Promise<void> {
    const host = await bindAddress(options, open)
    if (closed) return
    const opening = makeServer()
    server = opening
    await new Promise<void>((resolve, reject) => {
      opening.once('error', reject)
      opening.listen({ port: options.port, ...host === undefined ? {} : { host } }, resolve)
    })
    opening.removeAllListeners('error').on('error', fail)
    backoff.reset()
    const address = opening.address()
    if (closed || address === null || typeof address === 'string') return
    if (options.host === '' && host === loopback) listenBeside(address.port)
    report({ state: 'listening', host: address.address, port: address.port })
  }

  /** If the machine has no IPv6, or another program has the port there, the first address is enough. */
  function listenBeside (port: number): void {
    const other = makeServer()
    beside = other.on('error', () => { other.close() }).listen({ port, host: loopback6 })
  }

  function fail (error: unknown): void {
    server?.close()
    beside?.close()
    server = beside = undefined
    if (closed) return
    report({ state: 'failed', error: explain(error, options) })
    retry = setTimeout(attempt, backoff.next())
  }

  function attempt (): void {
    start().catch(fail)
  }

  report({ state: 'starting' })
  attempt()

  function hangUp (): void {
    for (const socket of sockets) socket.destroy()
  }

  return {
    renew (renewed) {
      if (closed || server?.listening !== true || (isSecure(renewed) && tlsProblem(renewed) !== undefined)) return false
      const before = options
      options = renewed
      if (!isDeepStrictEqual(before.tls, renewed.tls)) {
        for (const each of [server, beside]) (each as TlsServer | undefined)?.setSecureContext(tlsOptions(renewed))
      }
      if (!areClientsWelcome(before, renewed)) hangUp()
      return true
    },
    async close () {
      if (closed) return
      closed = true
      clearTimeout(retry)
      const closing = [server, beside].map(each => new Promise<void>(resolve => {
        if (each?.listening === true) each.close(() => { resolve() })
        else {
          each?.close()
          resolve()
        }
      }))
      // close() waits for every client, even for one that says nothing.
      hangUp()
      await Promise.all(closing)
      report({ state: 'closed' })
    }
  }
}

const nothing = Buffer.alloc(0)

function ignore (): void {}

/** What goes wrong here concerns this connection alone. */
function enter (door: Door, stream: Duplex, arrival: Arrival): void {
  try {
    door.accept(stream, arrival)
  } catch (error) {
    door.refused('protocol', arrival.address, reasonOf(error))
    arrival.socket.destroy()
  }
}

/** @param origins the web origins that are allowed now */
function serverFor (options: ListenerOptions, origins: () => readonly string[], door: Door): Server {
  const { transport } = options
  const webSockets: WebSocketOptions = {
    origins,
    accept: (stream, socket, messages, direct) => {
      const arrival = arrivalOf(socket, options)
      // Behind a proxy everybody seems to come from this machine.
      enter(door, stream, { ...arrival, local: arrival.local && direct, messages })
    },
    refused: (socket, reason) => { door.refused('origin', socket.remoteAddress, reason) }
  }
  if (transport === 'tcp') return createServer({ noDelay: true })
  if (transport === 'ws') return upgrading(createHttpServer(httpOptions), webSockets, door)

  const secure = { ...tlsOptions(options), handshakeTimeout }
  const server = transport === 'tls'
    ? createTlsServer({ ...secure, noDelay: true }, socket => { enter(door, socket, arrivalOf(socket, options)) })
    : upgrading(createHttpsServer({ ...secure, ...httpOptions }), webSockets, door)
  server.on('tlsClientError', (error: TlsError, socket: TLSSocket) => {
    door.refused('tls', addressBelow(socket), `TLS: ${whyNoTls(error, socket)}`)
    socket.destroy()
  })
  return server
}

const httpOptions = { noDelay: true, headersTimeout: handshakeTimeout, requestTimeout: handshakeTimeout, connectionsCheckingInterval: 1_000, maxHeaderSize: 8192 }

function arrivalOf (socket: Socket, { certificates }: ListenerOptions): Arrival {
  // A client may be gone already while everything that it sent is still to be read.
  const address = addressBelow(socket)
  return { address, local: isLoopback(address ?? ''), username: usernameOf(socket, certificates), socket }
}

function upgrading (server: HttpServer, webSockets: WebSocketOptions, door: Door): HttpServer {
  const upgrade = acceptWebSockets(webSockets)
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => { upgrade(request, socket as Socket, head) })
  const decline = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(426, { Connection: 'close', Upgrade: 'websocket', 'Content-Type': 'text/plain' }).end('This port speaks MQTT over WebSocket.\n')
  }
  // Otherwise Node answers an Expect header and waits for the next request.
  server.on('request', decline).on('checkExpectation', decline)
  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy()
    door.refused('protocol', (socket as Socket).remoteAddress, `no WebSocket: ${strangerIn(error.rawPacket ?? nothing) ?? error.message}`)
    refuse(socket as Socket, '400 Bad Request', 'This port speaks MQTT over WebSocket.')
  })
  return server
}

/** @throws PlatziverseError BROKER_CERTIFICATE_… */
function tlsOptions (options: ListenerOptions): object {
  const problem = tlsProblem(options)
  if (problem !== undefined) throw problem
  const required = needsCertificates(options)
  return { ...options.tls, requestCert: required, rejectUnauthorized: required, minVersion: 'TLSv1.2' }
}

function tlsProblem (options: ListenerOptions): PlatziverseError | undefined {
  const { tls } = options
  if (tls === undefined) return new PlatziverseError('BROKER_CERTIFICATE_MISSING', 'The listener has no certificate.')
  // A PKCS#12 file may contain the authorities; one without them lets nobody in.
  const lacksAuthority = needsCertificates(options) && tls.ca === undefined && !('pfx' in tls)
  return certificateProblem(tls) ?? (lacksAuthority ? new PlatziverseError('BROKER_CERTIFICATE_MISSING', 'Client certificates are asked for, and there is no CA certificate to check them against.') : undefined)
}

function needsCertificates ({ certificates = 'none' }: ListenerOptions): boolean {
  return certificates !== 'none'
}

function isSecure ({ transport }: ListenerOptions): boolean {
  return transport === 'tls' || transport === 'wss'
}

/** Whether all who were let in before would be let in still. */
function areClientsWelcome (before: ListenerOptions, now: ListenerOptions): boolean {
  const { origins = [] } = now
  const allowsAll = origins.includes('*') || (before.origins ?? []).every(origin => origins.includes(origin))
  return allowsAll && (!needsCertificates(now) || isDeepStrictEqual(authoritiesOf(before.tls), authoritiesOf(now.tls)))
}

/** What vouches for client certificates. */
function authoritiesOf (tls: TlsMaterial | undefined): unknown {
  return tls !== undefined && 'pfx' in tls ? [tls.pfx, tls.ca] : tls?.ca
}

function usernameOf (socket: Socket, certificates: ListenerOptions['certificates']): string | undefined {
  if (certificates !== 'username') return undefined
  const name = (socket as TLSSocket).getPeerCertificate()?.subject?.CN
  // Never the username that the client itself gives: an unusable name is nobody's. A NUL would cut it short elsewhere [MQTT-1.5.3-2], and
  // other control characters make one line of a log two.
  return typeof name === 'string' && !/\p{Cc}/u.test(name) ? name : ''
}

/** The address to bind to; undefined stands for all of them. */
async function bindAddress ({ host, port }: ListenerOptions, open: boolean): Promise<string | undefined> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new PlatziverseError('BROKER_PORT_INVALID', `${port} is not a port.`)
  if (host === '') return open ? undefined : loopback
  // Not said: a URL may have a password in it.
  if (/:\/\/|@/.test(host)) throw new PlatziverseError('BROKER_HOST_INVALID', 'The host is more than a name or an address.')
  const address = isIP(host) > 0 ? host : await lookup(host).then(({ address }) => address, cause => {
    throw new PlatziverseError('BROKER_HOST_INVALID', `The host ${host} is unknown.`, { cause })
  })
  if (!open && !isLoopback(address)) throw new PlatziverseError('BROKER_NETWORK_CLOSED', `The broker has no users, and ${host} is not loopback.`)
  return address
}

function explain (error: unknown, { host, port }: ListenerOptions): PlatziverseError {
  if (error instanceof PlatziverseError) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return new PlatziverseError('BROKER_PORT_TAKEN', `Port ${port} is taken.`, { cause: error })
  if (code === 'EACCES') return new PlatziverseError('BROKER_PORT_DENIED', `Port ${port} may not be opened.`, { cause: error })
  if (code === 'EADDRNOTAVAIL') return new PlatziverseError('BROKER_HOST_INVALID', `${host} is not an address of this machine.`, { cause: error })
  return new PlatziverseError('BROKER_LISTEN_FAILED', `${reasonOf(error)}.`, { cause: error })
}
