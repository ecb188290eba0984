import { isAbsolute, join } from 'node:path'
import type { UserRecord } from '../../lib/broker/access/passwords.ts'
import { checkRule, ruleTexts, type Rule } from '../../lib/broker/access/rules.ts'
import type { BrokerOptions, Decide, ListenerOptions, TlsMaterial } from '../../lib/broker/broker-options.ts'
import { readLimits } from '../../lib/broker/limits.ts'
import { readOrigins } from '../../lib/broker/listening/web-origin.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import type { TlsOptions } from '../../lib/tls.ts'
import { wholeNumber } from '../shared/red.ts'
import { brokerDefaults as defaults, type BrokerConfig, type BrokerCredentials, type SavedListener, type SavedRule } from './config.ts'

/** What the runtime needs to know beyond what the node saved. */
export interface Surroundings {
  id: string
  userDir: string | undefined
  /** Of the tls-config node, where there is one. */
  tls: TlsOptions | undefined
  /** Decides on logins where the flow does. */
  decide: Decide
}

type Report = (error: PlatziverseError) => void

/**
 * What a node saved, as the broker wants it.
 * @param report gets what is wrong; the broker does without it
 */
export function brokerOptionsOf (
  config: BrokerConfig, credentials: BrokerCredentials, { id, userDir, tls, decide }: Surroundings, report: Report
): BrokerOptions {
  const first: ListenerOptions = { transport: 'tcp', host: config.host.trim(), port: portOf(config.port) }
  const origins = readOrigins(config.origins)
  const material = tlsMaterialOf(tls)
  const others = config.listeners.filter(({ transport }) => transport !== 'path').map(listener => listenerOf(listener, material, origins))
  return {
    listeners: [first, ...others],
    anonymous: config.anonymous === true,
    users: usersOf(credentials, config, report),
    ...config.login === 'flow' ? { decide } : {},
    rules: config.rules.flatMap(rule => ruleOf(rule, report)),
    limits: readLimits(config.limits),
    folder: config.persistence === 'disk' ? folderOf(config.folder, id, userDir) : undefined,
    sys: wholeNumber(config.sys, Number(defaults.sys))
  }
}

/** Not wholeNumber: a port that is not a number is an error, not the default. */
function portOf (saved: number | string): number {
  return saved === '' ? Number(defaults.port) : Number(saved)
}

function listenerOf (
  { transport, host, port, certificates }: SavedListener, tls: TlsMaterial | undefined, origins: string[]
): ListenerOptions {
  const options: ListenerOptions = {
    transport: transport as ListenerOptions['transport'],
    host: (host ?? '').trim(),
    port: port === '' ? Number.NaN : Number(port),
    ...transport === 'ws' || transport === 'wss' ? { origins } : {}
  }
  if (transport !== 'tls' && transport !== 'wss') return options
  return { ...options, certificates: certificates ?? 'none', ...tls === undefined ? {} : { tls } }
}

/** Nobody can log in as this user; yet a broker with it is not open to every program of this machine, as one without users is. */
const nobody: UserRecord = { username: '', hash: '' }

function usersOf ({ users }: BrokerCredentials, { login, userCount }: BrokerConfig, report: Report): UserRecord[] {
  if (users === undefined || users === '') {
    if (Number(userCount) === 0 || login === 'flow') return []
    report(new PlatziverseError('BROKER_USERS_LOST', `The broker had ${userCount} users, and the credentials of the flows have none.`))
    return [nobody]
  }
  try {
    const records = JSON.parse(users) as UserRecord[]
    const isUser = ({ username, hash }: UserRecord): boolean => typeof username === 'string' && typeof hash === 'string'
    if (Array.isArray(records) && records.every(isUser)) return records
  } catch { /* reported below, without its content */ }
  report(new PlatziverseError('BROKER_USERS_INVALID', 'The users that were saved cannot be read.'))
  return [nobody]
}

/** A rule that cannot be read denies what it can: leaving out a `deny` would open what it closes. */
function ruleOf (saved: SavedRule, report: Report): Rule[] {
  const { subject, username, access, topic } = saved
  const rule: Rule = { subject, access, topic, ...subject === 'user' ? { username } : {} }
  const problem = checkRule(rule)
  if (problem === undefined) return [rule]
  report(new PlatziverseError('BROKER_RULE_INVALID', `The rule for ${JSON.stringify(topic)}: ${ruleTexts[problem]}`))
  return [{ subject: 'everyone', access: 'deny', topic: '#' }]
}

function folderOf (saved: string, id: string, userDir = process.cwd()): string {
  const folder = saved.trim() || join('platziverse-broker', id)
  return isAbsolute(folder) ? folder : join(userDir, folder)
}

/** undefined: there is no certificate with its key. */
function tlsMaterialOf ({ cert, key, pfx, ca, passphrase }: TlsOptions = {}): TlsMaterial | undefined {
  const others = { ...ca === undefined ? {} : { ca }, ...passphrase ? { passphrase } : {} }
  if (pfx !== undefined) return { pfx, ...others }
  return cert === undefined || key === undefined ? undefined : { cert, key, ...others }
}
