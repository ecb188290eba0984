import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { PlatziverseError, reasonOf } from '../errors.ts'
import { urlSchemes, type DatabaseOptions, type ServerOptions } from '../store/dialects/options.ts'
import type { TlsOptions } from '../tls.ts'

const clients = Object.keys(urlSchemes) as Array<ServerOptions['client']>

/**
 * A database as a command line names it: the URL of a server, or a SQLite file.
 * @param security `tls`: speak TLS; `ca`: a PEM file with the authority
 * @throws PlatziverseError TRANSFER_OPTION_INVALID
 */
export function databaseAt (address: string, { tls = false, ca }: { tls?: boolean | undefined, ca?: string | undefined } = {}): DatabaseOptions {
  if (address === '') throw new PlatziverseError('TRANSFER_OPTION_INVALID', 'The address of a database is empty.')
  // A single letter is a drive of Windows.
  const [scheme] = /^[a-z][a-z\d+.-]+:(\/\/)?/i.exec(address) ?? []
  if (scheme === undefined) return { client: 'sqlite', filename: resolve(address) }
  const client = scheme.endsWith('//') ? clients.find(client => urlSchemes[client].includes(scheme.slice(0, -2).toLowerCase())) : undefined
  // Not the address itself: it has a password.
  if (client === undefined) throw new PlatziverseError('TRANSFER_OPTION_INVALID', `${scheme} is none of ${Object.values(urlSchemes).flat().map(known => `${known}//`).join(', ')}.`)
  return { client, url: address.replace(/^mariadb:/i, 'mysql:'), poolSize: 1, tls: tls || ca !== undefined ? authority(ca) : undefined }
}

function authority (file: string | undefined): TlsOptions {
  if (file === undefined) return {}
  try {
    return { ca: readFileSync(file) }
  } catch (cause) {
    throw new PlatziverseError('TRANSFER_OPTION_INVALID', `--ca: ${reasonOf(cause)}.`, { cause })
  }
}
