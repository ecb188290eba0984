import type { Knex } from 'knex'
import { PlatziverseError } from '../../../errors.ts'
import { writerMissing, type Dialect } from '../dialect.ts'
import type { ServerOptions } from '../options.ts'
import { PendingNewest } from '../pending-newest.ts'
import { codeOf } from '../server-errors.ts'
import { besidePreparations, nameOf, open, readerPreparations, writerPreparations } from './connection.ts'
import { divisionByZero, explain, foundDuplicates, isTransient, NotAlone, refusesData } from './errors.ts'

import {
  additions, arrivals, bindsOfAgents, bindsOfGoodbyes, bindsOfSeries, columns, columnsOf, disconnectAgents, existingMetrics, newestOf, ofLoneWriter, ofNobody, ofWriter,
  raiseNewest, upsertAgents, upsertSeries, waitForOthers
} from './statements.ts'

/**
 * PostgreSQL 13 or later through `pg`. A batch is one statement whose binds are arrays, one for each column.
 */
export function postgresqlDialect (options: ServerOptions): Dialect {
  const missing = () => writerMissing(nameOf(options))
  const pending = new PendingNewest({ raise: (db, rows) => db.raw(raiseNewest, newestOf(rows)), waitForOthers: db => db.raw(waitForOthers), missing })
  return {
    connect: () => open(options, { min: 1, max: 1 }, writerPreparations),

    disconnect: knex => knex.destroy(),

    read: () => open(options, { min: 0, max: options.poolSize }, readerPreparations),

    beside: () => open(options, { min: 0, max: 1 }, besidePreparations),

    async append (db, given) {
      const { messages, dirtyHours, writer } = given
      if (writer !== undefined && !pending.isAlone && pending.isThere) await pending.join(db, writer)
      const { latest, seen, kept } = pending.choose(given)
      const binds = [...columns(dirtyHours, 2), ...columnsOf(messages), ...newestOf(latest), ...columns(seen, 4)]
      try {
        await db.raw(additions(writer === undefined ? ofNobody : kept.length > 0 ? ofLoneWriter : ofWriter), writer === undefined ? binds : [writer.id, writer.beat, ...binds])
      } catch (error) {
        if (codeOf(error) !== divisionByZero) throw error
        if (kept.length === 0) throw missing()
        // There is another row, or ours is not there: written at once, it shows.
        pending.isAlone = false
        if (db.isTransaction === true) throw new NotAlone()
        return await this.append(db, given)
      }
      pending.keep(kept, db.isTransaction !== true)
    },

    pending,

    upsertAgents: async (db, agents, now) => rows(db, upsertAgents, bindsOfAgents(agents, now)),

    arrivals: async (db, agents) => (await rows<{ place: number }>(db, arrivals, bindsOfAgents(agents, 0))).map(({ place }) => place),

    disconnectAgents: async (db, goodbyes, now) => rows(db, disconnectAgents, bindsOfGoodbyes(goodbyes, now)),

    upsertSeries: async (db, series) => rows(db, upsertSeries, bindsOfSeries(series)),

    async existingMetrics (db, messages) {
      if (messages.length === 0) return new Set()
      const times = messages.map(([ts]) => ts)
      const found = await rows<{ key: string }>(db, existingMetrics, [...columnsOf(messages).slice(0, 3), Math.min(...times), Math.max(...times)])
      return new Set(found.map(({ key }) => key))
    },

    isTransient,
    foundDuplicates,
    refusesData,
    explain: error => error instanceof PlatziverseError ? error : explain(error, nameOf(options))
  }
}

async function rows<Row> (db: Knex, sql: string, binds: Array<string | number>): Promise<Row[]> {
  return (await db.raw(sql, binds) as { rows: Row[] }).rows
}
