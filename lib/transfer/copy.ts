import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { countOf, type OpenDatabase } from './database.ts'
import { rowsOf, seriesTables, type SeriesTable } from './rows.ts'

/** Rows in one statement: SQLite takes no more than 500 of them, the others so many binds. */
const atOnce = { sqlite: 100, postgresql: 1_000, mysql: 1_000 } as const

export type Counts = Record<string, { from: number, to: number }>

/**
 * Copy all of a database into one that is empty, or into which a copy of it was begun: then it goes on there.
 * Nothing should write to either meanwhile.
 * @param progress told of each page
 * @returns rows of each table on both sides
 * @throws PlatziverseError TRANSFER_TARGET_IN_USE, with the target untouched; TRANSFER_COUNTS_DIFFER
 */
export async function copyDatabase (from: OpenDatabase, to: OpenDatabase, progress: (table: string, rows: number) => void): Promise<Counts> {
  await refuseOthers(from.knex, to.knex)
  for (const table of ['agents', 'series']) await copyById(from, to, table, progress)
  const ids = await from.knex('series').orderBy('id').pluck<number[]>('id')
  for (const table of Object.keys(seriesTables) as SeriesTable[]) {
    for (const id of ids) await copySeries(from, to, table, id, progress)
  }
  if (to.options.client === 'postgresql') {
    for (const table of ['agents', 'series']) await to.knex.raw(`select setval(pg_get_serial_sequence('${table}', 'id'), coalesce(max(id), 1), max(id) is not null) from ${table}`)
  }
  return await compare(from.knex, to.knex)
}

/** What is in the target has to come from the source, or both would be mixed. */
async function refuseOthers (from: Knex, to: Knex): Promise<void> {
  const uuids = new Map((await from('agents').select('id', 'uuid') as Array<{ id: number, uuid: string }>).map(({ id, uuid }) => [id, uuid]))
  const stranger = (await to('agents').select('id', 'uuid') as Array<{ id: number, uuid: string }>).find(({ id, uuid }) => uuids.get(id) !== uuid)
  if (stranger !== undefined) throw new PlatziverseError('TRANSFER_TARGET_IN_USE', `It has an agent ${stranger.uuid} of its own.`)
}

async function copyById (from: OpenDatabase, to: OpenDatabase, table: string, progress: (table: string, rows: number) => void): Promise<void> {
  const [newest] = await to.knex(table).max('id as id') as Array<{ id: number | null }>
  for (let last = Number(newest?.id ?? 0); ;) {
    const rows = await from.knex(table).where('id', '>', last).orderBy('id').limit(1_000) as Array<{ id: number, connected?: boolean | number }>
    if (rows.length === 0) return
    // SQLite and MariaDB have no booleans.
    await insert(to, table, rows.map(row => row.connected === undefined ? row : { ...row, connected: Boolean(row.connected) }))
    progress(table, rows.length)
    last = rows.at(-1)?.id ?? last
  }
}

async function copySeries (from: OpenDatabase, to: OpenDatabase, table: SeriesTable, id: number, progress: (table: string, rows: number) => void): Promise<void> {
  const newest = to.knex(table).where('series_id', id)
  for (const column of seriesTables[table]) void newest.orderBy(column, 'desc')
  const last = await newest.first<{ ts: number, seq?: number } | undefined>()
  for await (const rows of rowsOf(from.knex, table, id, last)) {
    await insert(to, table, rows)
    progress(table, rows.length)
  }
}

/** A page is there wholly or not at all: that is where a copy goes on. */
async function insert ({ knex, options }: OpenDatabase, table: string, rows: object[]): Promise<void> {
  await knex.transaction(async db => {
    const size = atOnce[options.client]
    for (let at = 0; at < rows.length; at += size) await db(table).insert(rows.slice(at, at + size))
  })
}

async function compare (from: Knex, to: Knex): Promise<Counts> {
  const counts: Counts = {}
  for (const table of ['agents', 'series', ...Object.keys(seriesTables)]) {
    const [ours, theirs] = [await countOf(from, table), await countOf(to, table)]
    counts[table] = { from: ours, to: theirs }
  }
  const differing = Object.entries(counts).filter(([, { from, to }]) => from !== to).map(([table, { from, to }]) => `${table} ${from} → ${to}`)
  if (differing.length > 0) throw new PlatziverseError('TRANSFER_COUNTS_DIFFER', `${differing.join(', ')}.`)
  return counts
}
