import { hostname } from 'node:os'
import type { IClientOptions } from 'mqtt'
import { errorsOf, reasonOf } from '../errors.ts'
import { parse } from '../messages/parse.ts'
import type { Agent as Identity } from '../messages/schema.ts'
import { topics } from '../messages/topics.ts'
import { wholeOption } from '../whole-option.ts'
import { canHaveCommands } from './commands.ts'
import { defaultUuidFile, keptUuid } from './identity.ts'

/** Options of MQTT.js that the agent decides itself; all others can be set. */
type OwnMqttOptions = 'will' | 'clean' | 'protocolVersion' | 'protocolId' | 'reconnectPeriod' | 'queueQoSZero' | 'resubscribe' | 'manualConnect' | 'incomingStore' | 'outgoingStore'

/** An address with what belongs to it. A login of the agent's own counts before this one. */
export type AgentAddress = Omit<IClientOptions, OwnMqttOptions> & { url: string }

/** @param attempt from 0 */
export type AskAddress = (attempt: number) => string | AgentAddress | undefined

export interface AgentOptions {
  /** The agent's name in its messages. Default: the host's name. */
  name?: string
  /** The user that the agent reports for, in its messages. Default: none. */
  username?: string
  /** Ms between two rounds of measuring. Default: 5000. */
  interval?: number
  /** Options of MQTT.js; `url` may be a function, which is called at each attempt and returns undefined while there is no address. Default url: mqtt://127.0.0.1:8083. */
  mqtt?: Omit<IClientOptions, OwnMqttOptions> & { url?: string | AskAddress }
  /** Who the agent is, 1 to 128 printable characters. Default: the one kept in `uuidFile`. */
  uuid?: string
  /** Where a uuid that was made once is kept. Default: a file of this name under the user's data folder. Two agents must not share it. */
  uuidFile?: string
  /** The most messages that wait for the broker's acknowledgement; beyond that the oldest is dropped and counted. Default: 10,000. */
  buffer?: number
  /** Ms that a metric's function may take. Default: 5000. */
  metricTimeout?: number
  /** Whether to subscribe to what other agents say. Default: true. */
  listen?: boolean
  /**
   * Whether to obey `config_change/{uuid}` and `config_change/all`, and to answer on `config_change/{uuid}/state`.
   * Default: true, unless the uuid is `all` or has a slash, + or #.
   */
  commands?: boolean
  /**
   * Seconds for which the broker waits before it says `agent/disconnected` for an agent that it lost: one that is back by then was not away.
   * 0: at once, as brokers do that do not speak MQTT 5. Default: 10.
   */
  willDelay?: number
  /** Ms before the first and, doubling, the later attempts to connect again. Default: 1000 and 30,000. */
  reconnect?: { min?: number, max?: number }
}

/** The options with everything decided. */
export interface AgentSettings {
  identity: Identity
  interval: number
  url: string | AskAddress
  mqtt: IClientOptions
  buffer: number
  metricTimeout: number
  listen: boolean
  commands: boolean
  willDelay: number
  reconnect: { min: number, max: number }
}

export const invalid = errorsOf('AGENT_OPTION_INVALID')

/** @throws PlatziverseError AGENT_OPTION_INVALID, naming the option */
export function resolveAgentOptions (options: AgentOptions): AgentSettings {
  const { url = 'mqtt://127.0.0.1:8083', ...mqtt } = options.mqtt ?? {}
  if (typeof url === 'string') checkUrl(url)
  const identity = identityOf(options)
  const { commands = canHaveCommands(identity.uuid) } = options
  if (commands && !canHaveCommands(identity.uuid)) throw invalid(`commands must be false: the uuid ${JSON.stringify(identity.uuid)} is no level of a topic of its own.`)
  const min = wholeOption('reconnect.min', options.reconnect?.min, { fallback: 1000 }, invalid)
  return {
    identity,
    interval: wholeOption('interval', options.interval, { fallback: 5000 }, invalid),
    url,
    mqtt,
    buffer: wholeOption('buffer', options.buffer, { fallback: 10_000 }, invalid),
    metricTimeout: wholeOption('metricTimeout', options.metricTimeout, { fallback: 5000 }, invalid),
    listen: options.listen ?? true,
    commands,
    willDelay: wholeOption('willDelay', options.willDelay, { fallback: 10, least: 0, most: 86_400 }, invalid),
    reconnect: { min, max: Math.max(min, wholeOption('reconnect.max', options.reconnect?.max, { fallback: 30_000 }, invalid)) }
  }
}

function identityOf (options: AgentOptions): Identity {
  const name = options.name || hostname()
  const { username } = options
  const agent = { uuid: '-', ...(username ? { username } : {}), name, hostname: hostname(), pid: process.pid }
  checkIdentity(agent, '')
  const file = options.uuid === undefined ? options.uuidFile ?? defaultUuidFile(name) : undefined
  const identity = { ...agent, uuid: options.uuid ?? uuidOf(file!) }
  checkIdentity(identity, file === undefined ? '' : ` It came from ${file}.`)
  return identity
}

function checkIdentity (agent: Identity, hint: string): void {
  const parsed = parse(topics.connected, { agent }, 0)
  if (!parsed.ok) throw invalid(`${parsed.detail.replace(/^agent\./, '')}${hint}`)
}

function uuidOf (file: string): string {
  try {
    return keptUuid(file)
  } catch (error) {
    throw invalid(`uuidFile: the uuid cannot be kept (${reasonOf(error)}); name a file that can be written, or give the uuid itself.`, error)
  }
}

function checkUrl (url: string): void {
  if (URL.canParse(url) && /^(mqtts?|tcp|ssl|tls|wss?)(\+unix)?:$/.test(new URL(url).protocol)) return
  throw invalid('mqtt.url must be an address such as mqtt://192.0.2.1:1883.')
}
