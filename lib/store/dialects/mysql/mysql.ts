import type { Knex } from 'knex'
import { PlatziverseError } from '../../../errors.ts'
import type { AgentRow } from '../agent-columns.ts'
import { writerMissing, type Additions, type Dialect, type LatestRow, type MessageRow, type WrittenAgent, type WriterMark } from '../dialect.ts'
import type { ServerOptions } from '../options.ts'
import { PendingNewest } from '../pending-newest.ts'
import { nameOf, openBeside, openReaders, openWriter } from './connection.ts'
import { explain, foundDuplicates, isTransient, refusesData } from './errors.ts'
import { change, mostCharacters, run, select } from './run.ts'

import {
  addDirtyHours, addMetrics, addSeries, arrivals, disconnectAgents, existingMetrics, findAgents, findSeries, hex, markSeen, rememberLatest, textsOf, tupleOfArrival,
  tupleOfGoodbye, valuesOf, valuesOfAgent, writeAgents
} from './statements.ts'

/**
 * MySQL from 8.0.17 and MariaDB from 10.6 on, through `mysql2`. Metrics are rows of values, which the
 * server takes in less time than JSON; everything else is bound as JSON text and taken apart by its JSON_TABLE.
 */
export function mysqlDialect (options: ServerOptions): Dialect {
  let warned = false
  const missing = () => writerMissing(nameOf(options))
  // Rows that are locked for sharing while something is kept back.
  const pending = new PendingNewest({ raise, waitForOthers: db => db('writers').forUpdate().select('id'), missing })
  return {
    async connect () {
      const knex = await openWriter(options)
      try {
        // It applies to the whole server and is its administrator's choice, so it is neither changed nor refused.
        if (!warned) warned = await warnOfLoss(knex, nameOf(options))
        return knex
      } catch (error) {
        await knex.destroy().catch(() => undefined)
        throw error
      }
    },

    disconnect: knex => knex.destroy(),

    read: () => openReaders(options),

    beside: () => openBeside(options),

    async append (db, additions) {
      const isWhole = db.isTransaction !== true
      pending.keep(isWhole ? await db.transaction(tx => append(tx, pending, missing, additions)) : await append(db, pending, missing, additions), isWhole)
    },

    pending,

    async upsertAgents (db, agents, now) {
      const uuids = agents.map(({ uuid }) => uuid)
      const ids = new Map((await find(db, uuids)).map(({ id, uuid }) => [uuid, id]))
      // Known agents go by their id: a row without one uses up a number of the id's sequence, even if it is there.
      const known = agents.filter(({ uuid }) => ids.has(uuid)).map(agent => ({ ...agent, id: ids.get(agent.uuid) as number }))
      const fresh = agents.filter(({ uuid }) => !ids.has(uuid)).map(agent => ({ ...agent, id: null }))
      await write(db, known.sort((a, b) => a.id - b.id), now)
      await write(db, fresh.sort((a, b) => a.uuid < b.uuid ? -1 : 1), now)
      return await find(db, uuids)
    },

    async arrivals (db, agents) {
      return (await select<{ place: number }>(db, arrivals, agents.map(tupleOfArrival))).map(({ place }) => place)
    },

    async disconnectAgents (db, goodbyes, now) {
      await change(db, disconnectAgents, goodbyes.toSorted((a, b) => a.uuid < b.uuid ? -1 : 1).map(goodbye => tupleOfGoodbye(goodbye, now)))
      return await find(db, goodbyes.map(({ uuid }) => uuid))
    },

    async upsertSeries (db, series) {
      const wanted = series.map(({ agentId, type }): [number, string] => [agentId, type])
      const asked = wanted.map(([agentId, type]): [number, string] => [agentId, hex(type)])
      const there = await select<SeriesFound>(db, findSeries, asked)
      const known = new Set(there.map(({ agentId, type }) => `${agentId}/${type}`))
      const missing = wanted.filter(([agentId, type]) => !known.has(`${agentId}/${type}`))
      if (missing.length === 0) return there
      missing.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1))
      await run(db, addSeries, [missing])
      return await select<SeriesFound>(db, findSeries, asked)
    },

    async existingMetrics (db, messages) {
      const keys = messages.flatMap(([ts, seq, ...seriesAndValues]) => seriesAndValues.filter((_, i) => i % 2 === 0).map(seriesId => [seriesId, ts, seq]))
      const found = await select<{ series_id: number, ts: number, seq: number }>(db, existingMetrics, keys)
      return new Set(found.map(({ series_id, ts, seq }) => `${series_id}/${ts}/${seq}`))
    },

    foundDuplicates,
    isTransient,
    refusesData,
    explain: error => error instanceof PlatziverseError ? error : explain(error, nameOf(options))
  }
}

/** Warn if the server acknowledges before the data is on disk. @returns whether it warned */
async function warnOfLoss (knex: Knex, name: string): Promise<boolean> {
  const [[{ flush, log, sync }]] = await knex.raw('select @@innodb_flush_log_at_trx_commit as flush, @@log_bin as log, @@sync_binlog as sync') as [[Record<'flush' | 'log' | 'sync', number>]]
  // What the binary log lacks after a crash is rolled back.
  const setting = [0, 2].includes(flush) ? `innodb_flush_log_at_trx_commit = ${flush}` : log === 1 && sync !== 1 ? `sync_binlog = ${sync}` : undefined
  if (setting === undefined) return false
  process.emitWarning(`${name} has ${setting}: when it crashes, it forgets messages that were acknowledged. Set it to 1.`, { code: 'STORE_NOT_DURABLE' })
  return true
}

interface SeriesFound { id: number, agentId: number, type: string }

/**
 * Agents, then series, then metrics, as in a batch of new agents, and each table's rows in the order of their keys: every process
 * takes its locks in the same order, or two would run into one deadlock after another.
 */
async function append (db: Knex, pending: PendingNewest, missing: () => Error, additions: Additions): Promise<LatestRow[]> {
  const { messages, dirtyHours, writer } = additions
  let chosen = pending.choose(additions)
  if (writer !== undefined) {
    if (!await isThere(db, writer, chosen.kept.length > 0)) throw missing()
    if (chosen.kept.length > 0 && await db('writers').whereNot('id', writer.id).first('id') !== undefined) {
      pending.isAlone = false
      chosen = pending.choose(additions)
    }
    if (!pending.isAlone && pending.isThere) await pending.join(db, writer)
  }
  const { latest, seen, kept } = chosen
  await change(db, markSeen, seen.map(([id, at, instance, spokeAt]) => [id, at, hex(instance), spokeAt] as const).sort((a, b) => a[0] - b[0]))
  await raise(db, latest)
  await insertMetrics(db, messages.toSorted((a, b) => Number(a[2]) - Number(b[2]) || a[0] - b[0] || a[1] - b[1]))
  await change(db, addDirtyHours, dirtyHours.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]))
  return kept
}

/** Write newest values where no newer ones are. */
async function raise (db: Knex, latest: LatestRow[]): Promise<void> {
  await change(db, rememberLatest, latest.map(([id, ts, seq, value]) => [id, ts, seq, ...textsOf(value)] as const).sort((a, b) => a[0] - b[0]))
}

/** Whether the writer's row is there. @param isShared lock it, so that who waits for all of them waits for this transaction */
async function isThere (db: Knex, writer: WriterMark, isShared: boolean): Promise<boolean> {
  const row = db('writers').where(writer)
  return await (isShared ? row.forShare() : row).first('id') !== undefined
}

async function find (db: Knex, uuids: string[]): Promise<WrittenAgent[]> {
  if (uuids.length === 0) return []
  return await run(db, findAgents, [uuids])
}

async function write (db: Knex, agents: Array<AgentRow & { id: number | null }>, now: number): Promise<void> {
  if (agents.length > 0) await run(db, writeAgents, [agents.map(agent => valuesOfAgent(agent.id, agent, now))])
}

async function insertMetrics (db: Knex, messages: MessageRow[]): Promise<void> {
  let rows = ''
  const add = () => db.raw(addMetrics + rows)
  for (const message of messages) {
    const values = valuesOf(message)
    if (rows.length + values.length > mostCharacters && rows !== '') {
      await add()
      rows = ''
    }
    rows += rows === '' ? values : `,${values}`
  }
  if (rows !== '') await add()
}
