import type { Database } from 'sqlite3'
import { requireFromRoot } from '../../from-root.ts'

const { Database: Sqlite } = requireFromRoot('sqlite3') as typeof import('sqlite3')

/** The metrics and series of section 7 of the design, WAL and synchronous=FULL: what the package promises, no less. */
const schema = `
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table series (id integer primary key, uuid text not null, type text not null, unique (uuid, type));
  create table metrics (series_id integer not null, ts integer not null, seq integer not null, value real, text text,
    primary key (series_id, ts, seq)) without rowid;`

/** series id, ts, seq, value, text */
export type Row = [number, number, number, number | null, string | null]

export const insertRows = `insert into metrics (series_id, ts, seq, value, text)
  select value->>0, value->>1, value->>2, value->>3, value->>4 from json_each(?) where true on conflict do nothing`

export async function openDatabase (filename: string): Promise<Database> {
  return await new Promise((resolve, reject) => {
    const database = new Sqlite(filename)
    database.exec(schema, error => error ? reject(error) : resolve(database))
  })
}
