import type { Knex } from 'knex'
import { PlatziverseError, reasonOf, type ErrorCode } from '../../../errors.ts'
import type { SqliteDriver } from '../../../sqlite/driver.ts'
import { numberText } from '../../../sqlite/number-text.ts'
import { openSqlite } from '../../../sqlite/open-sqlite.ts'
import { WatchedFile } from '../../../sqlite/watched-file.ts'
import { negativeZero, writerMissing, type Dialect, type MessageRow } from '../dialect.ts'

/** While a batch is written over the one before it, and while rows are deleted, each of which is on another page. */
export const pagesInLog = 2_000
export const pagesInLogOfDeletion = 500

/** Each takes one of Node's four threads for files and DNS while it reads. */
const mostReaders = 2

/**
 * The metrics in what `jsonOf` made: three columns of their keys, and the value. Half the work for SQLite of one array
 * for each metric, whose elements it would have to look up one by one.
 */
const metricsOf = (messages: string): string => `
  select cast(metric.key as integer) as series_id, ts, seq, metric.value as value, metric.type as kind
  from (
    select cast(key as integer) as ts, cast(substr(key, instr(key, '/') + 1) as integer) as seq, value as metrics
    from json_each(${messages})
  ), json_each(metrics) as metric`

/** A value in JSON; false, which SQLite takes for 0, is the negative zero. */
function jsonOfValue (value: number | string): string {
  if (typeof value === 'string') return JSON.stringify(value)
  return Object.is(value, -0) ? 'false' : numberText(value)
}

/** Messages as `{"ts/seq": {"series id": value, …}, …}`; a key may be there twice. */
function jsonOf (messages: MessageRow[]): string {
  const texts = messages.map(row => {
    let text = ''
    for (let i = 2; i < row.length; i += 2) {
      text += `${i > 2 ? ',' : ''}"${row[i]}":${jsonOfValue(row[i + 1] as number | string)}`
    }
    return `"${row[0]}/${row[1]}":{${text}}`
  })
  return `{${texts.join(',')}}`
}

/** What every connection is told first. */
const preparations = (isNew: boolean): string[] => [
  // Works in a new file only; it lets deleted metrics give their space back.
  ...isNew ? ['pragma auto_vacuum = incremental'] : [],
  'pragma journal_mode = wal',
  'pragma synchronous = full',
  // Pages of the log before they are moved into the file, 8 MB: most are written anew with every batch until then.
  `pragma wal_autocheckpoint = ${pagesInLog}`,
  // Rows are sorted there, no more than a batch.
  'pragma temp_store = memory'
]

const noWriter = 'the mark of the writer is missing'

/**
 * The view's trigger makes one statement, and so one trip to SQLite's thread and one commit, of everything that a steady
 * stream of metrics writes.
 */
const additions = [
  'create temp view additions as select null as messages, null as latest, null as seen, null as dirty_hours, null as writer, null as beat',
  `create temp trigger add_all instead of insert on additions begin
    select raise(abort, '${noWriter}') where new.writer is not null and not exists (select 1 from writers where id = new.writer and beat = new.beat);
    insert into metrics (series_id, ts, seq, value, text)
      select series_id, ts, seq, iif(kind = 'text', null, value), case kind when 'text' then value when 'false' then '${negativeZero}' end
      from (${metricsOf('new.messages')})
      -- Each page is looked for once; in the order of the messages most were read and written again and again.
      order by series_id, ts, seq;
    update series set last_ts = newest.value->>1,
        last_seq = newest.value->>2,
        last_value = iif(typeof(newest.value->>3) = 'text', null, newest.value->>3),
        last_text = case json_type(newest.value, '$[3]') when 'text' then newest.value->>3 when 'false' then '${negativeZero}' end
      from json_each(new.latest) as newest
      where series.id = newest.value->>0
        and (last_ts is null or last_ts < newest.value->>1 or (last_ts = newest.value->>1 and coalesce(last_seq, -1) < newest.value->>2));
    update agents set last_seen_at = max(last_seen_at, seen.value->>1), connected = 1, instance = seen.value->>2
      from json_each(new.seen) as seen
      where agents.id = seen.value->>0;
    insert or ignore into dirty_hours (series_id, ts) select value->>0, value->>1 from json_each(new.dirty_hours);
  end`
]

const codes: Record<string, [ErrorCode, string]> = {
  SQLITE_BUSY: ['STORE_LOCKED', 'is locked.'],
  SQLITE_LOCKED: ['STORE_LOCKED', 'is locked.'],
  SQLITE_READONLY: ['STORE_READ_ONLY', 'is read-only.'],
  SQLITE_PERM: ['STORE_READ_ONLY', 'may not be written.'],
  SQLITE_CANTOPEN: ['STORE_CANNOT_OPEN', 'cannot be opened.'],
  SQLITE_FULL: ['STORE_DISK_FULL', 'has no room: the disk is full.'],
  SQLITE_NOTADB: ['STORE_NOT_A_DATABASE', 'is no SQLite database.'],
  SQLITE_CORRUPT: ['STORE_NOT_A_DATABASE', 'is damaged.']
}

/**
 * SQLite through `sqlite3`: WAL and synchronous=FULL, so that a commit is on the disk; a batch is bound as JSON text,
 * which costs the main thread a microsecond per row and leaves the rest to SQLite's own thread.
 * @param filename absolute
 * @param driver absent: what there is
 */
export function sqliteDialect (filename: string, driver?: SqliteDriver): Dialect {
  const file = new WatchedFile(filename)
  return {
    async connect () {
      await file.makeWay()
      const knex = await openSqlite(filename, 1, preparations, driver)
      // A first look makes the log, where there is none yet.
      await knex('sqlite_master').first('name')
      file.opened()
      return knex
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
    read: () => openSqlite(filename, mostReaders, () => ['pragma query_only = 1'], driver, () => { file.check() }),

    async append (db, { messages, latest, seen, dirtyHours, writer }) {
      const newest = latest.map(([seriesId, ts, seq, value]) => `[${seriesId},${ts},${seq},${jsonOfValue(value)}]`)
      const others = [seen, dirtyHours].map(rows => JSON.stringify(rows))
      const binds = [jsonOf(messages), `[${newest.join(',')}]`, ...others, writer?.id ?? null, writer?.beat ?? null]
      try {
        await db.raw('insert into additions (messages, latest, seen, dirty_hours, writer, beat) values (?, ?, ?, ?, ?, ?)', binds as string[])
      } catch (error) {
        throw reasonOf(error).includes(noWriter) ? writerMissing(filename) : error
      }
    },

    upsertAgents: (db, agents, now) => rows(db, `
      insert into agents (uuid, username, name, hostname, pid, connected, connected_at, last_seen_at, instance, created_at, updated_at)
      select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9, value->>9 from json_each(?) where true
      on conflict (uuid) do update set
        username = coalesce(excluded.username, username),
        name = coalesce(excluded.name, name),
        hostname = coalesce(excluded.hostname, hostname),
        pid = coalesce(excluded.pid, pid),
        connected = excluded.connected,
        connected_at = case when connected then connected_at else excluded.connected_at end,
        last_seen_at = max(coalesce(last_seen_at, 0), excluded.last_seen_at),
        instance = excluded.instance,
        updated_at = excluded.updated_at
      returning id, uuid`,
    agents.map(({ uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance }) =>
      [uuid, username, name, hostname, pid, connected ? 1 : 0, connectedAt, lastSeenAt, instance, now])),

    disconnectAgents: (db, uuids, instance, now) => rows(db, `
      update agents set connected = iif(coalesce(instance, left_agents.value->>1) = left_agents.value->>1, 0, connected), updated_at = left_agents.value->>2
      from json_each(?) as left_agents
      where uuid = left_agents.value->>0 returning agents.id, uuid`,
    uuids.map(uuid => [uuid, instance, now])),

    upsertSeries: (db, series) => rows(db, `
      insert into series (agent_id, type) select value->>0, value->>1 from json_each(?) where true
      on conflict (agent_id, type) do update set type = excluded.type
      returning id, agent_id as agentId, type`,
    series.map(({ agentId, type }) => [agentId, type])),

    async existingMetrics (db, messages) {
      const found = await db.raw(`
        select series_id || '/' || ts || '/' || seq as key from (${metricsOf('?')}) as wanted
        join metrics using (series_id, ts, seq)`, [jsonOf(messages)]) as Array<{ key: string }>
      return new Set(found.map(({ key }) => key))
    },

    isTransient: () => false,

    foundDuplicates: error => /UNIQUE constraint failed: metrics\./.test(reasonOf(error)),

    refusesData: error => ['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH', 'SQLITE_TOOBIG', 'SQLITE_RANGE'].includes(codeOf(error)) ||
      /malformed JSON|integer overflow/i.test(reasonOf(error)),

    explain (error) {
      if (error instanceof PlatziverseError) return error
      if (/npm install sqlite3|Cannot find (module|package)|bindings file/.test(reasonOf(error))) {
        return new PlatziverseError('STORE_DRIVER_MISSING', 'The package sqlite3 is not there, or not built for this machine.', { cause: error })
      }
      const [code, what] = codes[codeOf(error)] ?? ['STORE_UNAVAILABLE' as const, `failed: ${reasonWithoutStatement(error)}.`]
      return new PlatziverseError(code, `${filename} ${what}`, { cause: error })
    }
  }
}

function codeOf (error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code)
}

/** Knex puts the whole statement with its values before the reason; neither belongs into a log. */
function reasonWithoutStatement (error: unknown): string {
  const reason = reasonOf(error)
  return reason.slice(Math.max(0, reason.lastIndexOf('SQLITE_')))
}

/** Run a statement, whose one bind is `batch` as JSON text. */
async function rows<Row> (db: Knex, sql: string, batch?: unknown[]): Promise<Row[]> {
  return await db.raw(sql, batch === undefined ? [] : [JSON.stringify(batch)]) as Row[]
}
