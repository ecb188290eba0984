import type { Knex } from 'knex'
import { PlatziverseError, reasonOf, type ErrorCode } from '../../../errors.ts'
import { valueAndText, writerMissing, type Additions, type AgentRow, type Dialect, type MessageRow } from '../dialect.ts'
import type { ServerOptions } from '../options.ts'
import { collation, nameOf, openBeside, openReaders, openWriter } from './server.ts'

/**
 * The rows of a bind, an array of arrays as JSON; what a row lacks at its end is null. A text is in it as `hex`, and read by
 * `textOf`: MariaDB 10.6.7 leaves the escapes of JSON as they are.
 */
const rowsOf = (columns: string): string => {
  const paths = columns.split(', ').map((column, i) => `${column} path '$[${i}]'`)
  return `json_table(?, '$[*]' columns (${paths.join(', ')})) as given`
}
const hex = (text: string): string => Buffer.from(text).toString('hex')
const textOf = (column: string): string => `convert(unhex(${column}) using utf8mb4) collate ${collation}`

// Joined in the order of the given rows, so that two processes lock rows in the same order and do not deadlock.
const rememberLatest = `
  update ${rowsOf(`id int unsigned, ts bigint, seq bigint, value varchar(32), text text`)} straight_join series on series.id = given.id
  set series.last_ts = given.ts, series.last_seq = given.seq, series.last_value = nullif(given.value, ''), series.last_text = ${textOf('given.text')}
  where series.last_ts is null or series.last_ts < given.ts or (series.last_ts = given.ts and coalesce(series.last_seq, -1) < given.seq)`

const markSeen = `
  update ${rowsOf(`id int unsigned, last_seen_at bigint, instance text`)} straight_join agents on agents.id = given.id
  set agents.last_seen_at = greatest(agents.last_seen_at, given.last_seen_at), agents.connected = 1, agents.instance = ${textOf('given.instance')}`

/** `insert ignore` would forgive more than that the row is there. */
const addDirtyHours = `
  insert into dirty_hours (series_id, ts)
  select * from ${rowsOf('series_id int unsigned, ts bigint')}
  on duplicate key update ts = given.ts`

/** `connected_at` first: an assignment sees what those before it assigned. */
const writeAgents = `
  insert into agents (id, uuid, username, name, hostname, pid, connected, connected_at, last_seen_at, instance, created_at, updated_at)
  values ?
  on duplicate key update
    username = coalesce(values(username), username),
    name = coalesce(values(name), name),
    hostname = coalesce(values(hostname), hostname),
    pid = coalesce(values(pid), pid),
    connected_at = case when connected then connected_at else values(connected_at) end,
    connected = values(connected),
    last_seen_at = greatest(coalesce(last_seen_at, 0), values(last_seen_at)),
    instance = values(instance),
    updated_at = values(updated_at)`

const findAgents = 'select id, uuid from agents where uuid in (?)'

const disconnectAgents = `
  update agents set connected = case when coalesce(instance, ?) = ? then 0 else connected end, updated_at = ?
  where uuid in (?)`

const addSeries = 'insert into series (agent_id, type) values ? on duplicate key update type = values(type)'

const findSeries = `
  select series.id, series.agent_id as agentId, series.type
  from ${rowsOf('agent_id int unsigned, type text')}
  straight_join series on series.agent_id = given.agent_id and series.type = ${textOf('given.type')}`

const existingMetrics = `
  select metrics.series_id, metrics.ts, metrics.seq
  from ${rowsOf('series_id int unsigned, ts bigint, seq bigint')}
  straight_join metrics on metrics.series_id = given.series_id and metrics.ts = given.ts and metrics.seq = given.seq`

/** By the number of the server's error, or the code of Node or the driver. */
const codes: Record<string | number, ErrorCode> = {
  ENOTFOUND: 'STORE_HOST_UNKNOWN',
  EAI_AGAIN: 'STORE_HOST_UNKNOWN',
  ECONNREFUSED: 'STORE_REFUSED_CONNECTION',
  ETIMEDOUT: 'STORE_REFUSED_CONNECTION',
  EHOSTUNREACH: 'STORE_REFUSED_CONNECTION',
  ENETUNREACH: 'STORE_REFUSED_CONNECTION',
  EPROTO: 'STORE_TLS_FAILED',
  HANDSHAKE_NO_SSL_SUPPORT: 'STORE_TLS_FAILED',
  HANDSHAKE_SSL_ERROR: 'STORE_TLS_FAILED',
  1021: 'STORE_DISK_FULL',
  1040: 'STORE_TOO_MANY_CONNECTIONS',
  1044: 'STORE_NOT_ALLOWED',
  1045: 'STORE_LOGIN_REFUSED',
  1046: 'STORE_DATABASE_UNKNOWN',
  1049: 'STORE_DATABASE_UNKNOWN',
  1114: 'STORE_DISK_FULL',
  1129: 'STORE_LOGIN_REFUSED',
  1130: 'STORE_LOGIN_REFUSED',
  1142: 'STORE_NOT_ALLOWED',
  1143: 'STORE_NOT_ALLOWED',
  1203: 'STORE_TOO_MANY_CONNECTIONS',
  1205: 'STORE_LOCKED',
  1226: 'STORE_TOO_MANY_CONNECTIONS',
  1227: 'STORE_NOT_ALLOWED',
  1251: 'STORE_LOGIN_REFUSED',
  1290: 'STORE_READ_ONLY',
  1698: 'STORE_LOGIN_REFUSED',
  1792: 'STORE_READ_ONLY',
  1820: 'STORE_LOGIN_REFUSED',
  1836: 'STORE_READ_ONLY',
  1862: 'STORE_LOGIN_REFUSED',
  3118: 'STORE_LOGIN_REFUSED',
  3159: 'STORE_TLS_FAILED',
  4151: 'STORE_LOGIN_REFUSED'
}

/** Where an error has one number of many, or none any more: Knex keeps only the text of what fails while it locks the schema. */
const patterns: Array<[RegExp, ErrorCode]> = [
  [/--(super-)?read-only|READ ONLY/, 'STORE_READ_ONLY'],
  [/ command denied to user /, 'STORE_NOT_ALLOWED'],
  [/^Lock wait timeout exceeded/, 'STORE_LOCKED'],
  [/\berrno: 28\b|\berror 28\b|No space left/i, 'STORE_DISK_FULL'],
  [/^(CERT_|DEPTH_ZERO_|ERR_OSSL_|ERR_SSL_|ERR_TLS_|SELF_SIGNED_|UNABLE_TO_)/, 'STORE_TLS_FAILED'],
  [/^AUTH_SWITCH_/, 'STORE_LOGIN_REFUSED']
]

const duplicateKey = 1062
/** A deadlock, a row that changed meanwhile (MariaDB), and a table or column that another process made just now. */
const transient = [1213, 1020, 1050, 1060]
/** Values that are truncated, refused by a check, no UTF-8 or no number, where SQLSTATE does not say so. */
const refused = [1265, 1300, 1366, 1367, 3819]

/**
 * MySQL from 8.0.17 and MariaDB from 10.6 on, through `mysql2`. Metrics are rows of values, which the
 * server takes in less time than JSON; everything else is bound as JSON text and taken apart by its JSON_TABLE.
 */
export function mysqlDialect (options: ServerOptions): Dialect {
  let warned = false
  return {
    async connect () {
      const knex = await openWriter(options)
      // For all of the server and its administrator's choice, so neither changed nor refused.
      if (!warned) warned = await warnOfLoss(knex, nameOf(options))
      return knex
    },

    disconnect: knex => knex.destroy(),

    read: () => openReaders(options),

    beside: () => openBeside(options),

    async append (db, additions) {
      if (db.isTransaction !== true) return await db.transaction(transaction => this.append(transaction, additions))
      const { writer } = additions
      if (writer !== undefined && await db('writers').where(writer).first('id') === undefined) throw writerMissing(nameOf(options))
      await append(db, additions)
    },

    async upsertAgents (db, agents, now) {
      const uuids = agents.map(({ uuid }) => uuid)
      const ids = new Map((await find(db, uuids)).map(({ id, uuid }) => [uuid, id]))
      // Known ones by their id: a row without one takes a number of the id's sequence, also when it is there.
      const known = agents.filter(({ uuid }) => ids.has(uuid)).map(agent => ({ ...agent, id: ids.get(agent.uuid) as number }))
      const fresh = agents.filter(({ uuid }) => !ids.has(uuid)).map(agent => ({ ...agent, id: null }))
      await write(db, known.sort((a, b) => a.id - b.id), now)
      if (fresh.length === 0) return known
      await write(db, fresh.sort((a, b) => a.uuid < b.uuid ? -1 : 1), now)
      return await find(db, uuids)
    },

    async disconnectAgents (db, uuids, instance, now) {
      if (uuids.length > 0) await run(db, disconnectAgents, [instance, instance, now, [...uuids].sort()])
      return await find(db, uuids)
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

    foundDuplicates: isDuplicateMetric,

    // A duplicate that the look for duplicates did not find: another process stored it in between.
    isTransient: error => transient.includes(numberOf(error)) || isDuplicateMetric(error),

    refusesData: error => !isDuplicateMetric(error) && (refused.includes(numberOf(error)) || /^(2[23]|45)/.test(stateOf(error))),

    explain (error) {
      if (error instanceof PlatziverseError) return error
      const reason = reasonWithoutStatement(error)
      if (/npm install mysql2|Cannot find (module|package)/.test(reason)) {
        return new PlatziverseError('STORE_DRIVER_MISSING', 'The package mysql2 is not there.', { cause: error })
      }
      const named = String((error as { code?: unknown } | undefined)?.code)
      const code = codes[numberOf(error)] ?? codes[named] ?? patterns.find(([pattern]) => pattern.test(named) || pattern.test(reason))?.[1]
      return new PlatziverseError(code ?? 'STORE_UNAVAILABLE', `${nameOf(options)}: ${reason}.`, { cause: error })
    }
  }
}

/** Say so where the server acknowledges before its disk has it. @returns whether it was said */
async function warnOfLoss (knex: Knex, name: string): Promise<boolean> {
  const [[{ flush, log, sync }]] = await knex.raw('select @@innodb_flush_log_at_trx_commit as flush, @@log_bin as log, @@sync_binlog as sync') as [[Record<'flush' | 'log' | 'sync', number>]]
  // What the binary log lacks after a crash is rolled back.
  const setting = [0, 2].includes(flush) ? `innodb_flush_log_at_trx_commit = ${flush}` : log === 1 && sync !== 1 ? `sync_binlog = ${sync}` : undefined
  if (setting === undefined) return false
  process.emitWarning(`${name} has ${setting}: when it crashes, it forgets messages that were acknowledged. Set it to 1.`, { code: 'STORE_NOT_DURABLE' })
  return true
}

type Value = string | number | null
interface SeriesFound { id: number, agentId: number, type: string }

/**
 * Agents, then series, then metrics, which is also how a batch of new agents goes, and each table's rows in the order of
 * their keys: so every process takes its locks in the same order, or two would run into one deadlock after another.
 */
async function append (db: Knex, { messages, latest, seen, dirtyHours }: Additions): Promise<void> {
  await change(db, markSeen, seen.map(([id, at, instance]) => [id, at, hex(instance)] as const).sort((a, b) => a[0] - b[0]))
  await change(db, rememberLatest, latest.map(([id, ts, seq, value]) => [id, ts, seq, ...textsOf(value)] as const).sort((a, b) => a[0] - b[0]))
  await addMetrics(db, messages.toSorted((a, b) => Number(a[2]) - Number(b[2]) || a[0] - b[0] || a[1] - b[1]))
  await change(db, addDirtyHours, dirtyHours.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]))
}

async function find (db: Knex, uuids: string[]): Promise<Array<{ id: number, uuid: string }>> {
  if (uuids.length === 0) return []
  return await run(db, findAgents, [uuids])
}

async function write (db: Knex, agents: Array<AgentRow & { id: number | null }>, now: number): Promise<void> {
  if (agents.length === 0) return
  await run(db, writeAgents, [agents.map(({ id, uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance }) =>
    [id, uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance, now, now])])
}

async function addMetrics (db: Knex, messages: MessageRow[]): Promise<void> {
  let rows = ''
  const add = () => db.raw(`insert into metrics (series_id, ts, seq, value, text) values ${rows}`)
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

/** The rows of a message's metrics. Texts are in hexadecimal digits: nothing in them can become SQL. */
function valuesOf (message: MessageRow): string {
  const [ts, seq] = message
  let rows = ''
  for (let i = 2; i < message.length; i += 2) {
    const [value, text] = valueAndText(message[i + 1] as number | string)
    rows += `${i > 2 ? ',' : ''}(${message[i]},${ts},${seq},${value ?? 'null'},${text === null ? 'null' : `_utf8mb4 x'${hex(text)}'`})`
  }
  return rows
}

/**
 * A number as text: of 17 digits, one in four has another last digit once MySQL 8 has read it from JSON. None as '': a null
 * of JSON is a text to MySQL 8.0.19.
 */
function textsOf (given: number | string): [string] | [string, string] {
  const [value, text] = valueAndText(given)
  const number = value === null ? '' : String(value)
  return text === null ? [number] : [number, hex(text)]
}

/** Servers refuse statements of more than 4 to 64 MiB; each character is at most four bytes. */
const mostCharacters = 1_000_000

/** Rows as JSON, in as many parts as it takes. */
function partsOf (rows: ReadonlyArray<readonly Value[]>): string[] {
  if (rows.length === 0) return []
  const json = JSON.stringify(rows)
  if (json.length <= mostCharacters || rows.length === 1) return [json]
  const half = Math.ceil(rows.length / 2)
  return [...partsOf(rows.slice(0, half)), ...partsOf(rows.slice(half))]
}

async function change (db: Knex, sql: string, rows: ReadonlyArray<readonly Value[]>): Promise<void> {
  for (const part of partsOf(rows)) await run(db, sql, [part])
}

async function select<Row> (db: Knex, sql: string, rows: ReadonlyArray<readonly Value[]>): Promise<Row[]> {
  let found: Row[] = []
  for (const part of partsOf(rows)) found = found.concat(await run<Row>(db, sql, [part]))
  return found
}

/** @param binds an array in the place of a list; one of arrays in the place of rows */
async function run<Row> (db: Knex, sql: string, binds: unknown[]): Promise<Row[]> {
  const [rows] = await db.raw(sql, binds as Knex.Value[]) as [Row[]]
  return rows
}

function numberOf (error: unknown): number {
  return Number((error as { errno?: unknown } | undefined)?.errno)
}

function stateOf (error: unknown): string {
  return String((error as { sqlState?: unknown } | undefined)?.sqlState)
}

function isDuplicateMetric (error: unknown): boolean {
  // MySQL names the table, MariaDB does not.
  return numberOf(error) === duplicateKey && /'(metrics\.)?PRIMARY'/.test(reasonOf(error))
}

/** Knex puts the whole statement before the reason; it does not belong into a log. */
function reasonWithoutStatement (error: unknown): string {
  const reason = (error as { sqlMessage?: string } | undefined)?.sqlMessage ?? (reasonOf(error) || String((error as { code?: unknown } | undefined)?.code))
  const start = reason.lastIndexOf(' - ')
  return reason.slice(start < 0 ? 0 : start + 3).replace(/\.$/, '')
}
