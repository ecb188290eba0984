import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, parse } from 'node:path'
import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../../../errors.ts'
import type { SqliteDriver } from '../../../sqlite/driver.ts'
import { openSqlite } from '../../../sqlite/open-sqlite.ts'
import { WatchedFile } from '../../../sqlite/watched-file.ts'
import { agentTuple } from '../agent-columns.ts'
import { ofKind } from '../database-kind.ts'
import { writerMissing, type Dialect } from '../dialect.ts'
import { append } from './append.ts'
import { Arrived } from './arrived.ts'
import { Blocks } from './blocks.ts'
import { explain, foundDuplicates, refusesData } from './errors.ts'
import { logOf, pagesInLog, sqliteKind } from './kind.ts'
import { PendingRows } from './pending.ts'
import { settlingOf } from './settling.ts'
import { additions, arrivals, disconnectAgents, existingMetrics, jsonOf, noWriter, tupleOfGoodbye, upsertAgents, upsertSeries } from './statements.ts'

/** Each takes one of Node's four threads for files and DNS while it reads. */
const mostReaders = 2

/** The first statements on the writer's connection. */
const preparations = (isNew: boolean): string[] => [
  // Works in a new file only, and lets deleted metrics give their space back.
  ...isNew ? ['pragma auto_vacuum = incremental'] : [],
  'pragma journal_mode = wal',
  'pragma synchronous = full',
  // 8 MB: until they are moved into the file, most pages are written anew with every batch.
  logOf(pagesInLog),
  // Rows are sorted there, no more than a batch.
  'pragma temp_store = memory'
]

/**
 * SQLite through `sqlite3`: WAL and synchronous=FULL, so that a commit is on the disk; a batch is bound as JSON text,
 * which costs the main thread a microsecond per row and leaves the rest to SQLite's own thread.
 * @param filename absolute
 * @param driver absent: the one that is installed
 */
export function sqliteDialect (filename: string, driver?: SqliteDriver): Dialect {
  const file = new WatchedFile(filename)
  const blocks = new Blocks()
  const arrived = new Arrived()
  const pending = new PendingRows(() => { arrived.forget() })
  return {
    async connect () {
      blocks.forget()
      await file.makeWay()
      const knex = ofKind(sqliteKind, await openSqlite(filename, 1, preparations, driver))
      try {
        // The first query creates the log if there is none.
        await knex('sqlite_master').first('name')
        file.opened()
        return knex
      } catch (error) {
        await knex.destroy().catch(() => undefined)
        throw error
      }
    },

    async prepare (knex) {
      for (const statement of additions) await knex.raw(statement)
    },

    async disconnect (knex) {
      // Moved away, it has to be whole without its log; SQLite itself does so only for a file that is at its path.
      if (!file.isThere) await knex.raw('pragma wal_checkpoint(truncate)').catch(() => undefined)
      await knex.destroy()
    },

    check () { file.check() },

    // A connection made after the file was replaced would take the log of the old one for the log of the new one.
    read: async () => ofKind(sqliteKind, await openSqlite(filename, mostReaders, () => ['pragma query_only = 1'], driver, () => { file.check() })),

    async rehearse (work) {
      return existsSync(filename) ? await work(this) : await withFileBeside(filename, driver, work)
    },

    async append (db, additions) {
      try {
        await append(db, { blocks, arrived, pending }, additions)
      } catch (error) {
        throw reasonOf(error).includes(noWriter) ? writerMissing(filename) : error
      }
    },

    settling: settlingOf(blocks, pending, arrived),
    pending,

    upsertAgents: (db, agents, now) => rows(db, upsertAgents, agents.map(agent => agentTuple(agent, now))),

    arrivals: async (db, agents) => (await rows<{ place: number }>(db, arrivals, agents.map(agent => agentTuple(agent, 0)))).map(({ place }) => place),

    disconnectAgents: (db, goodbyes, now) => rows(db, disconnectAgents, goodbyes.map(goodbye => tupleOfGoodbye(goodbye, now))),

    upsertSeries: (db, series) => rows(db, upsertSeries, series.map(({ agentId, type }) => [agentId, type])),

    async existingMetrics (db, messages) {
      const found = await db.raw(existingMetrics, [jsonOf(messages)]) as Array<{ key: string }>
      return new Set(found.map(({ key }) => key))
    },

    isTransient: () => false,
    foundDuplicates,
    refusesData,
    explain: error => error instanceof PlatziverseError ? error : explain(error, filename)
  }
}

/** A store may create the file itself meanwhile, which must not be deleted then. */
async function withFileBeside<Result> (filename: string, driver: SqliteDriver | undefined, work: (dialect: Dialect) => Promise<Result>): Promise<Result> {
  const { dir, base } = parse(filename)
  const beside = join(dir, `.try-${randomUUID()}-${base}`)
  try {
    return await work(sqliteDialect(beside, driver))
  } catch (error) {
    if (!(error instanceof PlatziverseError)) throw error
    throw new PlatziverseError(error.code, error.detail.replaceAll(beside, filename), { cause: error })
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${beside}${end}`, { force: true }).catch(() => undefined)
  }
}

/** Run a statement, whose one bind is `batch` as JSON text. */
async function rows<Row> (db: Knex, sql: string, batch: unknown[]): Promise<Row[]> {
  return await db.raw(sql, [JSON.stringify(batch)]) as Row[]
}
