import type { Sample } from '../messages.ts'
import type { Place } from '../place.ts'
import { mariadbRivals } from './mariadb.ts'
import { nodeSqliteRivals } from './node-sqlite.ts'
import { postgresqlRivals } from './postgresql.ts'
import { sqliteRivals } from './sqlite.ts'

/** A bare driver with one connection and one way to insert a batch. */
export interface RawConnection {
  /** On the main thread, while the batch before is under way. */
  prepare (samples: Sample[]): unknown
  /** Resolves when what was prepared is committed. */
  insert (batch: unknown): Promise<void>
  close (): Promise<void>
}

export interface Rival {
  name: string
  open (place: Place): Promise<RawConnection>
}

/** By the id of the database: the ways that were found fast; the fastest of them is what counts. */
export const rivals: Record<string, Rival[]> = {
  sqlite3: sqliteRivals,
  'node:sqlite': nodeSqliteRivals,
  postgresql: postgresqlRivals,
  mariadb: mariadbRivals
}

export async function openRival (name: string, place: Place): Promise<RawConnection> {
  const rival = Object.values(rivals).flat().find(rival => rival.name === name)
  if (rival === undefined) throw new RangeError(`There is no ${name}.`)
  return await rival.open(place)
}
