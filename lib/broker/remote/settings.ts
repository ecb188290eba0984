import { createSecureContext } from 'node:tls'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { topics } from '../../messages/topics.ts'
import { readMqttAddress, shownAddress } from '../../mqtt/address.ts'
import type { LinkSettings } from '../../mqtt/link/link.ts'
import { hostOf, isMqttAddress } from '../../mqtt/link/transport.ts'
import { isTooLong } from '../../mqtt/text.ts'
import { matches, parseSubscription } from '../../mqtt/topic-filters.ts'
import type { RemoteBrokerOptions } from '../broker-options.ts'

/** The options with everything decided. */
export interface RemoteSettings extends LinkSettings, Pick<RemoteBrokerOptions, 'clientId' | 'folder' | 'shards' | 'sessionExpiry' | 'receiveMaximum' | 'clientEvents'> {
  /** What this worker subscribes to in order to take what agents publish. */
  filters: string[]
  /** The topic of the contract that one of the broker stands for, such as `agent/message` for `agent/<shard>/message`. Of another topic: itself. */
  contractTopic (topic: string): string
  /** The topics of the contract, as they are called at the broker. */
  agentTopics: string[]
  /** Whether the filters match a topic of the broker. */
  isSubscribedTo (topic: string): boolean
  /** What this worker subscribes to in order to have its part of what a filter matches. */
  share (filter: string): string
  /** Whether the filters are of shared subscriptions. */
  shared: boolean
}

/** The first level of the topics of agents. */
const base = 'agent'
const shardTopic = new RegExp(`^${base}/[^/]+/(${Object.keys(topics).join('|')})$`)

/** @throws PlatziverseError BROKER_OPTION_INVALID, naming the option */
export function resolveRemoteOptions (options: RemoteBrokerOptions): RemoteSettings {
  const { url, tls = {}, clientId, version, group, shards, keepalive, sessionExpiry, receiveMaximum, clientEvents } = options
  const addresses = url.split(/[\s,]+/).filter(address => address !== '')
  if (addresses.length === 0) throw invalid('There is no address.')
  const wrong = addresses.find(address => !isMqttAddress(address))
  if (wrong !== undefined) {
    throw invalid(`The address ${shownAddress(wrong)} must be such as mqtt://192.0.2.1:1883, with mqtt, mqtts, ws or wss; several are separated by blanks or commas.`)
  }
  if (clientId === '' || isTooLong(clientId) || clientId.includes('\0')) throw invalid('The client id must be a text of 1 to 65,535 bytes.')
  const read = addresses.map(readMqttAddress)
  const { username = options.username, password = options.password } = read.find(({ username }) => username !== undefined) ?? {}
  try {
    createSecureContext(tls)
  } catch (error) {
    throw invalid(`The certificate, its key or the authority cannot be used: ${reasonOf(error)}.`, error)
  }
  for (const shard of shards) {
    if (/[+#/\0]/.test(shard) || shard === '') throw invalid(`The shard ${JSON.stringify(shard)} must be one level of a topic, without + and #.`)
  }
  const plainFilters = shards.length === 0 ? [`${base}/+`] : shards.map(shard => `${base}/${shard}/+`)
  const share = (filter: string): string => group === '' ? filter : `$share/${group}/${filter}`
  const filters = plainFilters.map(share)
  const parsed = filters.map(parseSubscription)
  if (/[/+#\0]/.test(group) || parsed.includes(undefined)) throw invalid(`The group ${JSON.stringify(group)} must be without /, + and #.`)
  const prefixes = shards.map(shard => `${base}/${shard}/`)
  return {
    urls: read.map(({ url }) => url),
    login: { ...username === undefined ? {} : { username }, ...password === undefined ? {} : { password: Buffer.from(password) } },
    tls,
    clientId,
    ...options.folder === undefined ? {} : { folder: options.folder },
    shards,
    version,
    keepalive,
    sessionExpiry,
    receiveMaximum,
    ...clientEvents === undefined ? {} : { clientEvents },
    filters,
    share,
    shared: group !== '',
    contractTopic (topic) {
      // Also of a shard that was this worker's before: its session may still have messages of it.
      const kind = shardTopic.exec(topic)?.[1]
      return kind === undefined ? topic : `${base}/${kind}`
    },
    agentTopics: shards.length === 0 ? Object.values(topics) : prefixes.flatMap(prefix => Object.keys(topics).map(kind => prefix + kind)),
    isSubscribedTo: topic => parsed.some(filter => filter !== undefined && matches(filter, topic.split('/')))
  }
}

/** Whether two options may stand for one broker: they have an address in common. */
export function isSameBroker (one: RemoteBrokerOptions, other: RemoteBrokerOptions): boolean {
  const hosts = hostsOf(one)
  return hostsOf(other).some(host => hosts.includes(host))
}

function hostsOf ({ url }: RemoteBrokerOptions): string[] {
  return url.split(/[\s,]+/).filter(isMqttAddress).map(hostOf)
}

function invalid (detail: string, cause?: unknown): PlatziverseError {
  return new PlatziverseError('BROKER_OPTION_INVALID', detail, { cause })
}
