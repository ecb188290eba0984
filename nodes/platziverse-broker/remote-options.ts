import { hash } from 'node:crypto'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import type { RemoteBrokerOptions } from '../../lib/broker/broker-options.ts'
import type { TlsOptions } from '../../lib/tls.ts'
import { wholeNumber } from '../shared/red.ts'
import { brokerDefaults as defaults, type BrokerConfig, type BrokerCredentials } from './config.ts'

const versions = ['auto', '5', '3.1.1'] as const
/** What MQTT has room for. */
const most = { keepalive: 65_535, receiveMaximum: 65_535, sessionExpiry: 2 ** 32 - 2 }

/** What the runtime needs to know beyond what the node saved. */
export interface Surroundings {
  id: string
  userDir: string | undefined
  /** Of the tls-config node, where there is one. */
  tls: TlsOptions | undefined
}

type Field = 'keepalive' | 'sessionHours' | 'receiveMaximum'

/** What a node saved, as the client of a broker elsewhere wants it. */
export function remoteOptionsOf (
  config: BrokerConfig, { user, password }: BrokerCredentials, { id, userDir, tls }: Surroundings
): RemoteBrokerOptions {
  const number = (field: Field): number => wholeNumber(config[field], Number(defaults[field]))
  return {
    url: config.url.trim(),
    ...user ? { username: user } : {},
    ...password ? { password } : {},
    ...tls === undefined ? {} : { tls },
    clientId: config.clientId.trim() || clientIdOf(id, userDir),
    ...userDir === undefined ? {} : { folder: join(userDir, 'platziverse-broker', `${id}-sessions`) },
    version: versions.find(version => version === config.version) ?? 'auto',
    group: config.group.trim(),
    shards: [...new Set(config.shards.split(/[\s,]+/).filter(shard => shard !== ''))],
    keepalive: Math.min(number('keepalive'), most.keepalive),
    sessionExpiry: Math.min(Math.max(1, number('sessionHours')) * 3600, most.sessionExpiry),
    receiveMaximum: Math.min(Math.max(1, number('receiveMaximum')), most.receiveMaximum),
    ...config.clientEvents === 'mosquitto' || config.clientEvents === 'emqx' ? { clientEvents: config.clientEvents } : {}
  }
}

/** The same after each restart, and another one for a second Node-RED on the same machine. */
function clientIdOf (id: string, userDir = '.'): string {
  return `platziverse-${hostname()}-${hash('sha1', resolve(userDir)).slice(0, 8)}-${id}`
}
