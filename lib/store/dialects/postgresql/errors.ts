import { PlatziverseError, type ErrorCode } from '../../../errors.ts'
import { codeOf, networkCodes, reasonWithoutStatement, tlsCode } from '../server-errors.ts'

/** The SQLSTATE by which `append` fails where the writer has no row. */
export const divisionByZero = '22012'

/** Another process writes too, which a transaction noticed: tried again, it keeps nothing back. */
export class NotAlone extends Error {}

/** By the SQLSTATE of the server, or the code of Node. */
const codes: Record<string, ErrorCode> = {
  ...networkCodes,
  ENOENT: 'STORE_REFUSED_CONNECTION',
  25006: 'STORE_READ_ONLY',
  28000: 'STORE_LOGIN_REFUSED',
  '28P01': 'STORE_LOGIN_REFUSED',
  '3D000': 'STORE_DATABASE_UNKNOWN',
  '3F000': 'STORE_NOT_ALLOWED',
  42501: 'STORE_NOT_ALLOWED',
  53100: 'STORE_DISK_FULL',
  53300: 'STORE_TOO_MANY_CONNECTIONS',
  '55P03': 'STORE_LOCKED'
}

/** Where an error has no code, or one of many. */
const patterns: Array<[RegExp, ErrorCode]> = [
  [tlsCode, 'STORE_TLS_FAILED'],
  [/ does not support SSL/, 'STORE_TLS_FAILED'],
  // The last one: the server asks for a kind of login, such as Kerberos, that the driver does not know.
  [/ SASL: |password must be a string|authenticationOk message type/, 'STORE_LOGIN_REFUSED'],
  [/timeout expired$|Query read timeout$/, 'STORE_REFUSED_CONNECTION']
]

/** Also when two processes make the same tables at the same time. */
export function isTransient (error: unknown): boolean {
  return error instanceof NotAlone || ['40001', '40P01', '42P07'].includes(codeOf(error)) || isDuplicate(error, /^pg_/)
}

export function foundDuplicates (error: unknown): boolean {
  return isDuplicate(error, /metrics_pkey$/)
}

/** Neither a duplicate, nor a sequence that ran out, would be different in another message. */
export function refusesData (error: unknown): boolean {
  return /^(2[23](?!505|00H)|21000|P0001)/.test(codeOf(error))
}

/** An error of the server's, or of its driver's, in our words. @param name of the server */
export function explain (error: unknown, name: string): PlatziverseError {
  const reason = reasonWithoutStatement(error)
  if (/npm install pg|Cannot find (module|package)/.test(reason)) {
    return new PlatziverseError('STORE_DRIVER_MISSING', 'The package pg is not there.', { cause: error })
  }
  const code = codes[codeOf(error)] ?? patterns.find(([pattern]) => pattern.test(codeOf(error)) || pattern.test(reason))?.[1]
  return new PlatziverseError(code ?? 'STORE_UNAVAILABLE', `${name}: ${reason}.`, { cause: error })
}

function isDuplicate (error: unknown, constraint: RegExp): boolean {
  // TimescaleDB names none for a compressed chunk, and only metrics are compressed.
  return codeOf(error) === '23505' && constraint.test((error as { constraint?: string }).constraint ?? 'metrics_pkey')
}
