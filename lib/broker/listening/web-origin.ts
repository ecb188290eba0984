import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { TLSSocket } from 'node:tls'

/** Headers that proxies add. */
const proxyHeaders = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-server', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip']

/** Names that nobody can have in the DNS of the internet (RFC 6762, RFC 8375, RFC 6761, ICANN's `internal`). */
const privateNames = /\.(local|localhost|home\.arpa|internal)$/

/**
 * Whether a browser may open a WebSocket here. Programs send no origin and may. A page may when its origin is in the list, or when its
 * host is the one in the request. Without TLS, that host must not be a name of the internet: any website can make its name lead to this
 * machine (DNS rebinding).
 * @param allowed origins such as `https://example.org`, or `*`
 * @returns what is wrong; undefined: it may
 */
export function originProblem (request: IncomingMessage, allowed: readonly string[]): string | undefined {
  const { origin } = request.headers
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin.toLowerCase())) return undefined
  const from = nameIn(origin)
  const host = nameIn(`http://${request.headers.host ?? ''}`)
  const isSafe = host !== undefined && (isTls(request) || isPrivate(host))
  return isSafe && from === host ? undefined : `the origin ${origin.slice(0, 200)} is not in the list of allowed origins`
}

/** Whether a request whose socket is local can only come from a program on this machine: it has no header of a proxy, and names this machine. */
export function isDirect (request: IncomingMessage): boolean {
  const host = nameIn(`http://${request.headers.host ?? ''}`)
  if (host === undefined || proxyHeaders.some(name => request.headers[name] !== undefined)) return false
  return host === 'localhost' || host === '[::1]' || host === hostname().toLowerCase() || (isIP(host) === 4 && host.startsWith('127.'))
}

/** The origins in a text, separated by spaces or commas. */
export function readOrigins (text: string | undefined): string[] {
  return (text ?? '').toLowerCase().split(/[\s,]+/).filter(Boolean).map(origin => origin.replace(/\/$/, ''))
}

function nameIn (url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname || undefined : undefined
}

function isTls ({ socket }: IncomingMessage): boolean {
  return (socket as TLSSocket).encrypted === true
}

function isPrivate (host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, '')) > 0 || !host.includes('.') || host === hostname().toLowerCase() || privateNames.test(host)
}
