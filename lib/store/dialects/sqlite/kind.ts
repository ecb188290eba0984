import type { Knex } from 'knex'
import type { DatabaseKind } from '../database-kind.ts'
import { agentsPerBlock, isVisible } from './blocks.ts'

/** Pages of the log before they are moved into the file: many, because batches write the same pages again and again. */
export const pagesInLog = 2_000
/** The same while rows are deleted, each of which is on another page. */
const pagesInLogOfDeletion = 500

/** SQLite, whatever its driver. */
export const sqliteKind: DatabaseKind = {
  name: () => 'SQLite',
  version: 'sqlite_version()',
  rowsOf: result => result as Array<Record<string, unknown>>,
  // It takes at most 500 rows of values.
  rowsPerInsert: 100,
  given: column => `excluded.${column}`,

  // One connection writes at a time, and every transaction sees one moment.
  transact: (knex, work) => knex.transaction(work),
  snapshot: (knex, work) => knex.transaction(work),
  returnsChanged: true,
  lockRows: query => query,

  metricsAreView: true,
  settledTable: 'metrics_settled',
  deleteUnsettled,
  allMetrics: db => db.raw(`(select ts from metrics_settled union all
    select unsettled.ts from metrics_unsettled as unsettled join metrics_blocks as b on b.block = unsettled.block join json_each(unsettled.metrics) where ${isVisible('unsettled')}) as every`),

  // Moving a long log whose pages all differ would hold up the writer for too long.
  deletionSettings: { before: logOf(pagesInLogOfDeletion), after: logOf(pagesInLog) },
  releasePages
}

/** Metrics are deleted faster in whole rows than one by one. */
const rowsAtOnce = 4

async function deleteUnsettled (db: Knex, agentId: number, rows: number): Promise<{ deleted: number, isDone: boolean }> {
  const block = Math.floor(agentId / agentsPerBlock)
  const its = (): Knex.QueryBuilder => db('metrics_unsettled as unsettled').where({ 'unsettled.block': block, agent_id: agentId })
  const next = await its().orderBy('ts').limit(1).offset(Math.ceil(rows / rowsAtOnce)).first<{ ts: number } | undefined>('ts')
  const before = next === undefined ? Number.MAX_SAFE_INTEGER : next.ts + 1
  const [counted] = await its().joinRaw('cross join metrics_blocks as b on b.block = unsettled.block').where('ts', '<', before).whereRaw(isVisible('unsettled'))
    .select(db.raw('coalesce(sum((select count(*) from json_each(metrics))), 0) as n')) as Array<{ n: number }>
  for (const table of ['metrics_incoming', 'metrics_arrived']) await db(table).where({ block, agent_id: agentId }).where('ts', '<', before).delete()
  return { deleted: counted?.n ?? 0, isDone: next === undefined }
}

export function logOf (pages: number): string {
  return `pragma wal_autocheckpoint = ${pages}`
}

/** Pages that stay free, so that the next metrics do not make the file grow again. */
const spare = (pages: number): number => Math.floor(pages / 20)

/** Only a file created with `auto_vacuum` gives pages back. */
async function releasePages (knex: Knex, most: number): Promise<number> {
  if (await pragma(knex, 'auto_vacuum') !== 2) return 0
  const free = await pragma(knex, 'freelist_count')
  const tooMany = Math.min(most, free - spare(await pragma(knex, 'page_count')))
  if (tooMany <= 0) return 0
  await knex.raw(`pragma incremental_vacuum(${tooMany})`)
  return free - await pragma(knex, 'freelist_count')
}

async function pragma (knex: Knex, name: string): Promise<number> {
  const [row] = await knex.raw(`pragma ${name}`) as Array<Record<string, number>>
  return row?.[name] ?? 0
}
