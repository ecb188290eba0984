import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import knexFactory, { type Knex } from 'knex'
import type { Client } from 'pg'
import { PlatziverseError } from '../../../errors.ts'
import { ofKind } from '../database-kind.ts'
import { guardReader } from '../guard-reader.ts'
import { urlSchemes, type ServerOptions } from '../options.ts'
import { answerPatience, connectPatience, poolSettings } from '../server.ts'
import { postgresqlKind } from './kind.ts'

const oldestVersion = 130_000
const serverVersion = "select current_setting('server_version_num')::int as number, current_setting('server_version') as version"

/**
 * Run on the writer's connection first. The limits keep a lock of another program, or ours when this process
 * dies in a transaction, from stopping everybody. Acknowledged means committed, so a server that answers before its
 * disk does is told not to; one that waits for its standbys too goes on doing so. TimescaleDB's limit would refuse, again
 * and again, late metrics for which much has to be decompressed.
 */
export const writerPreparations = `
  set statement_timeout = ${answerPatience - 10_000};
  set lock_timeout = 10000;
  set idle_in_transaction_session_timeout = 30000;
  set default_transaction_isolation = 'read committed';
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';
  select set_config(name, '0', false) from pg_settings where name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'`

/**
 * Retention reaches a few rows of a large table by their keys. The planner's statistics lag behind a growing table, and may make a scan
 * of all of it look cheaper.
 */
export const besidePreparations = `${writerPreparations};
  set enable_seqscan = off;
  set enable_sort = off;
  set enable_hashjoin = off;
  set enable_mergejoin = off;
  set jit = off`

export const readerPreparations = `
  set statement_timeout = 30000;
  set default_transaction_read_only = on`

/** The type of bigint columns and of counts. */
const int8 = 20

/** Never throws: the error would hold the URL, and so the password. */
function parse (url: string | undefined): URL | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url) : undefined
}

/** The server's name for people, without credentials. */
export function nameOf ({ url, host, port }: ServerOptions): string {
  const parsed = parse(url)
  return `PostgreSQL at ${parsed?.hostname || host || 'localhost'}:${parsed?.port || port || 5432}`
}

/** @throws PlatziverseError STORE_OPTION_INVALID */
function addressOf ({ url, host, port, user, password, database, tls }: ServerOptions): Knex.PgConnectionConfig {
  if (!url) return { host, port, user, password, database, ssl: tls ?? false } as Knex.PgConnectionConfig
  const address = parse(url)
  if (address === undefined || !urlSchemes.postgresql.includes(address.protocol)) {
    throw new PlatziverseError('STORE_OPTION_INVALID', 'The URL of the database is not one such as postgres://user@host:5432/database.')
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

/**
 * Open a pool.
 * @param preparations run on each new connection
 * @throws PlatziverseError STORE_OPTION_INVALID, STORE_TOO_OLD, or what the driver says
 */
export async function open (options: ServerOptions, pool: { min: number, max: number }, preparations: string): Promise<Knex> {
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
    ...poolSettings
  })
  knex.client.driver = guardedDriver(knex.client.driver)
  try {
    const { rows: [server] } = await knex.raw(serverVersion) as { rows: Array<{ number: number, version: string }> }
    if (server !== undefined && server.number >= oldestVersion) return ofKind(postgresqlKind, knex)
    throw new PlatziverseError('STORE_TOO_OLD', `${nameOf(options)} is version ${server?.version}.`)
  } catch (error) {
    await knex.destroy()
    throw error
  }
}
