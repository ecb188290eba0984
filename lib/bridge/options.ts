import { hostname } from 'node:os'
import { createSecureContext, type ConnectionOptions } from 'node:tls'
import { PlatziverseError, reasonOf } from '../errors.ts'
import { readMqttAddress } from '../mqtt/address.ts'
import { longestTimer } from '../time.ts'
import { BridgeTopics, type BridgeTopic } from './topics.ts'

/** As Node's tls takes it; what Node-RED's tls-config adds to such options. */
export type BridgeTls = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'rejectUnauthorized' | 'servername' | 'ALPNProtocols'>

export interface BridgeOptions {
  /** Tells this bridge apart from the others of this host, also after a restart. */
  id: string
  /** Of the other broker: mqtt, mqtts, ws or wss. */
  url: string
  username?: string
  password?: string
  /** For mqtts and wss; without it the certificate is checked against the authorities that Node knows. */
  tls?: BridgeTls
  /** Default: the host's name and `id`, so that the other broker knows the session again. */
  clientId?: string
  /** Seconds. Default: 60. */
  keepalive?: number
  /** Whether the other broker forgets the session at each disconnection, and with it what was published meanwhile. Default: false. */
  clean?: boolean
  topics: BridgeTopic[]
  /** What is kept for the other broker until it acknowledges it; beyond either the newest is dropped. Default: 10,000 messages of 50 MB in all. */
  buffer?: { messages?: number, bytes?: number }
  /**
   * Whether to connect as a bridge (protocol level 0x84), so that the other broker does not send back what it got from
   * here and keeps the retain flag. Where it refuses that, the bridge connects without. Default: true.
   */
  bridgeBit?: boolean
  /** Ms before the first and, doubling, the later attempts to connect again. Default: 1000 and 30,000. */
  reconnect?: { min?: number, max?: number }
}

/** The options with everything decided. */
export interface BridgeSettings {
  url: string
  /** Host and port of the other broker, without credentials. */
  address: string
  username: string | undefined
  password: string | undefined
  tls: BridgeTls
  clientId: string
  keepalive: number
  clean: boolean
  topics: BridgeTopics
  buffer: { messages: number, bytes: number }
  bridgeBit: boolean
  reconnect: { min: number, max: number }
}

const ports: Record<string, number> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 }

/** @throws PlatziverseError BRIDGE_OPTION_INVALID, naming the option */
export function resolveBridgeOptions (options: BridgeOptions): BridgeSettings {
  const { id, url, username, password, tls = {}, keepalive, clean = false, topics, buffer = {}, bridgeBit = true, reconnect = {} } = options
  if (!URL.canParse(url) || ports[new URL(url).protocol] === undefined || new URL(url).hostname === '') {
    throw invalid('The address must be such as mqtt://192.0.2.1:1883, with mqtt, mqtts, ws or wss.')
  }
  const { protocol, hostname: host, port } = new URL(url)
  const { url: address, ...login } = readMqttAddress(url)
  try {
    createSecureContext(tls)
  } catch (error) {
    throw invalid(`The certificate, its key or the authority cannot be used: ${reasonOf(error)}.`, error)
  }
  const min = whole('reconnect.min', reconnect.min, 1000, 1)
  return {
    url: address,
    address: `${host}:${port || ports[protocol]}`,
    username,
    password,
    ...login,
    // MQTT.js would take a certificate for a wish to have TLS.
    tls: protocol === 'mqtts:' || protocol === 'wss:' ? tls : {},
    clientId: options.clientId || `platziverse-${hostname()}-${id}`,
    keepalive: whole('The keepalive', keepalive, 60, 0, 65_535),
    clean,
    topics: new BridgeTopics(topics),
    buffer: { messages: whole('The buffer', buffer.messages, 10_000, 1), bytes: whole('The buffer', buffer.bytes, 50_000_000, 1, Number.MAX_SAFE_INTEGER) },
    bridgeBit,
    reconnect: { min, max: Math.max(min, whole('reconnect.max', reconnect.max, 30_000, 1)) }
  }
}

export function invalid (detail: string, cause?: unknown): PlatziverseError {
  return new PlatziverseError('BRIDGE_OPTION_INVALID', detail, cause === undefined ? {} : { cause })
}

function whole (name: string, value: number | undefined, fallback: number, min: number, max = longestTimer): number {
  if (value === undefined) return fallback
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw invalid(`${name} must be a whole number from ${min} to ${max}, and is ${String(value)}.`)
}
