import { hostname } from 'node:os'
import { createSecureContext } from 'node:tls'
import { reasonOf } from '../errors.ts'
import { readMqttAddress, shownAddress } from '../mqtt/address.ts'
import { versionsOf, type WantedVersion } from '../mqtt/link/spoken-version.ts'
import type { TlsOptions } from '../tls.ts'
import { wholeOption } from '../whole-option.ts'
import { BridgeTopics, invalid, type BridgeTopic } from './topics.ts'

export interface BridgeOptions {
  /** Tells this bridge apart from the others of this host, also after a restart. */
  id: string
  /** Of the other broker: mqtt, mqtts, ws or wss. */
  url: string
  username?: string
  password?: string
  /** For mqtts and wss; without it the certificate is checked against the authorities that Node knows. */
  tls?: TlsOptions
  /** Default: made from the host's name and `id`, so that the other broker recognises the session. */
  clientId?: string
  /** Seconds. Default: 60. */
  keepalive?: number
  /** Whether the other broker forgets the session at each disconnection, and so what is published meanwhile. Default: false. */
  clean?: boolean
  topics: BridgeTopic[]
  /** What is kept until the other broker acknowledges it; beyond either limit the newest message is dropped. Default: 10,000 messages, 50 MB. */
  buffer?: { messages?: number, bytes?: number }
  /** Of MQTT. Default: auto, which is 5, and 3.1.1 where the other broker does not speak it. */
  version?: WantedVersion
  /**
   * Whether to connect as a bridge (protocol level 0x84) with MQTT 3.1.1, so that the other broker does not send back what it got from
   * here, and keeps the retain flag, as MQTT 5 has it without that. Where it refuses, the bridge connects as an ordinary client. Default: true.
   */
  bridgeBit?: boolean
  /** Ms before the first and, doubling, the later attempts to connect again. Default: 1000 and 30,000. */
  reconnect?: { min?: number, max?: number }
}

/** How the other broker is spoken to. */
export interface Way {
  version: 4 | 5
  /** Whether the other broker is told of each subscription, or by the bridge bit, not to send back what it got from here: an ordinary client hears itself. */
  hearsItself: boolean
}

/** The options with everything decided. */
export interface BridgeSettings {
  url: string
  /** Host and port of the other broker, without credentials. */
  address: string
  username: string | undefined
  password: string | undefined
  tls: TlsOptions
  clientId: string
  keepalive: number
  clean: boolean
  topics: BridgeTopics
  buffer: { messages: number, bytes: number }
  /** How the other broker may be spoken to, the best way first. */
  ways: Way[]
  reconnect: { min: number, max: number }
}

const ports: Record<string, number> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 }

/** @throws PlatziverseError BRIDGE_OPTION_INVALID, naming the option */
export function resolveBridgeOptions (options: BridgeOptions): BridgeSettings {
  const { id, url, username, password, tls = {}, keepalive, clean = false, topics, buffer = {}, version = 'auto', bridgeBit = true, reconnect = {} } = options
  if (!URL.canParse(url) || ports[new URL(url).protocol] === undefined || new URL(url).hostname === '') {
    throw invalid(`The address ${shownAddress(url)} must be such as mqtt://192.0.2.1:1883, with mqtt, mqtts, ws or wss.`)
  }
  const { protocol, hostname: host, port } = new URL(url)
  const { url: address, ...login } = readMqttAddress(url)
  try {
    createSecureContext(tls)
  } catch (error) {
    throw invalid(`The certificate, its key or the authority cannot be used: ${reasonOf(error)}.`, error)
  }
  const min = wholeOption('reconnect.min', reconnect.min, { fallback: 1000 }, invalid)
  return {
    url: address,
    address: `${host}:${port || ports[protocol]}`,
    username,
    password,
    ...login,
    // MQTT.js would speak TLS wherever it gets a certificate.
    tls: protocol === 'mqtts:' || protocol === 'wss:' ? tls : {},
    clientId: options.clientId || `platziverse-${hostname()}-${id}`,
    keepalive: wholeOption('The keepalive', keepalive, { fallback: 60, least: 0, most: 65_535 }, invalid),
    clean,
    topics: new BridgeTopics(topics),
    buffer: {
      messages: wholeOption('The buffer', buffer.messages, { fallback: 10_000 }, invalid),
      bytes: wholeOption('The buffer', buffer.bytes, { fallback: 50_000_000, most: Number.MAX_SAFE_INTEGER }, invalid)
    },
    ways: versionsOf(version).flatMap(version => waysOf(version, bridgeBit)),
    reconnect: { min, max: Math.max(min, wholeOption('reconnect.max', reconnect.max, { fallback: 30_000 }, invalid)) }
  }
}

function waysOf (version: 4 | 5, bridgeBit: boolean): Way[] {
  if (version === 5) return [{ version, hearsItself: false }]
  return [...bridgeBit ? [{ version, hearsItself: false }] : [], { version, hearsItself: true }]
}
