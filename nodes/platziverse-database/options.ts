import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PlatziverseError } from '../../lib/errors.ts'
import type { DatabaseOptions } from '../../lib/store/dialects/options.ts'
import type { KeptDays } from '../../lib/store/retention/policy.ts'
import type { RetentionOptions } from '../../lib/store/retention/retention.ts'
import type { SpoolOptions } from '../../lib/store/writer/spool.ts'
import type { TlsOptions } from '../../lib/tls.ts'
import { wholeNumber } from '../shared/red.ts'
import { readSaved } from '../shared/refusing.ts'
import { unsetIn } from '../shared/variables.ts'
import { databaseDefaults as defaults, mostGather, mostPrometheus, usualPorts, type DatabaseConfig, type DatabaseCredentials } from './config.ts'
import { upgrade } from './migrations.ts'

/** What the runtime needs to know beyond what the node saved. */
export interface Surroundings {
  id: string
  userDir: string | undefined
  /** Of the tls-config node, where there is one. */
  tls: TlsOptions | undefined
}

export interface ReadOptions {
  database: DatabaseOptions
  /** The same text for the same database, whatever node stands for it; without secrets. */
  identity: string
  /** ms that messages wait at the most for others to share their commit. */
  gather: number
  spool: SpoolOptions | undefined
  /** Most newest values that Prometheus gets; 0: none. */
  prometheus: number
  retention: RetentionOptions
}

/**
 * What a node saved, as the store wants it.
 * @throws PlatziverseError NODE_PROPERTY_INVALID
 */
export function databaseOptionsOf (
  saved: Partial<DatabaseConfig>, credentials: DatabaseCredentials, { id, userDir = '.', tls }: Surroundings
): ReadOptions {
  // As saved: a kind of null is an unknown one, and must not become SQLite.
  const { client = defaults.client } = saved
  const config = { ...readSaved(upgrade, saved), client }
  const spool = {
    filename: resolve(userDir, join('platziverse-spool', `${id}.sqlite`)),
    mostBytes: wholeNumber(config.spool, Number(defaults.spool)) * 1_000_000
  }
  return {
    ...databaseOf(config, credentials, userDir, tls),
    gather: Math.min(mostGather, wholeNumber(config.gather, Number(defaults.gather))),
    prometheus: Math.min(mostPrometheus, wholeNumber(config.prometheus, Number(defaults.prometheus))),
    // What is in a spool that was switched off was acknowledged: it still has to be stored.
    spool: spool.mostBytes > 0 || existsSync(spool.filename) ? spool : undefined,
    retention: {
      ...daysOf(config),
      overrides: config.overrides.map(override => ({ type: override.type, ...daysOf(override) }))
    }
  }
}

function databaseOf (
  config: DatabaseConfig, { user, password, url }: DatabaseCredentials, userDir: string, tls: TlsOptions | undefined
): Pick<ReadOptions, 'database' | 'identity'> {
  const { client } = config
  if (client === 'sqlite') {
    const filename = resolve(userDir, config.filename || defaults.filename)
    return { database: { client, filename, ...refusedBy(unsetIn(config, ['filename'])) }, identity: filename }
  }
  const isLost = config.hasLogin === true && !(config.connection === 'url' ? url : user || password)
  const refused = isLost
    ? new PlatziverseError('CREDENTIALS_LOST', 'The login of the database was lost with the credentials of the flows.')
    : unsetIn(config, config.connection === 'url' ? ['poolSize'] : ['host', 'port', 'database', 'poolSize'])
  const common = {
    client,
    ...refusedBy(refused),
    tls: config.secure === true ? tls ?? {} : undefined,
    poolSize: Math.max(1, wholeNumber(config.poolSize, Number(defaults.poolSize)))
  }
  if (config.connection === 'url') return { database: { ...common, url: url ?? '' }, identity: `${client} ${withoutSecrets(url)}` }
  // An empty host may be that of an empty variable: it must not become this machine.
  const { host, database } = config
  const port = wholeNumber(config.port, usualPorts[client])
  return { database: { ...common, host, port, user, password, database }, identity: `${client} ${host}:${port}/${database}` }
}

function refusedBy (refused: PlatziverseError | undefined): { refused?: PlatziverseError } {
  return refused === undefined ? {} : { refused }
}

function withoutSecrets (url = ''): string {
  if (!URL.canParse(url)) return ''
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

function daysOf ({ rawDays, hourDays, dayDays }: Partial<Pick<DatabaseConfig, keyof KeptDays>>): KeptDays {
  return { rawDays: wholeNumber(rawDays, 0), hourDays: wholeNumber(hourDays, 0), dayDays: wholeNumber(dayDays, 0) }
}
