import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import type { PlatziverseError } from '../../../../../lib/errors.ts'
import { dialectOf } from '../../../../../lib/store/dialect-of.ts'
import type { ServerOptions } from '../../../../../lib/store/dialects/options.ts'
import { Store, type Stored, type StoreState } from '../../../../../lib/store/store.ts'
import { makeAuthority, withoutOpenssl } from '../../../../helpers/certificates.ts'
import { databases, type OpenDatabase } from '../../../../helpers/databases.ts'
import { until } from '../../../../helpers/events.ts'
import { temporaryFolder } from '../../../../helpers/folder.ts'
import { message, reading } from '../../../../helpers/messages.ts'

const postgresql = databases.find(({ name }) => name === 'PostgreSQL')
const skip = postgresql?.without ?? false

async function fresh (t: TestContext): Promise<OpenDatabase & { options: ServerOptions }> {
  return await postgresql?.open(t) as OpenDatabase & { options: ServerOptions }
}

function open (t: TestContext, options: ServerOptions) {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  const states: StoreState[] = []
  store.on('state', state => { states.push(state) })
  const write = (payload: unknown, at = Date.now()) => new Promise<Stored>((resolve, reject) => {
    store.write(message('agent/message', payload), at, (error, result) => { if (result === undefined) reject(error as Error); else resolve(result) })
  })
  return { store, states, write }
}

/** Why there is no connection. */
async function refusal (options: ServerOptions): Promise<PlatziverseError> {
  const dialect = dialectOf(options)
  const error = await dialect.connect().then(async knex => { await knex.destroy() }, (error: unknown) => error)
  assert.ok(error !== undefined, 'connected')
  return dialect.explain(error)
}

async function waiting (store: Store): Promise<PlatziverseError> {
  const state = await until(() => store.state, ({ state }) => state === 'waiting', 30_000)
  return (state as StoreState & { state: 'waiting' }).error
}

test('every way of not getting in has its code, and none tells the password', { skip }, async t => {
  const { options, query } = await fresh(t)
  await query.raw("create role limited login password 'secret' connection limit 0")
  const cases: Array<[Partial<ServerOptions>, string, RegExp]> = [
    [{ host: 'no-such-host.invalid' }, 'STORE_HOST_UNKNOWN', /PostgreSQL at no-such-host\.invalid:\d+/],
    [{ port: 1 }, 'STORE_REFUSED_CONNECTION', /127\.0\.0\.1:1/],
    [{ password: 'not-secret' }, 'STORE_LOGIN_REFUSED', /"postgres"/],
    [{ password: undefined }, 'STORE_LOGIN_REFUSED', /password/],
    [{ user: 'nobody' }, 'STORE_LOGIN_REFUSED', /"nobody"/],
    [{ database: 'nothing' }, 'STORE_DATABASE_UNKNOWN', /"nothing" does not exist/],
    [{ user: 'limited' }, 'STORE_TOO_MANY_CONNECTIONS', /"limited"/],
    [{ tls: {} }, 'STORE_TLS_FAILED', /does not support SSL/],
    [{ url: 'postgres://postgres:not-secret@127.0.0.1' }, 'STORE_LOGIN_REFUSED', /"postgres"/],
    [{ url: 'postgres://postgres:not-secret@:x' }, 'STORE_OPTION_INVALID', /URL/],
    [{ url: 'mysql://postgres:not-secret@127.0.0.1' }, 'STORE_OPTION_INVALID', /URL/]
  ]
  for (const [changes, code, detail] of cases) {
    const error = await refusal({ ...options, ...changes })
    assert.equal(error.code, code, error.message)
    assert.match(error.detail, detail)
    assert.doesNotMatch(error.message, /secret/)
  }
})

test('a URL goes before the fields, which fill its gaps', { skip }, async t => {
  const { options: { host, port, user, password, database }, query } = await fresh(t)
  await query.raw("create role \"a:b@c\" login password 'p:/#%@w'")
  const addresses: Array<Partial<ServerOptions>> = [
    { url: `postgresql://${user}:${password}@${host}:${port}/${database}`, host: 'elsewhere.invalid', user: 'nobody', password: 'wrong', database: 'nothing' },
    { url: `postgres://${host}`, port, user, password, database },
    { url: `postgres://${host}:${port}/${database}?application_name=mine`, user: 'a:b@c', password: 'p:/#%@w' },
    { url: `postgres://${encodeURIComponent('a:b@c')}:${encodeURIComponent('p:/#%@w')}@${host}:${port}/${database}` }
  ]
  for (const address of addresses) {
    const knex = await dialectOf({ client: 'postgresql', poolSize: 1, ...address }).connect()
    t.after(() => knex.destroy())
    assert.equal((await knex.first(knex.raw('current_database() as name')) as { name: string }).name, database)
  }
})

test('a user who may not make tables gets an error that says so, and is let in once allowed', { skip }, async t => {
  const { options, query } = await fresh(t)
  await query.raw("revoke all on schema public from public; create role guest login password 'secret'")
  const { store, write } = open(t, { ...options, user: 'guest' })
  const pending = write(reading())
  const { code, detail } = await waiting(store)
  assert.ok(code === 'STORE_NOT_ALLOWED', `${code}: ${detail}`)
  await query.raw('grant all on schema public to guest')
  assert.equal((await pending).metrics, 3)
})

test('a database that may not be written is reported, and mended without a restart', { skip }, async t => {
  const { options, query } = await fresh(t)
  await query.raw(`alter database ${options.database} set default_transaction_read_only = on`)
  const { store, write } = open(t, options)
  const pending = write(reading())
  assert.equal((await waiting(store)).code, 'STORE_READ_ONLY')
  await query.raw(`set default_transaction_read_only = off; alter database ${options.database} set default_transaction_read_only = off`)
  assert.equal((await pending).metrics, 3)
  assert.equal(store.state.state, 'ready')
})

for (const [state, code] of [['53100', 'STORE_DISK_FULL'], ['53200', 'STORE_UNAVAILABLE'], ['40001', 'STORE_UNAVAILABLE']] as const) {
  test(`while the server fails with ${state} messages wait, and all are stored afterwards`, { skip }, async t => {
    const { options, query } = await fresh(t)
    const { store, write } = open(t, options)
    await write(reading())
    await query.raw(`create function fail() returns trigger language plpgsql as $$ begin raise exception 'failed on purpose' using errcode = '${state}'; end $$`)
    await query.raw('create trigger fail before insert on metrics execute function fail()')
    const pending = Promise.all(Array.from({ length: 100 }, () => write(reading())))
    const error = await waiting(store)
    assert.equal(error.code, code)
    assert.match(error.detail, /: failed on purpose\.$/, 'the reason alone, without the statement')
    assert.deepEqual([store.statistics().queued, store.statistics().refused], [100, 0])
    await query.raw('drop trigger fail on metrics')
    await pending
    assert.equal((await query('metrics')).length, 303)
  })
}

test('newest values find room beside the old ones, also in a database whose pages are full', { skip }, async t => {
  const { options, query } = await fresh(t)
  const older = new Store(dialectOf(options), { instance: 'test' })
  await older.read()
  await older.close()
  // As it was before.
  await query.raw('alter table agents reset (fillfactor)')
  await query.raw('alter table series reset (fillfactor)')
  await query('knex_migrations').where('name', '0011-room-for-updates').delete()
  await query.raw("insert into agents (uuid, connected, instance, created_at, updated_at, last_seen_at, spoke_at) select i, true, 'test', 0, 0, 0, 0 from generate_series(1, 500) as i")
  await query.raw("insert into series (agent_id, type) select id, 't' from agents")
  const { write } = open(t, options)
  const round = (at: number) => Promise.all(Array.from({ length: 500 }, (_, i) => write({ agent: { uuid: `${i + 1}` }, metrics: [{ type: 't', value: at }], timestamp: at }, at)))
  const pages = async () => (await query.raw("select 'agent ' || id as row, split_part(ctid::text, ',', 1) as page from agents union all select 'series ' || id, split_part(ctid::text, ',', 1) from series order by 1")).rows as
    Array<{ row: string, page: string }>
  for (const at of [10_000, 20_000]) await round(at)
  const before = await pages()
  for (const at of [30_000, 40_000, 50_000]) await round(at)
  const moved = (await pages()).filter(({ page }, i) => page !== before[i]?.page)
  assert.ok(moved.length < 150, `${moved.length} of 1,000 rows have moved to another page`)
})

test('a deadlock is tried again at once, and nobody notices', { skip }, async t => {
  const { options, query } = await fresh(t)
  await query.raw(`alter database ${options.database} set deadlock_timeout = '3s'`)
  const { store, states, write } = open(t, options)
  await write(reading('a'), 1000)
  let pending: Promise<Stored> | undefined
  await query.transaction(async other => {
    // The store looks for a deadlock first, and so is the one that ends it.
    await other.raw("set local deadlock_timeout = '60s'")
    await other('series').update({ last_text: null })
    pending = write(reading('a'), 5000)
    const blocked = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    await until(async () => (await query.raw(blocked)).rowCount, blocked => blocked > 0)
    await other('agents').update({ pid: 8 })
  })
  assert.equal((await pending)?.duplicates, 0)
  assert.equal((await query('metrics')).length, 6)
  assert.deepEqual(states.map(({ state }) => state), ['ready'])
  // The next attempt may come before the other one has the lock that it waits for, and meet it again.
  assert.ok(store.statistics().retries >= 1)
})

test('connections that an administrator cuts are opened anew, and nothing is lost', { skip }, async t => {
  const { options, query } = await fresh(t)
  const { store, write } = open(t, options)
  await write(reading())
  const reader = await store.read()
  await reader('agents')
  const cut = () => query.raw('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()')
  const writes: Array<Promise<Stored>> = []
  for (let i = 0; i < 5; i++) {
    // New agents too, so that some are cut in a transaction.
    for (let j = 0; j < 200; j++) writes.push(write(reading(`a${i}-${j % 20}`)))
    await until(() => store.statistics().messages, messages => messages > i * 200)
    await cut()
  }
  await Promise.all(writes)
  assert.equal((await query('metrics')).length, 3 * (writes.length + 1))
  await cut()
  await until(() => reader('agents').then(rows => rows.length, () => 0), agents => agents === 101)
  assert.equal((await write(reading())).metrics, 3, 'and when nothing was under way')
})

test('agents and series that come again use up no ids', { skip }, async t => {
  const { options, query } = await fresh(t)
  for (let i = 0; i < 3; i++) {
    const { store, write } = open(t, options)
    for (let j = 0; j < 5; j++) await write(reading('a', { agent: { uuid: 'a', pid: j } }))
    await store.close()
  }
  await open(t, options).write(reading('b'))
  assert.deepEqual(await query('agents').orderBy('id').pluck('id'), [1, 2])
  assert.deepEqual(await query('series').orderBy('id').pluck('id'), [1, 2, 3, 4, 5, 6])
})

test('the writer waits for the disk, also where the server does not', { skip }, async t => {
  const { options, query, dialect } = await fresh(t)
  for (const [given, used] of [['off', 'on'], ['local', 'local'], ['remote_apply', 'remote_apply']]) {
    await query.raw(`alter database ${options.database} set synchronous_commit = ${given}`)
    const knex = await dialect.connect()
    t.after(() => knex.destroy())
    assert.deepEqual((await knex.raw('show synchronous_commit')).rows, [{ synchronous_commit: used }])
  }
})

test('readers are cut off in time', { skip }, async t => {
  const knex = await (await fresh(t)).dialect.read()
  t.after(() => knex.destroy())
  assert.deepEqual((await knex.raw('show statement_timeout')).rows, [{ statement_timeout: '30s' }])
})

describe('what does not answer', { skip, concurrency: true }, () => {
  test('a server that takes connections and says nothing is given up', async t => {
    const silent = createServer(socket => { socket.resume() }).listen(0, '127.0.0.1')
    t.after(() => silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const started = performance.now()
    assert.equal((await refusal({ client: 'postgresql', host: '127.0.0.1', port, user: 'u', password: 'p', poolSize: 1 })).code, 'STORE_REFUSED_CONNECTION')
    assert.ok(performance.now() - started < 15_000)
  })

  test('a table that another program locks is reported, and nothing is lost', async t => {
    const { options, query } = await fresh(t)
    const { store, write } = open(t, options)
    await write(reading())
    let pending: Promise<Stored> | undefined
    await query.transaction(async other => {
      await other.raw('lock table metrics in exclusive mode')
      pending = write(reading())
      assert.equal((await waiting(store)).code, 'STORE_LOCKED')
    })
    assert.equal((await pending)?.metrics, 3)
  })
})

test('TLS: the server\'s authority is checked', { skip: skip || withoutOpenssl }, async t => {
  const { options, query } = await fresh(t)
  const folder = await temporaryFolder(t)
  const authority = makeAuthority(folder)
  const { cert, key } = authority.issue('server')
  const { rows: [{ data }] } = await query.raw('select current_setting(\'data_directory\') as data')
  const { uid, gid } = statSync(data)
  for (const [name, text] of [['server.crt', cert], ['server.key', key]] as const) {
    writeFileSync(join(data, name), text, { mode: 0o600 })
    chownSync(join(data, name), uid, gid)
  }
  await query.raw('alter system set ssl = on')
  await query.raw('select pg_reload_conf()')
  const connect = (changes: Partial<ServerOptions>) => dialectOf({ ...options, ...changes }).connect()
  // The server takes the new settings in its own time.
  const knex = await until(() => connect({ tls: { ca: authority.cert } }).catch(() => undefined), knex => knex !== undefined)
  t.after(() => knex?.destroy())
  assert.deepEqual((await knex?.raw('select ssl from pg_stat_ssl where pid = pg_backend_pid()'))?.rows, [{ ssl: true }])
  const { host, port, user, password, database } = options
  const url = `postgres://${user}:${password}@${host}:${port}/${database}?sslmode=verify-full`
  const byUrl = await connect({ url, tls: { ca: authority.cert } })
  t.after(() => byUrl.destroy())
  for (const changes of [{ tls: {} }, { url }]) {
    const error = await refusal({ ...options, ...changes })
    assert.equal(error.code, 'STORE_TLS_FAILED', error.message)
  }
})

test('without the driver the store says what to install', async t => {
  const folder = await temporaryFolder(t)
  const hide = join(folder, 'hide.cjs')
  writeFileSync(hide, `
    const Module = require('node:module')
    const resolve = Module._resolveFilename
    Module._resolveFilename = function (name, ...rest) {
      if (name !== 'pg') return resolve.call(this, name, ...rest)
      throw Object.assign(new Error("Cannot find module 'pg'"), { code: 'MODULE_NOT_FOUND' })
    }`)
  const dialect = JSON.stringify(new URL('../../../../../lib/store/dialects/postgresql/postgresql.ts', import.meta.url).href)
  const script = `
    const { postgresqlDialect } = await import(${dialect})
    const dialect = postgresqlDialect({ client: 'postgresql', poolSize: 1 })
    await dialect.connect().catch(error => console.log(dialect.explain(error).message))`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...process.execArgv.filter(arg => !arg.startsWith('--test')), '-r', hide, '--input-type=module', '-e', script])
  assert.match(stdout, /STORE_DRIVER_MISSING: The package pg is not there\. Run "npm install"/)
  assert.equal(stderr, '')
})
