import { PlatziverseError, reasonOf, type ErrorCode } from '../../../errors.ts'
import { codeOf, networkCodes, reasonWithoutStatement, tlsCode } from '../server-errors.ts'

/** By the number of the server's error, or the code of Node or the driver. */
const codes: Record<string | number, ErrorCode> = {
  ...networkCodes,
  HANDSHAKE_NO_SSL_SUPPORT: 'STORE_TLS_FAILED',
  HANDSHAKE_SSL_ERROR: 'STORE_TLS_FAILED',
  1021: 'STORE_DISK_FULL',
  1040: 'STORE_TOO_MANY_CONNECTIONS',
  1044: 'STORE_NOT_ALLOWED',
  1045: 'STORE_LOGIN_REFUSED',
  1046: 'STORE_DATABASE_UNKNOWN',
  1049: 'STORE_DATABASE_UNKNOWN',
  1114: 'STORE_DISK_FULL',
  1129: 'STORE_LOGIN_REFUSED',
  1130: 'STORE_LOGIN_REFUSED',
  1142: 'STORE_NOT_ALLOWED',
  1143: 'STORE_NOT_ALLOWED',
  1203: 'STORE_TOO_MANY_CONNECTIONS',
  1205: 'STORE_LOCKED',
  1226: 'STORE_TOO_MANY_CONNECTIONS',
  1227: 'STORE_NOT_ALLOWED',
  1251: 'STORE_LOGIN_REFUSED',
  1290: 'STORE_READ_ONLY',
  1698: 'STORE_LOGIN_REFUSED',
  1792: 'STORE_READ_ONLY',
  1820: 'STORE_LOGIN_REFUSED',
  1836: 'STORE_READ_ONLY',
  1862: 'STORE_LOGIN_REFUSED',
  3118: 'STORE_LOGIN_REFUSED',
  3159: 'STORE_TLS_FAILED',
  4151: 'STORE_LOGIN_REFUSED'
}

/** Where an error has one number of many, or none any more: Knex keeps only the text of what fails while it locks the schema. */
const patterns: Array<[RegExp, ErrorCode]> = [
  [/--(super-)?read-only|READ ONLY/, 'STORE_READ_ONLY'],
  [/ command denied to user /, 'STORE_NOT_ALLOWED'],
  [/^Lock wait timeout exceeded/, 'STORE_LOCKED'],
  [/\berrno: 28\b|\berror 28\b|No space left/i, 'STORE_DISK_FULL'],
  [tlsCode, 'STORE_TLS_FAILED'],
  [/^AUTH_SWITCH_/, 'STORE_LOGIN_REFUSED']
]

const duplicateKey = 1062
/** A deadlock, a row that changed meanwhile (MariaDB), and a table or column that another process made just now. */
const transient = [1213, 1020, 1050, 1060]
/** Values that are truncated, refused by a check, no UTF-8 or no number, where SQLSTATE does not say so. */
const refused = [1265, 1300, 1366, 1367, 3819]

/** A duplicate that the look for duplicates did not find is transient: another process stored it in between. */
export function isTransient (error: unknown): boolean {
  return transient.includes(numberOf(error)) || foundDuplicates(error)
}

export function foundDuplicates (error: unknown): boolean {
  // MySQL names the table, MariaDB does not.
  return numberOf(error) === duplicateKey && /'(metrics\.)?PRIMARY'/.test(reasonOf(error))
}

export function refusesData (error: unknown): boolean {
  return !foundDuplicates(error) && (refused.includes(numberOf(error)) || /^(2[23]|45)/.test(stateOf(error)))
}

/** An error of the server's, or of its driver's, in our words. @param name of the server */
export function explain (error: unknown, name: string): PlatziverseError {
  const reason = reasonWithoutStatement(error)
  if (/npm install mysql2|Cannot find (module|package)/.test(reason)) {
    return new PlatziverseError('STORE_DRIVER_MISSING', 'The package mysql2 is not there.', { cause: error })
  }
  const named = codeOf(error)
  const code = codes[numberOf(error)] ?? codes[named] ?? patterns.find(([pattern]) => pattern.test(named) || pattern.test(reason))?.[1]
  return new PlatziverseError(code ?? 'STORE_UNAVAILABLE', `${name}: ${reason}.`, { cause: error })
}

function numberOf (error: unknown): number {
  return Number((error as { errno?: unknown } | undefined)?.errno)
}

function stateOf (error: unknown): string {
  return String((error as { sqlState?: unknown } | undefined)?.sqlState)
}
