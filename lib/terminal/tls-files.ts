import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { reasonOf } from '../errors.ts'
import { invalid } from './texts/texts.ts'

/** Whom to trust, and who this client is: the options of every part of the command, in PEM. */
export const tlsOptions = {
  cafile: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' }
} as const

export interface TlsFiles { cafile?: string, cert?: string, key?: string }

/** As MQTT.js takes it. */
export interface TlsSettings { ca?: Buffer, cert?: Buffer, key?: Buffer }

/** The first of the options that is given. */
export function givenTls ({ cafile, cert, key }: TlsFiles): string | undefined {
  return cafile !== undefined ? '--cafile' : cert !== undefined ? '--cert' : key !== undefined ? '--key' : undefined
}

/** Reads the files. @throws PlatziverseError TERMINAL_OPTION_INVALID */
export function tlsOf (files: TlsFiles, url: string): TlsSettings {
  const given = givenTls(files)
  if (given === undefined) return {}
  if (!/^(mqtts|ssl|tls|wss):/.test(url)) throw invalid(`${given} needs an address that begins with mqtts or wss.`)
  const { cafile, cert, key } = files
  if ((cert === undefined) !== (key === undefined)) throw invalid('--cert and --key go together.')
  const settings = {
    ...cafile === undefined ? {} : { ca: certificateIn('cafile', cafile) },
    ...cert === undefined || key === undefined ? {} : { cert: certificateIn('cert', cert), key: read('key', key) }
  }
  try {
    createSecureContext(settings)
  } catch (error) {
    throw invalid(`TLS does not take these files: ${reasonOf(error)}.`, error)
  }
  return settings
}

/** TLS would pass over an authority that is none. */
function certificateIn (option: string, file: string): Buffer {
  const content = read(option, file)
  try {
    new X509Certificate(content)
    return content
  } catch (error) {
    throw invalid(`--${option} cannot be read: ${reasonOf(error)}.`, error)
  }
}

function read (option: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw invalid(`--${option} cannot be read: ${reasonOf(error)}.`, error)
  }
}
