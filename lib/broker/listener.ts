import { createServer, isIP, type Server, type Socket } from 'node:net'
import { lookup } from 'node:dns/promises'
import { PlatziverseError, reasonOf } from '../errors.ts'
import type { ListenerOptions, ListenerState } from './broker.ts'

const firstRetry = 1_000
const longestRetry = 30_000

export interface Listener {
  /** Stop listening, hang up on every client that came in here, and free the port. May be called twice. */
  close (): Promise<void>
}

/**
 * Listen for TCP clients, and keep trying while that fails.
 * @param accept gets each socket
 * @param report is told of every change
 */
export function openListener (options: ListenerOptions, accept: (socket: Socket) => void, report: (state: ListenerState) => void): Listener {
  const sockets = new Set<Socket>()
  let server: Server | undefined
  let retry: NodeJS.Timeout | undefined
  let delay = firstRetry
  let closed = false

  async function open (): Promise<void> {
    const host = await bindAddress(options)
    if (closed) return
    const opening = createServer({ noDelay: true }, socket => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      accept(socket)
    })
    server = opening
    await new Promise<void>((resolve, reject) => {
      opening.once('error', reject)
      opening.listen({ port: options.port, ...host === undefined ? {} : { host } }, resolve)
    })
    opening.removeAllListeners('error').on('error', fail)
    delay = firstRetry
    const address = opening.address()
    if (closed || address === null || typeof address === 'string') return
    report({ state: 'listening', host: address.address, port: address.port })
  }

  function fail (error: unknown): void {
    server?.close()
    server = undefined
    if (closed) return
    report({ state: 'failed', error: explain(error, options) })
    retry = setTimeout(attempt, delay)
    delay = Math.min(delay * 2, longestRetry)
  }

  function attempt (): void {
    open().catch(fail)
  }

  report({ state: 'starting' })
  attempt()

  return {
    async close () {
      if (closed) return
      closed = true
      clearTimeout(retry)
      const closing = server
      if (closing?.listening === true) {
        const done = new Promise(resolve => closing.close(resolve))
        // close() waits for every client, also for one that says nothing.
        for (const socket of sockets) socket.destroy()
        await done
      } else {
        closing?.close()
      }
      report({ state: 'closed' })
    }
  }
}

/** The address to bind to; undefined stands for all of them. */
async function bindAddress ({ host, port, anonymous }: ListenerOptions): Promise<string | undefined> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new PlatziverseError('BROKER_PORT_INVALID', `${port} is no port.`)
  if (host === '') return anonymous ? undefined : '127.0.0.1'
  const address = isIP(host) > 0 ? host : await lookup(host).then(({ address }) => address, cause => {
    throw new PlatziverseError('BROKER_HOST_INVALID', `The host ${host} is unknown.`, { cause })
  })
  if (!anonymous && !isLoopback(address)) throw new PlatziverseError('BROKER_NETWORK_CLOSED', `The broker has no users, and ${host} is not loopback.`)
  return address
}

function isLoopback (address: string): boolean {
  return address === '::1' || /^127\./.test(address)
}

function explain (error: unknown, { host, port }: ListenerOptions): PlatziverseError {
  if (error instanceof PlatziverseError) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return new PlatziverseError('BROKER_PORT_TAKEN', `Port ${port} is taken.`, { cause: error })
  if (code === 'EACCES') return new PlatziverseError('BROKER_PORT_DENIED', `Port ${port} may not be opened.`, { cause: error })
  if (code === 'EADDRNOTAVAIL') return new PlatziverseError('BROKER_HOST_INVALID', `${host} is no address of this machine.`, { cause: error })
  return new PlatziverseError('BROKER_LISTEN_FAILED', `${reasonOf(error)}.`, { cause: error })
}
