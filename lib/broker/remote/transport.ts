import { connect, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import WebSocket, { createWebSocketStream } from 'ws'
import type { TlsOptions } from '../../tls.ts'

const ports: Record<string, number> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 }

/** Whether MQTT can be spoken with an address. */
export function isMqttAddress (url: string): boolean {
  return URL.canParse(url) && ports[new URL(url).protocol] !== undefined && new URL(url).hostname !== ''
}

/** `host:port` of an address, without a login. */
export function hostOf (url: string): string {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port || ports[protocol]}`
}

/** Begin a connection. What is written before it is open waits. */
export function openTransport (url: string, tls: TlsOptions): Duplex {
  const { protocol, hostname, port } = new URL(url)
  if (protocol === 'ws:' || protocol === 'wss:') {
    const socket = new WebSocket(url, ['mqtt'], protocol === 'wss:' ? tls : {})
    return createWebSocketStream(socket)
  }
  // An address of IPv6 is in brackets in a URL, and nowhere else.
  const host = hostname.replace(/^\[|\]$/g, '')
  const to = { host, port: Number(port || ports[protocol]) }
  if (protocol === 'mqtt:') return connect({ ...to, noDelay: true })
  return connectTls({ ...to, ...isIP(host) === 0 ? { servername: host } : {}, ...tls })
}
