import type { Database } from 'sqlite3'
import type { SqliteOptions } from '../../../lib/store/dialects/options.ts'
import { requireFromRoot } from '../../from-root.ts'
import { firstSeries, metricsPerMessage, type Sample } from '../messages.ts'
import type { Place } from '../place.ts'
import type { RawConnection, Rival } from './rivals.ts'
import { textOf } from './text.ts'

const { Database: Sqlite } = requireFromRoot('sqlite3') as typeof import('sqlite3')

const columns = 'insert into metrics_settled (series_id, ts, seq, value, text)'

/** One array for each metric: the statement that everybody finds. */
export const rowsOfJson = `${columns} select value->>0, value->>1, value->>2, value->>3, null from json_each(?)`
export const jsonOfRows = (samples: Sample[]): string =>
  `[${textOf(samples, (series, { ts, seq, value }) => `[${series},${ts},${seq},${value}]`)}]`

/** An object of the metrics of each message, whose key is its time and seq: less for SQLite to take apart. */
export const messagesOfJson = `${columns}
  select cast(metric.key as integer), cast(message.key as integer), cast(substr(message.key, 15) as integer), metric.value, null
  from json_each(?) as message, json_each(message.value) as metric`
export function jsonOfMessages (samples: Sample[]): string {
  return `{${samples.map(({ agent, ts, seq, value }) => {
    const first = firstSeries(agent)
    return `"${ts}/${seq}":{${Array.from({ length: metricsPerMessage }, (_, i) => `"${first + i}":${value}`).join(',')}}`
  }).join(',')}}`
}

/** In the order of the key, so that each page is looked for once. */
export const sortedMessagesOfJson = `${messagesOfJson} order by 1, 2, 3`

/** What makes them fast, at the same durability as ours. */
export const pragmas = 'pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 2000; pragma temp_store = memory'

export const sqliteRivals: Rival[] = [
  { name: 'sqlite3, json_each of rows', open: place => open(place, rowsOfJson, jsonOfRows) },
  { name: 'sqlite3, json_each of messages', open: place => open(place, messagesOfJson, jsonOfMessages) },
  { name: 'sqlite3, json_each of messages, sorted', open: place => open(place, sortedMessagesOfJson, jsonOfMessages) }
]

async function open ({ options }: Place, sql: string, prepare: (samples: Sample[]) => string): Promise<RawConnection> {
  const database = await new Promise<Database>((resolve, reject) => {
    const database = new Sqlite((options as SqliteOptions).filename)
    database.exec(pragmas, error => { if (error) reject(error); else resolve(database) })
  })
  const statement = database.prepare(sql)
  return {
    prepare,
    insert: batch => new Promise((resolve, reject) => { statement.run([batch], error => { if (error) reject(error); else resolve() }) }),
    close: () => new Promise((resolve, reject) => {
      statement.finalize(() => { database.close(error => { if (error) reject(error); else resolve() }) })
    })
  }
}
