import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import knexFactory, { type Knex } from 'knex'
import type { Client } from 'pg'
import { PlatziverseError, reasonOf, type ErrorCode } from '../../../errors.ts'
import { valueAndText, writerMissing, type Dialect, type LatestRow, type MessageRow } from '../dialect.ts'
import { guardReader } from '../guard-reader.ts'
import type { ServerOptions } from '../options.ts'

/** ms until a server that does not answer counts as away: first to let us in, then to run a statement. */
const connectPatience = 10_000
const answerPatience = 60_000

const oldestVersion = 130_000
const serverVersion = "select current_setting('server_version_num')::int as number, current_setting('server_version') as version"

/**
 * What the writer's connection is told first. The limits keep a lock of another program, or ours when this process
 * dies in a transaction, from stopping everybody. Acknowledged means committed, so a server that answers before its
 * disk does is told not to; one that waits for its standbys too goes on doing so. TimescaleDB's limit would refuse, again
 * and again, late metrics for which much has to be decompressed.
 */
const writerPreparations = `
  set statement_timeout = ${answerPatience - 10_000};
  set lock_timeout = 10000;
  set idle_in_transaction_session_timeout = 30000;
  set default_transaction_isolation = 'read committed';
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
  select set_config(name, '0', false) from pg_settings where name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'`

/**
 * Retention goes by keys alone, to a few rows of a large table: never by whatever the statistics, which are late when a table grows,
 * make look cheaper.
 */
const besidePreparations = `${writerPreparations};
  set enable_seqscan = off;
  set enable_sort = off;
  set enable_hashjoin = off;
  set enable_mergejoin = off;
  set jit = off`

const readerPreparations = `
  set statement_timeout = 30000;
  set default_transaction_read_only = on`

const divisionByZero = '22012'

/** The type of bigint columns and of counts. */
const int8 = 20

/**
 * One statement, and so one trip and one commit, for everything that a steady stream of metrics writes. It locks agents,
 * then series, then metrics, which is also how a batch of new agents goes, and each table's rows in the order of their
 * ids: two processes that write the same ones wait for each other and do not deadlock. (The server runs the statement
 * at the end first, then those before it from the last to the first.)
 */
const additions = (writer: string): string => `
  with writer as materialized (${writer}), dirty as (
    insert into dirty_hours (series_id, ts)
    select * from unnest(?::int[], ?::bigint[]) as dirty (series_id, ts) order by series_id, ts
    on conflict (series_id, ts) do update set ts = excluded.ts where false
  ), added as (
    insert into metrics (series_id, ts, seq, value, text)
    select * from unnest(?::int[], ?::bigint[], ?::bigint[], ?::float8[], ?::text[]) as metric (series_id, ts, seq, value, text)
    where (select here from writer) = 1
    order by series_id, ts, seq
  ), newest as (
    update series set last_ts = newest.ts, last_seq = newest.seq, last_value = newest.value, last_text = newest.text
    from (
      select series.id, ts, seq, value, text
      from unnest(?::int[], ?::bigint[], ?::bigint[], ?::float8[], ?::text[]) as latest (id, ts, seq, value, text) join series using (id)
      where last_ts is null or (last_ts, coalesce(last_seq, -1)) < (ts, seq)
      order by id for no key update of series
    ) as newest
    where series.id = newest.id
  )
  update agents set last_seen_at = greatest(agents.last_seen_at, seen.last_seen_at), connected = true, instance = seen.instance
  from (
    select agents.id, seen.last_seen_at, seen.instance
    from unnest(?::int[], ?::bigint[], ?::text[]) as seen (id, last_seen_at, instance) join agents using (id)
    where (select here from writer) = 1
    order by id for no key update of agents
  ) as seen
  where agents.id = seen.id`

/** Divides by zero where the row is not there: the one way for a statement to fail on purpose. */
const ofWriter = 'select 1 / count(*) as here from writers where id = ? and beat = ?'
const ofNobody = 'select 1 as here'

/** What an agent's row becomes, given the new one under the name `given`. */
const agentChanges = (given: string): string => `
  username = coalesce(${given}.username, agents.username),
  name = coalesce(${given}.name, agents.name),
  hostname = coalesce(${given}.hostname, agents.hostname),
  pid = coalesce(${given}.pid, agents.pid),
  connected = ${given}.connected,
  connected_at = case when agents.connected then agents.connected_at else ${given}.connected_at end,
  last_seen_at = greatest(agents.last_seen_at, ${given}.last_seen_at),
  instance = ${given}.instance,
  updated_at = ${given}.updated_at`

/**
 * Updates first and inserts only what is missing: `insert … on conflict` takes a number of the id's sequence for every
 * row, also for those that are there, and would use them all up in a few years of reconnecting agents.
 */
const upsertAgents = `
  with given as (
    select *, created_at as updated_at
    from unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::boolean[], ?::bigint[], ?::bigint[], ?::text[], ?::bigint[])
      as given (uuid, username, name, hostname, pid, connected, connected_at, last_seen_at, instance, created_at)
  ), there as (
    select agents.id, agents.uuid from agents join given using (uuid) order by id for no key update of agents
  ), updated as (
    update agents set ${agentChanges('given')}
    from there join given using (uuid)
    where agents.id = there.id
    returning agents.id, agents.uuid
  ), inserted as (
    insert into agents (uuid, username, name, hostname, pid, connected, connected_at, last_seen_at, instance, created_at, updated_at)
    select uuid, username, name, hostname, pid, connected, connected_at, last_seen_at, instance, created_at, updated_at
    from given where not exists (select from there where there.uuid = given.uuid) order by uuid
    on conflict (uuid) do update set ${agentChanges('excluded')}
    returning id, uuid
  )
  select id, uuid from updated union all select id, uuid from inserted`

const disconnectAgents = `
  update agents set connected = connected and coalesce(agents.instance, given.instance) <> given.instance, updated_at = given.updated_at
  from (
    select agents.id, given.instance, given.updated_at
    from unnest(?::text[]) as leaving (uuid) join agents using (uuid), (values (?::text, ?::bigint)) as given (instance, updated_at)
    order by id for no key update of agents
  ) as given
  where agents.id = given.id
  returning agents.id, agents.uuid`

const upsertSeries = `
  with given as (
    select * from unnest(?::int[], ?::text[]) as given (agent_id, type)
  ), there as (
    select series.id, series.agent_id, series.type from series join given using (agent_id, type)
  ), inserted as (
    insert into series (agent_id, type)
    select agent_id, type from given
    where not exists (select from there where there.agent_id = given.agent_id and there.type = given.type)
    order by agent_id, type
    on conflict (agent_id, type) do update set type = excluded.type
    returning id, agent_id, type
  )
  select id, agent_id as "agentId", type from there union all select id, agent_id, type from inserted`

/** Between the oldest and the newest: TimescaleDB would look into every chunk. */
const existingMetrics = `
  select series_id || '/' || ts || '/' || seq as key
  from unnest(?::int[], ?::bigint[], ?::bigint[]) as wanted (series_id, ts, seq) join metrics using (series_id, ts, seq)
  where metrics.ts between ?::bigint and ?::bigint`

/** By the SQLSTATE of the server, or the code of Node. */
const codes: Record<string, ErrorCode> = {
  ENOTFOUND: 'STORE_HOST_UNKNOWN',
  EAI_AGAIN: 'STORE_HOST_UNKNOWN',
  ECONNREFUSED: 'STORE_REFUSED_CONNECTION',
  ETIMEDOUT: 'STORE_REFUSED_CONNECTION',
  EHOSTUNREACH: 'STORE_REFUSED_CONNECTION',
  ENETUNREACH: 'STORE_REFUSED_CONNECTION',
  ENOENT: 'STORE_REFUSED_CONNECTION',
  EPROTO: 'STORE_TLS_FAILED',
  25006: 'STORE_READ_ONLY',
  28000: 'STORE_LOGIN_REFUSED',
  '28P01': 'STORE_LOGIN_REFUSED',
  '3D000': 'STORE_DATABASE_UNKNOWN',
  '3F000': 'STORE_NOT_ALLOWED',
  42501: 'STORE_NOT_ALLOWED',
  53100: 'STORE_DISK_FULL',
  53300: 'STORE_TOO_MANY_CONNECTIONS',
  '55P03': 'STORE_LOCKED'
}

/** Where an error has no code, or one of many. */
const patterns: Array<[RegExp, ErrorCode]> = [
  [/^(CERT_|DEPTH_ZERO_|ERR_OSSL_|ERR_SSL_|ERR_TLS_|SELF_SIGNED_|UNABLE_TO_)| does not support SSL/, 'STORE_TLS_FAILED'],
  // The last: a server that asks for a login of Kerberos, say, which the driver does not know.
  [/ SASL: |password must be a string|authenticationOk message type/, 'STORE_LOGIN_REFUSED'],
  [/timeout expired$|Query read timeout$/, 'STORE_REFUSED_CONNECTION']
]

/**
 * PostgreSQL 13 or later through `pg`. A batch is one statement whose binds are arrays, one for each column.
 */
export function postgresqlDialect (options: ServerOptions): Dialect {
  return {
    connect: () => open(options, { min: 1, max: 1 }, writerPreparations),

    disconnect: knex => knex.destroy(),

    read: () => open(options, { min: 0, max: options.poolSize }, readerPreparations),

    beside: () => open(options, { min: 0, max: 1 }, besidePreparations),

    async append (db, { messages, latest, seen, dirtyHours, writer }) {
      const binds = [...columns(dirtyHours, 2), ...columnsOf(messages), ...newestOf(latest), ...columns(seen, 3)]
      try {
        await db.raw(additions(writer === undefined ? ofNobody : ofWriter), writer === undefined ? binds : [writer.id, writer.beat, ...binds])
      } catch (error) {
        throw codeOf(error) === divisionByZero ? writerMissing(nameOf(options)) : error
      }
    },

    upsertAgents: async (db, agents, now) => rows(db, upsertAgents, columns(
      agents.map(({ uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance }) =>
        [uuid, username, name, hostname, pid, connected, connectedAt, lastSeenAt, instance, now]), 10)),

    disconnectAgents: async (db, uuids, instance, now) => rows(db, disconnectAgents, [arrayOf(uuids), instance, now]),

    upsertSeries: async (db, series) => rows(db, upsertSeries, columns(series.map(({ agentId, type }) => [agentId, type]), 2)),

    async existingMetrics (db, messages) {
      if (messages.length === 0) return new Set()
      const times = messages.map(([ts]) => ts)
      const found = await rows<{ key: string }>(db, existingMetrics, [...columnsOf(messages).slice(0, 3), Math.min(...times), Math.max(...times)])
      return new Set(found.map(({ key }) => key))
    },

    // Also when two processes make the same tables at the same time.
    isTransient: error => ['40001', '40P01', '42P07'].includes(codeOf(error)) || isDuplicate(error, /^pg_/),

    foundDuplicates: error => isDuplicate(error, /metrics_pkey$/),

    // Neither a duplicate, nor a sequence that ran out, would be different in another message.
    refusesData: error => /^(2[23](?!505|00H)|21000|P0001)/.test(codeOf(error)),

    explain (error) {
      if (error instanceof PlatziverseError) return error
      const reason = reasonWithoutStatement(error)
      if (/npm install pg|Cannot find (module|package)/.test(reason)) {
        return new PlatziverseError('STORE_DRIVER_MISSING', 'The package pg is not there.', { cause: error })
      }
      const code = codes[codeOf(error)] ?? patterns.find(([pattern]) => pattern.test(codeOf(error)) || pattern.test(reason))?.[1]
      return new PlatziverseError(code ?? 'STORE_UNAVAILABLE', `${nameOf(options)}: ${reason}.`, { cause: error })
    }
  }
}

async function rows<Row> (db: Knex, sql: string, binds: Array<string | number>): Promise<Row[]> {
  return (await db.raw(sql, binds) as { rows: Row[] }).rows
}

type Value = string | number | boolean | null

/** An array as PostgreSQL reads it: the driver's own way takes twice as long. */
function arrayOf (values: Value[]): string {
  return `{${values.map(value => typeof value === 'string' ? `"${value.replace(/["\\]/g, '\\$&')}"` : value ?? 'NULL').join(',')}}`
}

/** The arrays of so many columns. */
function columns (rows: Value[][], count: number): string[] {
  return Array.from({ length: count }, (_, column) => arrayOf(rows.map(row => row[column] ?? null)))
}

/** The columns of metrics. */
function columnsOf (messages: MessageRow[]): string[] {
  // Column by column: this runs on the main thread, thousands of times a second.
  const [ids, times, seqs, values, texts]: [Value[], Value[], Value[], Value[], Value[]] = [[], [], [], [], []]
  for (const message of messages) {
    for (let i = 2; i < message.length; i += 2) {
      const [value, text] = valueAndText(message[i + 1] as number | string)
      ids.push(message[i] as number)
      times.push(message[0])
      seqs.push(message[1])
      values.push(value)
      texts.push(text)
    }
  }
  return [ids, times, seqs, values, texts].map(arrayOf)
}

function newestOf (latest: LatestRow[]): string[] {
  return columns(latest.map(([seriesId, ts, seq, value]) => [seriesId, ts, seq, ...valueAndText(value)]), 5)
}

function codeOf (error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code)
}

function isDuplicate (error: unknown, constraint: RegExp): boolean {
  // TimescaleDB names none for a compressed chunk, and only metrics are compressed.
  return codeOf(error) === '23505' && constraint.test((error as { constraint?: string }).constraint ?? 'metrics_pkey')
}

/** Knex puts the whole statement before the reason; it does not belong into a log. */
function reasonWithoutStatement (error: unknown): string {
  const reason = reasonOf(error) || codeOf(error)
  const start = reason.lastIndexOf(' - ')
  return reason.slice(start < 0 ? 0 : start + 3).replace(/\.$/, '')
}

/** Never throws: the error would hold the URL, and so the password. */
function parse (url: string | undefined): URL | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url) : undefined
}

/** The server for people, without who logs in. */
function nameOf ({ url, host, port }: ServerOptions): string {
  const parsed = parse(url)
  return `PostgreSQL at ${parsed?.hostname || host || 'localhost'}:${parsed?.port || port || 5432}`
}

/** @throws PlatziverseError STORE_OPTION_INVALID */
function addressOf ({ url, host, port, user, password, database, tls }: ServerOptions): Knex.PgConnectionConfig {
  if (!url) return { host, port, user, password, database, ssl: tls ?? false } as Knex.PgConnectionConfig
  const address = parse(url)
  if (address === undefined || !/^postgres(ql)?:$/.test(address.protocol)) {
    throw new PlatziverseError('STORE_OPTION_INVALID', 'The URL of the database is none such as postgres://user@host:5432/database.')
  }
  address.username ||= encodeURIComponent(user ?? '')
  address.password ||= encodeURIComponent(password ?? '')
  address.port ||= String(port ?? '')
  if (address.pathname.length < 2) address.pathname = encodeURIComponent(database ?? '')
  if (tls !== undefined) for (const name of ['ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert']) address.searchParams.delete(name)
  return { connectionString: address.href, ...tls && { ssl: tls } }
}

/** The driver's client, with what it reads from; not in its types. */
type ReadingClient = Client & { connection: EventEmitter & { stream: Socket } }

/** The driver, whose clients end a connection on what they cannot read, in clear text and, once TLS is put over it, there. */
function guardedDriver ({ Client }: { Client: new (settings: object) => ReadingClient }): object {
  return {
    Client: class extends Client {
      constructor (settings: object) {
        super(settings)
        const { connection } = this
        guardReader(connection.stream)
        connection.once('sslconnect', () => { guardReader(connection.stream) })
      }
    }
  }
}

/** @param preparations told to each new connection */
async function open (options: ServerOptions, pool: { min: number, max: number }, preparations: string): Promise<Knex> {
  const knex = knexFactory({
    client: 'pg',
    connection: {
      ...addressOf(options),
      application_name: 'node-red-platziverse',
      connectionTimeoutMillis: connectPatience,
      query_timeout: answerPatience,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000
    },
    pool: {
      ...pool,
      afterCreate (connection: Client, done: (error: Error | null) => void) {
        // Ids, times and counts are whole numbers that a number holds.
        connection.setTypeParser(int8, Number)
        connection.query(preparations, error => {
          // Knex forgets a connection that is not ready.
          if (error) connection.end().catch(() => undefined)
          done(error)
        })
      }
    },
    acquireConnectionTimeout: connectPatience + 5_000,
    // Thousands of values would be put into the text of every error.
    compileSqlOnError: false,
    // Every error reaches the caller; Knex would print it as well.
    log: { error: () => undefined, warn: () => undefined }
  })
  knex.client.driver = guardedDriver(knex.client.driver)
  try {
    const [server] = await rows<{ number: number, version: string }>(knex, serverVersion, [])
    if (server !== undefined && server.number >= oldestVersion) return knex
    throw new PlatziverseError('STORE_TOO_OLD', `${nameOf(options)} is version ${server?.version}.`)
  } catch (error) {
    await knex.destroy()
    throw error
  }
}
