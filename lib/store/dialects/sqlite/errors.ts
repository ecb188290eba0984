import { PlatziverseError, reasonOf, type ErrorCode } from '../../../errors.ts'
import { codeOf } from '../server-errors.ts'
import { withoutStatement } from '../without-statement.ts'

const codes: Record<string, [ErrorCode, string]> = {
  SQLITE_BUSY: ['STORE_LOCKED', 'is locked.'],
  SQLITE_LOCKED: ['STORE_LOCKED', 'is locked.'],
  SQLITE_READONLY: ['STORE_READ_ONLY', 'is read-only.'],
  SQLITE_PERM: ['STORE_READ_ONLY', 'may not be written.'],
  SQLITE_CANTOPEN: ['STORE_CANNOT_OPEN', 'cannot be opened.'],
  SQLITE_FULL: ['STORE_DISK_FULL', 'has no room: the disk is full.'],
  SQLITE_NOTADB: ['STORE_NOT_A_DATABASE', 'is not a SQLite database.'],
  SQLITE_CORRUPT: ['STORE_NOT_A_DATABASE', 'is damaged.']
}

/** Thrown where messages may have been stored before, and whether they were has to be looked up. */
export const mayBeThere = new Error('The keys of these metrics may be there already.')

export function foundDuplicates (error: unknown): boolean {
  return error === mayBeThere || /UNIQUE constraint failed: metrics_(incoming|settled)\b/.test(reasonOf(error))
}

export function refusesData (error: unknown): boolean {
  return ['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH', 'SQLITE_TOOBIG', 'SQLITE_RANGE'].includes(codeOf(error)) ||
    /malformed JSON|integer overflow/i.test(reasonOf(error))
}

/** An error of SQLite's, or of its driver's, in our words. */
export function explain (error: unknown, filename: string): PlatziverseError {
  if (/npm install sqlite3|Cannot find (module|package)|bindings file/.test(reasonOf(error))) {
    return new PlatziverseError('STORE_DRIVER_MISSING', 'The package sqlite3 is not there, or not built for this machine.', { cause: error })
  }
  const [code, what] = codes[codeOf(error)] ?? ['STORE_UNAVAILABLE' as const, `failed: ${withoutStatement(reasonOf(error))}.`]
  return new PlatziverseError(code, `${filename} ${what}`, { cause: error })
}
