import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { kindOf } from '../store/dialects/database-kind.ts'
import { countOf, type OpenDatabase } from './database.ts'
import { rowsOf, seriesTables, type SeriesTable } from './rows.ts'

/** The tables whose rows have a number: its column, and the column by which the newer of two states of a row is known. */
const tables = { agents: ['id', 'last_seen_at'], series: ['id', 'last_ts'], retention: ['series_id', 'raw_from'] } as const

export type Counts = Record<string, { from: number, to: number }>

/**
 * Copy all of a database into an empty one, or go on with a copy that was interrupted. Nothing else should write to either meanwhile.
 * @param progress called after each page
 * @returns rows of each table on both sides
 * @throws PlatziverseError TRANSFER_TARGET_IN_USE, with the target untouched; TRANSFER_COUNTS_DIFFER
 */
export async function copyDatabase (from: OpenDatabase, to: OpenDatabase, progress: (table: string, rows: number) => void): Promise<Counts> {
  await refuseOthers(from.knex, to.knex)
  for (const [table, [key, newest]] of Object.entries(tables)) await copyByKey(from, to, { table, key, newest }, progress)
  const ids = await owned(from.knex, 'series').orderBy('id').pluck<number[]>('id')
  for (const table of Object.keys(seriesTables) as SeriesTable[]) {
    for (const id of ids) await copySeries(from, to, table, id, progress)
  }
  await kindOf(to.knex).continueIds?.(to.knex)
  return await compare(from.knex, to.knex)
}

/** Refuse a target with rows that do not come from the source: the two would be mixed. */
async function refuseOthers (from: Knex, to: Knex): Promise<void> {
  const agents = (knex: Knex) => knex('agents').select('id', 'uuid as name') as Promise<Named[]>
  const series = (knex: Knex) => knex('series').select('id', 'agent_id as agent', 'type as name') as Promise<Named[]>
  for (const [read, saying] of [
    [agents, (name: string) => `It has an agent ${name} of its own.`],
    [series, (name: string) => `It has a series ${name} of its own.`]
  ] as const) {
    const ours = new Map((await read(from)).map(row => [row.id, row]))
    const stranger = (await read(to)).find(({ id, agent, name }) => ours.get(id)?.name !== name || ours.get(id)?.agent !== agent)
    if (stranger !== undefined) throw new PlatziverseError('TRANSFER_TARGET_IN_USE', saying(stranger.name))
  }
}

/** An agent, or a series with the number of its agent. */
interface Named { id: number, name: string, agent?: number }

async function copyByKey (
  from: OpenDatabase, to: OpenDatabase, { table, key, newest }: { table: string, key: string, newest: string }, progress: (table: string, rows: number) => void
): Promise<void> {
  for (let last = 0; ;) {
    const rows = await owned(from.knex, table).where(key, '>', last).orderBy(key).limit(1_000) as Row[]
    if (rows.length === 0) return
    const there = new Map((await to.knex(table).whereBetween(key, [Number(rows[0]?.[key]), Number(rows.at(-1)?.[key])]) as Row[]).map(row => [row[key], Number(row[newest] ?? 0)]))
    // Since an interrupted copy, rows may have changed in the source; those that are newer in the target stay.
    const fresh = rows.filter(row => Number(row[newest] ?? 0) > (there.get(row[key]) ?? -1))
    // SQLite and MariaDB give numbers for booleans.
    await insert(to, table, fresh.map(row => row.connected === undefined ? row : { ...row, connected: Boolean(row.connected) }), key)
    progress(table, fresh.length)
    last = Number(rows.at(-1)?.[key])
  }
}

type Row = Record<string, unknown>

async function copySeries (from: OpenDatabase, to: OpenDatabase, table: SeriesTable, id: number, progress: (table: string, rows: number) => void): Promise<void> {
  const newest = to.knex(table).where('series_id', id)
  for (const column of seriesTables[table]) void newest.orderBy(column, 'desc')
  const last = await newest.first<{ ts: number, seq?: number } | undefined>()
  for await (const rows of rowsOf(from.knex, table, id, last)) {
    await insert(to, table, rows)
    progress(table, rows.length)
  }
}

/**
 * Insert a page in one transaction, so that an interrupted copy goes on after the last whole page.
 * @param key the key of rows of which the target may have an older state
 */
async function insert ({ knex }: OpenDatabase, table: string, rows: object[], key?: string): Promise<void> {
  await knex.transaction(async db => {
    const size = kindOf(knex).rowsPerInsert
    for (let at = 0; at < rows.length; at += size) {
      const page = db(table).insert(rows.slice(at, at + size))
      await (key === undefined ? page : page.onConflict(key).merge())
    }
  })
}

/**
 * The rows of a table that belong to an agent. What a forgotten one leaves until it is deleted stays behind: in the copy the agent's id
 * may become another's.
 */
function owned (knex: Knex, table: string): Knex.QueryBuilder {
  const agents = knex('agents').select('id')
  if (table === 'agents') return knex(table)
  if (table === 'series') return knex(table).whereIn('agent_id', agents)
  return knex(table).whereIn('series_id', knex('series').whereIn('agent_id', agents).select('id'))
}

async function compare (from: Knex, to: Knex): Promise<Counts> {
  const counts: Counts = {}
  const hasOwnerless = await from('series').whereNotIn('agent_id', from('agents').select('id')).first('id') !== undefined
  for (const table of [...Object.keys(tables), ...Object.keys(seriesTables)]) {
    const [ours, theirs] = [await countOf(hasOwnerless || table in tables ? owned(from, table) : from(table)), await countOf(to(table))]
    counts[table] = { from: ours, to: theirs }
  }
  const differing = Object.entries(counts).filter(([, { from, to }]) => from !== to).map(([table, { from, to }]) => `${table} ${from} → ${to}`)
  if (differing.length > 0) throw new PlatziverseError('TRANSFER_COUNTS_DIFFER', `${differing.join(', ')}.`)
  return counts
}
