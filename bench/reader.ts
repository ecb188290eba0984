import { DatabaseSync } from 'node:sqlite'

/**
 * Ask a contestant's database one number, with Node's own SQLite rather than the driver under test.
 * @param timeout ms to wait for the contestant's lock
 * @returns undefined while there is no file, no table, or still a lock
 */
export function readNumber (filename: string, sql: string, timeout = 10_000): number | undefined {
  let database
  try {
    database = new DatabaseSync(filename, { readOnly: true, timeout })
    return Number(database.prepare(sql).get()?.['n'] ?? 0)
  } catch (error) {
    if (/no such table|unable to open|database is locked/.test((error as Error).message)) return undefined
    throw error
  } finally {
    database?.close()
  }
}
