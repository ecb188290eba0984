import type { Writable } from 'node:stream'
import type { IClientOptions, MqttClient } from 'mqtt'
import { connectionFault } from '../connection-fault.ts'
import { PlatziverseError } from '../errors.ts'
import { readMqttAddress } from '../mqtt/address.ts'
import { HungUp, isOtherVersion, tooLarge } from '../mqtt/link/faults.ts'
import { connectGuarded } from '../mqtt/link/mqtt-guard.ts'
import { SpokenVersion } from '../mqtt/link/spoken-version.ts'
import { invalid } from './texts/texts.ts'
import { givenTls, tlsOf, tlsOptions, type TlsFiles } from './tls-files.ts'

/** The options that every part of the command has which connects on its own. */
export const linkOptions = {
  host: { type: 'string', short: 'h' },
  port: { type: 'string', short: 'p' },
  url: { type: 'string' },
  ...tlsOptions,
  username: { type: 'string', short: 'u' },
  password: { type: 'string', short: 'P' },
  pw: { type: 'string' },
  id: { type: 'string', short: 'i' },
  lang: { type: 'string' },
  help: { type: 'boolean' }
} as const

export interface LinkValues extends TlsFiles { host?: string, port?: string, url?: string, username?: string, password?: string, pw?: string, id?: string }

export interface Address {
  /** Without a login. */
  url: string
  options: IClientOptions
}

const usual = { host: '127.0.0.1', port: 8083 } as const

/** @throws PlatziverseError TERMINAL_OPTION_INVALID */
export function addressOf (values: LinkValues): Address {
  const { host, port, id } = values
  if (values.url !== undefined && (host !== undefined || port !== undefined)) throw invalid('--url stands instead of --host and --port: give it alone.')
  const machine = host?.includes(':') === true ? `[${host}]` : host ?? usual.host
  // As mosquitto_pub has it, files for TLS mean TLS.
  const scheme = givenTls(values) === undefined ? 'mqtt' : 'mqtts'
  const given = values.url ?? `${scheme}://${machine}:${numberOf('port', port, { least: 1, most: 65_535 }) ?? usual.port}`
  checkUrl(given, values.url === undefined ? '--host' : '--url')
  const { url, ...login } = readMqttAddress(given)
  const username = values.username ?? login.username
  const password = values.password ?? values.pw ?? login.password ?? (username === undefined ? undefined : process.env.PLATZIVERSE_PASSWORD)
  if (password !== undefined && username === undefined) throw invalid('A password needs a user: --username.')
  return {
    url,
    options: {
      ...username === undefined ? {} : { username },
      ...password === undefined ? {} : { password },
      ...id === undefined ? {} : { clientId: id },
      ...tlsOf(values, url)
    }
  }
}

/** @throws PlatziverseError TERMINAL_OPTION_INVALID */
export function checkUrl (url: string, option: string): void {
  if (!URL.canParse(url) || !/^(mqtts?|tcp|ssl|tls|wss?)(\+unix)?:$/.test(new URL(url).protocol)) throw invalid(`${option} gives no address such as mqtt://192.0.2.1:1883.`)
}

/** A number of an option, or its default. @throws PlatziverseError TERMINAL_OPTION_INVALID */
export function numberOf (name: string, text: string | undefined, { least, most }: { least: number, most: number }): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (text.trim() !== '' && Number.isInteger(number) && number >= least && number <= most) return number
  throw invalid(`--${name} must be a whole number from ${least} to ${most}, and is "${text}".`)
}

export type QoS = 0 | 1 | 2

export function qosOf (text: string | undefined): QoS {
  return (numberOf('qos', text, { least: 0, most: 2 }) ?? 0) as QoS
}

/** The largest packet that is taken, in bytes: a terminal may want more than agents send. */
const largestPacket = 16 * 1024 * 1024

export interface LinkHandler {
  /** A message was too large. */
  steppedOver (error: PlatziverseError): void
  /** A connection ended, or an attempt failed. */
  lost (reason: Error): void
}

/** A client that keeps trying, and has to subscribe on each connection. */
export function keepLinked (address: Address, handler: LinkHandler): MqttClient {
  return link(address, 1_000, handler)
}

/** Speaks MQTT 5, and 3.1.1 where the broker does not. @param reconnectPeriod ms; 0: tries once */
function link ({ url, options }: Address, reconnectPeriod: number, { steppedOver, lost }: LinkHandler): MqttClient {
  const spoken = new SpokenVersion()
  const client = connectGuarded(url, { ...options, protocolVersion: spoken.now, clean: true, connectTimeout: 10_000, reconnectPeriod, resubscribe: false }, {
    largest: largestPacket,
    steppedOver: packet => { steppedOver(tooLarge(packet, largestPacket)) }
  })
  let cause: Error | undefined
  let isLetIn = false
  client.on('connect', () => {
    isLetIn = true
    spoken.letIn()
  })
  client.on('disconnect', packet => { cause ??= new HungUp(packet) })
  client.on('error', error => { cause ??= error })
  client.on('close', () => {
    const [reason, wasLetIn] = [cause, isLetIn]
    cause = undefined
    isLetIn = false
    const isOver = client.disconnecting || client.disconnected
    const isOfVersion = !wasLetIn && (reason === undefined || isOtherVersion(Number((reason as { code?: unknown }).code)))
    const isOtherTried = !isOver && isOfVersion && spoken.refused(reason !== undefined)
    client.options.protocolVersion = spoken.now
    if (isOtherTried) client.connect()
    else lost(reason ?? new Error('the broker closed the connection'))
  })
  return client
}

/** Has a client take no message while `output` is full: the broker then sends no more, and what nobody reads fills no memory. */
export function paceBy (client: MqttClient, output: Writable): void {
  client.handleMessage = (_packet, next) => {
    if (output.writableNeedDrain) output.once('drain', () => { next() })
    else next()
  }
}

/**
 * Connect, do something and go.
 * @throws PlatziverseError TERMINAL_UNREACHABLE, or what `work` throws
 */
export async function linked (address: Address, work: (client: MqttClient) => Promise<void>): Promise<void> {
  let fail: (reason: Error) => void = () => undefined
  const gone = new Promise<never>((_resolve, reject) => { fail = reason => { reject(unreachable(reason)) } })
  // Whoever waits has it; at the end nobody does.
  gone.catch(() => undefined)
  const client = link(address, 0, { steppedOver: () => undefined, lost: reason => { fail(reason) } })
  try {
    await Promise.race([new Promise(resolve => { client.once('connect', resolve) }), gone])
    await Promise.race([work(client), gone])
    client.removeAllListeners('close')
    await client.endAsync()
  } finally {
    client.end(true)
  }
}

export function unreachable (cause: unknown): PlatziverseError {
  return new PlatziverseError('TERMINAL_UNREACHABLE', `No connection: ${connectionFault(cause).text}.`, { cause })
}
