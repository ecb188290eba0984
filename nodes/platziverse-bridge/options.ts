import type { BridgeTopic } from '../../lib/bridge/bridge.ts'
import type { BridgeNodeOptions } from '../../lib/registry/bridges.ts'
import type { TlsOptions } from '../../lib/tls.ts'
import type { Credentials } from '../shared/login.ts'
import { wholeNumber } from '../shared/red.ts'
import { bridgeDefaults as defaults, type BridgeConfig } from './config.ts'

const versions = ['auto', '5', '3.1.1'] as const

/** What a node saved, as the bridge wants it. */
export function bridgeOptionsOf (id: string, config: BridgeConfig, { user, password }: Credentials, tls?: TlsOptions): BridgeNodeOptions {
  const { broker, url, localUser, clientId, clean, version, bridgeBit, keepalive, buffer, megabytes, topics } = config
  return {
    id,
    broker,
    ...localUser ? { localUser } : {},
    url: url.trim(),
    ...user ? { username: user } : {},
    ...password ? { password } : {},
    ...tls === undefined ? {} : { tls },
    ...clientId ? { clientId } : {},
    clean: clean === true,
    version: versions.find(known => known === version) ?? 'auto',
    bridgeBit: bridgeBit !== false,
    keepalive: wholeNumber(keepalive, Number(defaults.keepalive)),
    buffer: {
      messages: wholeNumber(buffer, Number(defaults.buffer)),
      bytes: wholeNumber(megabytes, Number(defaults.megabytes)) * 1_000_000
    },
    topics: topics.map(({ direction, filter, qos, localPrefix = '', remotePrefix = '' }) => {
      return { direction, filter, qos: Number(qos) as BridgeTopic['qos'], localPrefix, remotePrefix }
    })
  }
}
