import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import type { PlatziverseError } from '../../../../../lib/errors.ts'
import { mysqlDialect } from '../../../../../lib/store/dialects/mysql/mysql.ts'
import type { ServerOptions } from '../../../../../lib/store/dialects/options.ts'
import { migrate } from '../../../../../lib/store/migrations/migrate.ts'
import { Store, type Stored, type StoreState } from '../../../../../lib/store/store.ts'
import { makeAuthority, withoutOpenssl } from '../../../../helpers/certificates.ts'
import { until, waitFor } from '../../../../helpers/events.ts'
import { temporaryFolder } from '../../../../helpers/folder.ts'
import { mysqlName, startMariadb, withoutMariadb, type Mariadb } from '../../../../helpers/mariadb.ts'
import { message, reading } from '../../../../helpers/messages.ts'
import { freePort } from '../../../../helpers/node-red.ts'

let starting: Promise<Mariadb> | undefined
after(async () => { await (await starting)?.end() })

function onServer (title: string, body: (t: TestContext, server: Mariadb) => Promise<void>): void {
  test(`${mysqlName}: ${title}`, { skip: withoutMariadb ?? false }, async t => { await body(t, await (starting ??= startMariadb())) })
}

function open (t: TestContext, options: ServerOptions) {
  const store = new Store(mysqlDialect(options), { instance: 'test' })
  t.after(() => store.close())
  const write = (payload: unknown, topic = 'agent/message', at = Date.now()) => new Promise<Stored>((resolve, reject) => {
    store.write(message(topic, payload), at, (error, result) => { if (result === undefined) reject(error as Error); else resolve(result) })
  })
  return { store, write }
}

/** Looks into the database, as another program would. */
function other (t: TestContext, { host, port, user, password, database }: ServerOptions): Knex {
  const knex = knexFactory({ client: 'mysql2', connection: { host, port, user, password, database }, pool: { min: 0 } } as Knex.Config)
  t.after(() => knex.destroy())
  return knex
}

/** Why there is no connection. */
async function refusal (options: ServerOptions): Promise<PlatziverseError> {
  const dialect = mysqlDialect(options)
  const failure: unknown = await dialect.connect().then(async knex => { await knex.destroy() }, (error: unknown) => error)
  assert.ok(failure !== undefined, 'it connected')
  const error = dialect.explain(failure)
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) assert.ok(!/secret|geheim/.test(cause.message), cause.message)
  return error
}

async function schemaOf (t: TestContext, options: ServerOptions): Promise<unknown[]> {
  const knex = other(t, options)
  const tables = await knex('information_schema.tables').where('table_schema', options.database as string).whereNot('table_name', 'like', 'knex%')
    .select('table_name as name', 'engine as engine').orderBy('name')
  const columns = await knex('information_schema.columns').where('table_schema', options.database as string).whereNot('table_name', 'like', 'knex%')
    .select('table_name as table', 'column_name as column', 'column_type as type', 'is_nullable as nullable', 'collation_name as collation').orderBy(['table', 'column'])
  const keys = await knex('information_schema.statistics').where('table_schema', options.database as string).whereNot('table_name', 'like', 'knex%')
    .select('table_name as table', 'index_name as key', 'seq_in_index as place', 'column_name as column', 'non_unique as notUnique').orderBy(['table', 'key', 'place'])
  return [tables, columns, keys].map(rows => rows.map((row: object) => ({ ...row })))
}

onServer('tables are InnoDB, numbers double, and texts told apart by every character, whatever the database has', async (t, server) => {
  const options = await server.fresh()
  const { store, write } = open(t, options)
  await write(reading())
  await store.close()
  const [tables, columns] = await schemaOf(t, options) as [Array<Record<string, string>>, Array<Record<string, string>>]
  // A view has no engine.
  assert.deepEqual(tables.filter(({ engine }) => engine !== null).map(({ name, engine }) => `${name} ${engine}`), ['agents', 'alert_owners', 'alert_silences', 'alert_states', 'dirty_hours', 'metrics', 'metrics_1d', 'metrics_1h', 'retention', 'series', 'writers'].map(name => `${name} InnoDB`))
  assert.deepEqual([...new Set(columns.map(({ collation }) => collation).filter(Boolean))], [mysqlName === 'MySQL' ? 'utf8mb4_0900_bin' : 'utf8mb4_nopad_bin'])
  assert.deepEqual([...new Set(columns.filter(({ type }) => /double|float/.test(type as string)).map(({ type }) => type))], ['double'])
})

onServer('a migration that died at any statement goes on where it was', async (t, server) => {
  const whole = await server.fresh()
  const migrated = await mysqlDialect(whole).connect()
  await migrate(migrated)
  await migrated.destroy()
  const expected = await schemaOf(t, whole)
  let deaths = 0
  for (let done = false; !done; deaths++) {
    const options = await server.fresh()
    const knex = await mysqlDialect(options).connect()
    let left = deaths
    knex.on('query', ({ sql }: { sql: string }) => {
      if (/^\s*(create|alter|insert)/i.test(sql)) left--
      // From here on nothing reaches the server, not even a rollback or a lock given back.
      if (left < 0) throw new Error('died')
    })
    done = await migrate(knex).then(() => true, () => false)
    await knex.destroy()
    // The one that a crash leaves behind is waited for elsewhere.
    const looking = other(t, options)
    if (await looking.schema.hasTable('knex_migrations_lock')) await looking('knex_migrations_lock').update({ is_locked: 0 })
    const { store, write } = open(t, options)
    assert.equal((await write(reading())).metrics, 3)
    await store.close()
    assert.deepEqual(await schemaOf(t, options), expected, `died at statement ${deaths}`)
    await looking.destroy()
  }
  assert.ok(deaths > 10, `${deaths}`)
})

onServer('what is wrong with a connection is reported, without the password', async (_t, server) => {
  const options = await server.fresh()
  const { host, port, user, database } = options
  const code = async (changes: Partial<ServerOptions>) => (await refusal({ ...options, ...changes })).code
  assert.equal(await code({ password: 'geheim' }), 'STORE_LOGIN_REFUSED')
  assert.equal(await code({ user: 'nobody' }), 'STORE_LOGIN_REFUSED')
  assert.equal(await code({ database: 'test_unknown' }), 'STORE_DATABASE_UNKNOWN')
  assert.equal(await code({ database: 'mysql' }), 'STORE_NOT_ALLOWED')
  assert.equal(await code({ port: await freePort() }), 'STORE_REFUSED_CONNECTION')
  assert.equal(await code({ host: 'nowhere.invalid' }), 'STORE_HOST_UNKNOWN')
  assert.equal(await code({ tls: {} }), 'STORE_TLS_FAILED')
  assert.equal(await code({ url: `mysql://${user}:geheim@${host}:${port}/${database}` }), 'STORE_LOGIN_REFUSED')
  assert.equal(await code({ url: `mysql://${user}:secret%20of%20${user}@${host}:${port}/${database}?ssl-mode=REQUIRED` }), 'STORE_TLS_FAILED')
  for (const url of ['mysql://u:geheim@h:port/d', 'postgres://u:geheim@h/d', 'mysql://u:geheim%zz@h/d', 'geheim']) assert.equal(await code({ url }), 'STORE_OPTION_INVALID')
})

onServer('a URL goes before the fields, which add what it lacks', async (t, server) => {
  const { host, port, user, password, database, poolSize } = await server.fresh()
  const { write } = open(t, { client: 'mysql', url: `mariadb://${user}@${host}`, host: 'nowhere.invalid', port, user: 'nobody', password, database, poolSize })
  assert.equal((await write(reading())).metrics, 3)
})

// MySQL always tells its own.
test(`${mysqlName}: a server that is too old is refused`, { skip: withoutMariadb ?? mysqlName === 'MySQL' }, async t => {
  for (const version of ['8.0.16', '10.5.29-MariaDB']) {
    const server = await startMariadb([`--version=${version}`])
    t.after(() => server.end())
    const { code, detail } = await refusal(await server.fresh())
    assert.deepEqual([code, detail.endsWith(` is version ${version}.`)], ['STORE_TOO_OLD', true], detail)
  }
})

/** A store that waits for the reason that `hamper` makes, and stores everything after `mend`. */
async function waits (t: TestContext, options: ServerOptions, code: string, mend: () => Promise<unknown>): Promise<void> {
  const { store, write } = open(t, options)
  const waiting = write(reading())
  const state = await waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  assert.match(state.state === 'waiting' ? state.error.message : '', new RegExp(`^${code}: The database server at 127.0.0.1:`))
  await mend()
  assert.equal((await waiting).metrics, 3)
  assert.equal(store.state.state, 'ready')
}

onServer('a server without a connection to spare is waited for', async (t, server) => {
  const options = await server.fresh()
  const most = 10
  t.after(() => server.administer('set global max_connections = 151'))
  await server.administer(`set global max_connections = ${most}`)
  const { client: _client, poolSize: _poolSize, ...connection } = options
  const holders = Array.from({ length: most }, () => knexFactory({ client: 'mysql2', connection, pool: { min: 0, max: 1 } } as Knex.Config))
  t.after(() => Promise.all(holders.map(holder => holder.destroy())))
  await Promise.all(holders.map(async holder => await holder.raw('select 1')))
  await waits(t, options, 'STORE_TOO_MANY_CONNECTIONS', () => Promise.all(holders.map(holder => holder.destroy())))
})

onServer('a user without rights, and a server that is read-only, are waited for', async (t, server) => {
  const options = await server.fresh()
  await server.administer(`create user reader identified by 'secret'`, `grant select on ${options.database}.* to reader`)
  await waits(t, { ...options, user: 'reader', password: 'secret' }, 'STORE_NOT_ALLOWED', () => server.administer(`grant all on ${options.database}.* to reader`))
  t.after(() => server.administer('set global read_only = 0'))
  await server.administer('set global read_only = 1')
  await waits(t, options, 'STORE_READ_ONLY', () => server.administer('set global read_only = 0'))
})

onServer('tables that another program locked are waited for', async (t, server) => {
  const options = await server.fresh()
  const { write } = open(t, options)
  await write(reading())
  const program = other(t, options)
  const connection = await program.client.acquireConnection()
  await program.raw('lock tables metrics write').connection(connection)
  await waits(t, options, 'STORE_LOCKED', async () => { await program.raw('unlock tables').connection(connection) })
  program.client.releaseConnection(connection)
})

onServer('a deadlock is tried again at once, and nobody notices', async (t, server) => {
  const options = await server.fresh()
  const { store, write } = open(t, options)
  const states: string[] = []
  store.on('state', ({ state }) => { states.push(state) })
  await write(reading('a'), 'agent/message', 1000)
  const program = other(t, options)
  let pending: Promise<Stored> | undefined
  await program.transaction(async transaction => {
    // The server ends the one that changed less, and so the store's.
    await transaction('agents').insert(Array.from({ length: 100 }, (_, i) => ({ uuid: `b${i}`, created_at: 0, updated_at: 0 })))
    await transaction('series').update({ last_ts: 1 })
    pending = write(reading('a'), 'agent/message', 5000)
    await until(() => program.raw("show global status like 'innodb_row_lock_current_waits'"), ([[{ Value: blocked }]]) => Number(blocked) > 0)
    await transaction('agents').where('uuid', 'a').update({ pid: 8 })
  })
  assert.equal((await pending)?.duplicates, 0)
  assert.equal((await program('metrics')).length, 6)
  assert.deepEqual(states, ['ready'])
  // The next attempt may come before the other one is done, and meet it again.
  assert.ok(store.statistics().retries >= 1)
})

onServer('a server that crashes while messages come loses and doubles none that it acknowledged', async (t, server) => {
  const options = await server.fresh()
  const { store, write } = open(t, options)
  const writes: Array<Promise<Stored>> = []
  const senders = setInterval(() => { for (let i = 0; i < 20; i++) writes.push(write(reading(`a${i}`))) }, 2)
  t.after(() => { clearInterval(senders) })
  for (let crash = 1; crash <= 3; crash++) {
    const { messages } = store.statistics()
    await until(() => store.statistics().messages, now => now > messages + 500)
    const down = waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
    await server.kill()
    await down
    await server.start()
  }
  clearInterval(senders)
  assert.ok((await Promise.all(writes)).every(({ metrics }) => metrics === 3))
  const [{ n }] = await other(t, options)('metrics').count({ n: '*' }) as [{ n: number }]
  assert.equal(n, 3 * writes.length)
  t.diagnostic(`${writes.length} messages, ${store.statistics().retries} attempts repeated`)
})

onServer('connections that the server closes are replaced', async (t, server) => {
  const options = await server.fresh()
  const { store, write } = open(t, options)
  await write(reading())
  const reader = await store.read()
  for (const state of ['idle', 'again'] as const) {
    assert.equal((await reader('agents')).length, 1, state)
    const connections = await other(t, options)('information_schema.processlist').where('user', options.user as string).whereRaw('id <> connection_id()').pluck('id')
    await server.administer(...connections.map(id => `kill ${id}`))
    assert.equal((await write(reading())).metrics, 3)
    await until(async () => reader('agents').then(() => true, () => false), answered => answered)
  }
})

test(`${mysqlName}: a server that takes the connection and says nothing is not waited for without end`, async t => {
  const sockets = new Set<Socket>()
  const server = createServer(socket => { sockets.add(socket.on('error', () => undefined)) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.close(); sockets.forEach(socket => socket.destroy()) })
  const { port } = server.address() as { port: number }
  const error = await refusal({ client: 'mysql', host: '127.0.0.1', port, user: 'u', password: 'geheim', database: 'd', poolSize: 1 })
  assert.equal(error.code, 'STORE_REFUSED_CONNECTION')
})

test(`${mysqlName}: TLS checks who signed the server's certificate, and for whom`, { skip: withoutMariadb ?? withoutOpenssl }, async t => {
  const folder = await temporaryFolder(t)
  const authority = makeAuthority(folder)
  const { cert, key } = authority.issue('server')
  await Promise.all([writeFile(join(folder, 'server.pem'), cert), writeFile(join(folder, 'server.key'), key)])
  const server = await startMariadb([`--ssl-cert=${join(folder, 'server.pem')}`, `--ssl-key=${join(folder, 'server.key')}`])
  t.after(() => server.end())
  const options = await server.fresh()
  const { cert: ca } = authority
  for (const host of ['localhost', '127.0.0.1']) {
    const knex = await mysqlDialect({ ...options, host, tls: { ca } }).connect()
    const [[{ Value: cipher }]] = await knex.raw("show session status like 'ssl_cipher'") as [[{ Value: string }]]
    assert.match(cipher, /^TLS_|-/, host)
    await knex.destroy()
  }
  const named = await mysqlDialect({ ...options, host: '127.0.0.1', tls: { ca, servername: 'localhost' } }).connect()
  await named.destroy()
  const unchecked = await mysqlDialect({ ...options, tls: { rejectUnauthorized: false } }).connect()
  // What the driver cannot read ends this connection, and not the process. No version of it can read null.
  const connection = await unchecked.client.acquireConnection() as { stream: Socket }
  const emit = connection.stream.emit.bind(connection.stream) as (event: string, ...values: unknown[]) => boolean
  t.mock.method(connection.stream, 'emit', (event: string, ...values: unknown[]) => event === 'data' ? emit(event, null) : emit(event, ...values))
  await assert.rejects(unchecked.raw('select 1').connection(connection), /the server's answer cannot be read: .*null/)
  await unchecked.client.releaseConnection(connection)
  await unchecked.destroy()
  assert.equal((await refusal({ ...options, tls: {} })).code, 'STORE_TLS_FAILED', 'signed by a stranger')
  assert.equal((await refusal({ ...options, host: '::ffff:127.0.0.1', tls: { ca } })).code, 'STORE_TLS_FAILED', 'for another address')
  assert.equal((await refusal({ ...options, tls: { ca, servername: 'elsewhere.example' } })).code, 'STORE_TLS_FAILED', 'for another host')
})

onServer('every number comes back to the last bit', async (t, server) => {
  const { store, write } = open(t, await server.fresh())
  const random = new DataView(new ArrayBuffer(8))
  const values = Array.from({ length: 1000 }, (_, i) => {
    if (i % 2 === 0) return Math.random() * 10 ** (i % 40 - 20)
    random.setUint32(0, Math.random() * 2 ** 32)
    random.setUint32(4, Math.random() * 2 ** 32)
    const value = random.getFloat64(0)
    return Number.isFinite(value) ? value : 0
  })
  await write(reading('a', { metrics: values.map((value, i) => ({ type: String(i).padStart(4, '0'), value })) }))
  const reader = await store.read()
  assert.deepEqual(await reader('metrics').join('series', 'series.id', 'series_id').orderBy('type').pluck('value'), values)
  assert.deepEqual(await reader('series').orderBy('type').pluck('last_value'), values)
  assert.deepEqual((await reader.raw('select sum(seq div 1) as n, 7 / 2 as half, max(ts) as ts from metrics'))[0].map((row: object) => Object.values(row).map(value => typeof value)), [['number', 'number', 'number']])
})

onServer('agents that come back use no new ids', async (t, server) => {
  const { write } = open(t, await server.fresh())
  for (let i = 0; i < 5; i++) {
    await write({ agent: { uuid: 'a' } }, 'agent/connected')
    await write({ agent: { uuid: 'a' } }, 'agent/disconnected')
  }
  assert.equal((await write({ agent: { uuid: 'b' } }, 'agent/connected')).agentId, 2)
})

onServer('a server that acknowledges before the data is on its disk causes a warning', async (t, server) => {
  const options = await server.fresh()
  t.after(() => server.administer('set global innodb_flush_log_at_trx_commit = 1'))
  await server.administer('set global innodb_flush_log_at_trx_commit = 2')
  const warned = once(process, 'warning')
  const { write } = open(t, options)
  const [[warning]] = await Promise.all([warned, write(reading())]) as [[Error & { code: string }], unknown]
  assert.equal(warning.code, 'STORE_NOT_DURABLE')
  assert.match(warning.message, /innodb_flush_log_at_trx_commit = 2/)
})

test(`${mysqlName}: a server whose binary log reaches its disk later causes a warning`, { skip: withoutMariadb ?? false }, async t => {
  const server = await startMariadb(['--log-bin=log', '--server-id=1', '--sync-binlog=0'])
  t.after(() => server.end())
  const told = once(process, 'warning')
  const knex = await mysqlDialect(await server.fresh()).connect()
  await knex.destroy()
  assert.match((await told)[0].message, /sync_binlog = 0/)
})

onServer('a reader has 30 seconds for a statement', async (t, server) => {
  const { store } = open(t, await server.fresh())
  const reader = await store.read()
  const patience = mysqlName === 'MySQL' ? '@@session.max_execution_time / 1000' : '@@session.max_statement_time'
  assert.equal((await reader.raw(`select ${patience} as seconds`))[0][0].seconds, 30)
})
