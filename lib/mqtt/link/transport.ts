import { connect, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import WebSocket, { createWebSocketStream } from 'ws'
import type { TlsOptions } from '../../tls.ts'

const ports: Record<string, number> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 }

/** Whether MQTT can be spoken with an address. */
export function isMqttAddress (url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname, hash } = new URL(url)
  return ports[protocol] !== undefined && hostname !== '' && hash === ''
}

/** The port of an address, or the customary one. */
export function portOf (url: string): number {
  const { port, protocol } = new URL(url)
  return Number(port) || ports[protocol] as number
}

/** `host:port` of an address, without a login. */
export function hostOf (url: string): string {
  const { hostname } = new URL(url)
  return `${hostname}:${portOf(url)}`
}

/** Whether TLS is spoken with an address. */
export function isSecure (url: string): boolean {
  return /^(mqtts|wss):/.test(url)
}

/** Begin a connection. What is written before it is open waits. @param tls for `mqtts:` and `wss:` */
export function openTransport (url: string, tls: TlsOptions): Duplex {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'ws:' || protocol === 'wss:') {
    const socket = new WebSocket(url, ['mqtt'], { ...protocol === 'wss:' ? tls : {}, perMessageDeflate: false })
    return createWebSocketStream(socket)
  }
  // An address of IPv6 is in brackets in a URL, and nowhere else.
  const host = hostname.replace(/^\[|\]$/g, '')
  const to = { host, port: portOf(url) }
  if (protocol === 'mqtt:') return connect({ ...to, noDelay: true })
  return connectTls({ ...to, ...isIP(host) === 0 ? { servername: host } : {}, ...tls })
}
