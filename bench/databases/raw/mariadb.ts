import { createConnection } from 'mysql2/promise'
import type { ServerOptions } from '../../../lib/store/dialects/options.ts'
import type { Sample } from '../messages.ts'
import type { Place } from '../place.ts'
import type { RawConnection, Rival } from './rivals.ts'
import { jsonOfRows } from './sqlite.ts'
import { textOf } from './text.ts'

const columns = 'insert into metrics (series_id, ts, seq, value)'

/** Written by hand: the driver's own way, `values ?`, takes longer. */
const values = (samples: Sample[]): string =>
  `${columns} values ${textOf(samples, (series, { ts, seq, value }) => `(${series},${ts},${seq},${value})`)}`

const jsonTable = `${columns}
  select * from json_table(?, '$[*]' columns (
    series_id int path '$[0]', ts bigint path '$[1]', seq bigint path '$[2]', value double path '$[3]'
  )) as given`

export const mariadbRivals: Rival[] = [
  { name: 'mysql2, multi-row VALUES', open: place => open(place, samples => [values(samples)]) },
  { name: 'mysql2, JSON_TABLE', open: place => open(place, samples => [jsonTable, [jsonOfRows(samples)]]) }
]

type Query = [sql: string, binds?: string[]]

async function open ({ options }: Place, prepare: (samples: Sample[]) => Query): Promise<RawConnection> {
  const { host, port, user, password, database } = options as ServerOptions
  const connection = await createConnection({ host, port, user, password, database } as Parameters<typeof createConnection>[0])
  return {
    prepare,
    insert: async batch => { await connection.query(...batch as [string, string[]]) },
    close: () => connection.end()
  }
}
