import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, mock, test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import helper from 'node-red-node-test-helper'
import { ofKind } from '../../lib/store/dialects/database-kind.ts'
import type { ServerOptions } from '../../lib/store/dialects/options.ts'
import { sqliteKind } from '../../lib/store/dialects/sqlite/kind.ts'
import { migrate } from '../../lib/store/migrations/migrate.ts'
import { registerAdmin } from '../../nodes/platziverse-database/admin.ts'
import type { DatabaseConfig, DatabaseCredentials } from '../../nodes/platziverse-database/config.ts'
import database, { type DatabaseNode } from '../../nodes/platziverse-database/platziverse-database.ts'
import type { RED } from '../../nodes/shared/red.ts'
import { onEachServer, type OpenDatabase } from '../helpers/databases.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { loadNodes } from '../helpers/loaded-nodes.ts'
import type { Mariadb } from '../helpers/mariadb.ts'
import { message } from '../helpers/messages.ts'
import { freePort, skipWithoutNodeRed, startNodeRed } from '../helpers/node-red.ts'

const id = 'da7aba5e00000002'
const folder = await mkdtemp(join(tmpdir(), 'platziverse-admin-'))
const flow = { id, type: 'platziverse-database', client: 'sqlite', filename: join(folder, 'deployed.sqlite') }
const deployed = 'Tr0ub4dor'

// Node-RED 5 does not run on Node 20.
const nodeRed = Number.parseInt(process.versions.node) >= 22 ? 'node-red' : 'node-red-4'
helper.init(createRequire(import.meta.url).resolve(nodeRed), { userDir: folder } as Parameters<typeof helper.init>[1])
/** How many endpoints a second load of the module registered. */
let again = -1
before(async () => {
  await new Promise<void>(resolve => helper.startServer(resolve))
  await loadNodes([database, (RED: RED) => {
    const { mock: spy } = mock.method(RED.httpAdmin, 'post')
    registerAdmin(RED)
    again = spy.callCount()
    spy.restore()
  }], [flow], { [id]: { user: 'ana', password: deployed } })
})
after(async () => {
  await helper.unload()
  await new Promise<void>(resolve => helper.stopServer(resolve))
  await rm(folder, { recursive: true, force: true })
})

interface Answer { ok: boolean, server?: string, tables?: string, timescale?: object, code?: string, detail?: string, help?: string }

async function ask (config: object | undefined, credentials?: DatabaseCredentials): Promise<Answer> {
  const { status, body } = await helper.request().post('/platziverse/database/test').send({ id, config, credentials } as object)
  assert.equal(status, 200)
  return body as Answer
}

/** The form of a server's database, and what was typed. */
function formOf ({ client, host, port, user, password, database }: ServerOptions): [Partial<DatabaseConfig>, DatabaseCredentials] {
  return [{ client, connection: 'fields', host: host ?? '', port: String(port), database: database ?? '', secure: false, tls: '', poolSize: '5' }, { user: user ?? '', password: password ?? '' }]
}

test('the endpoint is registered once, however often the module is loaded', () => {
  assert.equal(again, 0)
})

describe('of a SQLite file the endpoint', () => {
  test('says whether its tables are there, in an older shape, or not at all', async t => {
    const { filename, knex } = await sqliteFile(t)
    const { server, ...rest } = await ask({ client: 'sqlite', filename })
    assert.match(server ?? '', /^SQLite 3\.\d+/)
    assert.deepEqual(rest, { ok: true, tables: 'none' })
    assert.deepEqual(await knex('sqlite_master').select(), [], 'nothing is left behind')
    await migrate(knex)
    assert.equal((await ask({ client: 'sqlite', filename })).tables, 'ready')
    await knex('knex_migrations').orderBy('id', 'desc').limit(1).then(([{ name }]) => knex('knex_migrations').where({ name }).del())
    assert.equal((await ask({ client: 'sqlite', filename })).tables, 'older')
  })

  test('says that its folder is not there, and does not make it', async t => {
    const folder = join(await temporaryFolder(t), 'missing')
    const { ok, code, detail, help } = await ask({ client: 'sqlite', filename: join(folder, 'new.sqlite') })
    assert.deepEqual([ok, code], [false, 'STORE_CANNOT_OPEN'])
    assert.match(detail ?? '', /new\.sqlite cannot be opened/)
    assert.match(help ?? '', /^Check that the folder/)
    await assert.rejects(stat(folder), { code: 'ENOENT' })
  })

  test('says that it is no database', async t => {
    const filename = join(await temporaryFolder(t), 'notes.txt')
    await writeFile(filename, 'Buy milk. '.repeat(100))
    assert.equal((await ask({ client: 'sqlite', filename })).code, 'STORE_NOT_A_DATABASE')
  })

  test('says that a newer version of the package made its tables, and leaves them alone', async t => {
    const { filename, knex } = await sqliteFile(t)
    await migrate(knex)
    await knex('knex_migrations').insert({ name: '9999-future', batch: 2, migration_time: new Date() })
    const before = await knex('sqlite_master').select()
    assert.equal((await ask({ client: 'sqlite', filename })).code, 'STORE_SCHEMA_NEWER')
    assert.deepEqual(await knex('sqlite_master').select(), before)
  })

  test('reads an environment variable, as Node-RED does when the node is deployed', async t => {
    const filename = join(await temporaryFolder(t), 'named.sqlite')
    process.env['PLATZIVERSE_TEST_FILE'] = filename
    t.after(() => { delete process.env['PLATZIVERSE_TEST_FILE'] })
    assert.equal((await ask({ client: 'sqlite', filename: '${PLATZIVERSE_TEST_FILE}' })).ok, true)
    await writeFile(filename, 'Buy milk. '.repeat(100))
    const { code, detail } = await ask({ client: 'sqlite', filename: '${PLATZIVERSE_TEST_FILE}' })
    assert.equal(code, 'STORE_NOT_A_DATABASE')
    assert.match(detail ?? '', /named\.sqlite/)
    const unset = await ask({ client: 'postgresql', host: '${PLATZIVERSE_UNSET}', database: 'x' })
    assert.deepEqual([unset.code, unset.detail], ['VARIABLE_UNSET', 'The property "host" is the variable PLATZIVERSE_UNSET, which is not set.'])
  })

  test('says that a host is more than that, and not what is in it', async () => {
    for (const client of ['postgresql', 'mysql'] as const) {
      const { code, detail } = await ask({ client, host: 'postgres://ana:secret@127.0.0.1:5432/x', database: 'x' })
      assert.deepEqual([code, detail], ['STORE_OPTION_INVALID', 'The host of the database is more than a name or an address.'])
    }
  })

  test('leaves no file behind where there was none, and says the file\'s own name where none can be made', async t => {
    const folder = await temporaryFolder(t)
    const { ok, tables } = await ask({ client: 'sqlite', filename: join(folder, 'new.sqlite') })
    assert.deepEqual([ok, tables], [true, 'none'])
    assert.deepEqual(await readdir(folder), [])
    const missing = await ask({ client: 'sqlite', filename: join(folder, 'missing', 'new.sqlite') })
    assert.match(missing.detail ?? '', new RegExp(`${join(folder, 'missing', 'new.sqlite')} `))
  })
})

for (const client of ['postgresql', 'mysql'] as const) {
  test(`the endpoint says of a port where no ${client} listens that nobody answers there`, async () => {
    const answer = await ask(...formOf({ client, host: '127.0.0.1', port: await freePort(), user: 'ana', password: 's3cret', database: 'metrics', poolSize: 5 }))
    assert.deepEqual([answer.ok, answer.code], [false, 'STORE_REFUSED_CONNECTION'])
    assert.doesNotMatch(JSON.stringify(answer), /s3cret|ana/)
    const byUrl = await ask({ client, connection: 'url' }, { url: `${client}://ana:s3cret@127.0.0.1:${await freePort()}/metrics` })
    assert.equal(byUrl.code, 'STORE_REFUSED_CONNECTION')
    assert.doesNotMatch(JSON.stringify(byUrl), /s3cret/)
  })

  test(`the endpoint says of a URL that is none of ${client} that it is wrong, without repeating it`, async () => {
    for (const url of ['ftp://ana:s3cret@127.0.0.1/metrics', 'ana:s3cret@127.0.0.1', 'http://ana:s3cret@[::1/']) {
      const answer = await ask({ client, connection: 'url' }, { url })
      assert.deepEqual([answer.ok, answer.code], [false, 'STORE_OPTION_INVALID'], url)
      assert.doesNotMatch(JSON.stringify(answer), /s3cret/)
    }
  })
}

test('the endpoint says what is empty, and does not take this machine instead', async () => {
  const fields = { connection: 'fields', host: '127.0.0.1', database: 'metrics' }
  for (const client of ['postgresql', 'mysql']) {
    for (const [what, config] of [['URL', { connection: 'url' }], ['host', { ...fields, host: '' }], ['name', { ...fields, database: '' }]] as const) {
      const { code, detail } = await ask({ client, ...config }, { user: 'ana', password: 's3cret', url: '' })
      assert.deepEqual([code, detail], ['STORE_OPTION_INVALID', `The ${what} of the database is empty.`], client)
    }
  }
})

test('the endpoint answers whatever it is sent', async () => {
  const { status } = await helper.request().post('/platziverse/database/test').send([] as object)
  assert.equal(status, 200)
  for (const config of [{ client: 'oracle' }, { client: 'sqlite', filename: {} }, { client: 'sqlite', filename: '/dev/null/x', overrides: 'none' }]) {
    assert.equal((await ask(config)).ok, false, JSON.stringify(config))
  }
})

test('the endpoint for names has those of a database that is deployed, and says what it does not take', async () => {
  const { store } = helper.getNode(id) as unknown as DatabaseNode
  for (const uuid of ['kitchen', 'attic']) {
    await new Promise<void>((resolve, reject) => {
      store.write(message('agent/message', { agent: { uuid, name: `The ${uuid}` }, metrics: [{ type: `${uuid} cpu`, value: 1 }], timestamp: 1 }), 1, error => { if (error === null) resolve(); else reject(error) })
    })
  }
  const names = async (body: object) => {
    const { status, body: answer } = await helper.request().post('/platziverse/database/names').send({ id, ...body })
    const { names, code } = answer as { names?: Array<{ name: string, label?: string }>, code?: string }
    return [status, names ?? code]
  }
  assert.deepEqual(await names({ of: 'agents', text: 'The KIT' }), [200, [{ name: 'kitchen', label: 'The kitchen' }]])
  assert.deepEqual(await names({ of: 'types' }), [200, [{ name: 'attic cpu' }, { name: 'kitchen cpu' }]])
  assert.deepEqual(await names({ of: 'types', text: 'cpu', uuids: ['attic'] }), [200, [{ name: 'attic cpu' }]])
  for (const wrong of [{ text: 7 }, { text: 'a'.repeat(256) }, { text: 'a\0' }, { uuids: 'attic' }, { uuids: [7] }, { uuids: Array.from({ length: 1_001 }, () => 'a') }]) {
    assert.deepEqual(await names({ of: 'types', ...wrong }), [400, 'QUERY_INVALID'], JSON.stringify(wrong))
  }
  assert.deepEqual(await names({ id: 'nowhere', of: 'agents' }), [400, 'DATABASE_MISSING'])
})

test('the endpoint for names needs the permission to see flows', { skip: skipWithoutNodeRed(5) }, async t => {
  for (const [permissions, status] of [['read', 400], ['settings.read', 401]] as const) {
    const nodeRed = await startNodeRed({ settings: { adminAuth: { type: 'credentials', users: [], default: { permissions } } } })
    t.after(() => nodeRed.stop())
    const { status: answered } = await fetch(new URL('platziverse/database/names', nodeRed.url), { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"id":"nowhere"}' })
    assert.equal(answered, status)
  }
})

onEachServer('the test endpoint says who answers, and that the tables are there once they are', async (t, { options, query, dialect }) => {
  const form = formOf(options as ServerOptions)
  const { server: name, timescale: _, ...rest } = await ask(...form)
  assert.match(name ?? '', /^(PostgreSQL|MySQL|MariaDB) \d+\.[\d.]+$/)
  assert.deepEqual(rest, { ok: true, tables: 'none' })
  assert.deepEqual(await tablesOf(query, options as ServerOptions), [], 'nothing is left behind')
  const knex = await dialect.connect()
  t.after(() => knex.destroy())
  await migrate(knex)
  assert.equal((await ask(...form)).tables, 'ready')
})

onEachServer('the test endpoint says what TimescaleDB does where it is there, and nothing of it elsewhere', async (t, { options, query, dialect, server }) => {
  const form = formOf(options as ServerOptions)
  const expected = (state: object) => server.timescale === undefined ? undefined : { version: server.timescale, isApache: false, ...state }
  if (options.client === 'postgresql' && server.timescale === undefined) t.diagnostic('There is no TimescaleDB: only the silence about it is tested.')
  assert.deepEqual((await ask(...form)).timescale, expected({ metrics: 'next' }))
  const knex = await dialect.connect()
  t.after(() => knex.destroy())
  await migrate(knex)
  assert.deepEqual((await ask(...form)).timescale, expected({ metrics: 'hypertable', compressedAfter: 7 * 86_400_000 }))
  // As if the extension had come when there were metrics.
  await query.raw('drop table metrics cascade')
  await query.raw('create table metrics (ts bigint)')
  assert.deepEqual((await ask(...form)).timescale, expected({ metrics: 'next' }), 'without metrics')
  await query('metrics').insert({ ts: 1 })
  assert.deepEqual((await ask(...form)).timescale, expected({ metrics: 'plain' }))
})

onEachServer('the test endpoint takes a URL', async (_t, { options }) => {
  const { client, host, port, user, password, database } = options as ServerOptions
  const url = `${client}://${encodeURIComponent(user ?? '')}:${encodeURIComponent(password ?? '')}@${host}:${port}/${database}`
  assert.equal((await ask({ client, connection: 'url' }, { url })).ok, true)
})

onEachServer('the test endpoint tells a wrong password from an unknown database, and repeats no secret', async (_t, open) => {
  const [config] = formOf(open.options as ServerOptions)
  const credentials = { user: 'ben', password: 's3cret' }
  await createUser(open, 'ben', 's3cret', true)
  const wrong = await ask(config, { ...credentials, password: 'wr0ng' })
  assert.deepEqual([wrong.ok, wrong.code], [false, 'STORE_LOGIN_REFUSED'])
  const unknown = await ask({ ...config, database: 'nowhere' }, credentials)
  assert.deepEqual([unknown.ok, unknown.code], [false, 'STORE_DATABASE_UNKNOWN'])
  assert.doesNotMatch(JSON.stringify([wrong, unknown]), /wr0ng|s3cret/)
})

onEachServer('the test endpoint takes __PWRD__ for the password that is deployed', async (_t, open) => {
  const [config] = formOf(open.options as ServerOptions)
  await createUser(open, 'ana', deployed, true)
  assert.equal((await ask(config, { user: 'ana', password: '__PWRD__' })).ok, true)
  assert.equal((await ask(config, { user: '__PWRD__', password: '__PWRD__' })).ok, true)
  assert.equal((await ask(config)).ok, true, 'what is not sent is as it was deployed')
  assert.equal((await ask(config, { user: 'ana', password: '' })).code, 'STORE_LOGIN_REFUSED')
  const { body } = await helper.request().post('/platziverse/database/test').send({ id: 'another', config, credentials: { user: 'ana', password: '__PWRD__' } } as object)
  assert.equal((body as Answer).code, 'STORE_LOGIN_REFUSED', 'another node has another password')
})

onEachServer('the test endpoint says that a user may not make tables', async (_t, open) => {
  const [config] = formOf(open.options as ServerOptions)
  await createUser(open, 'weak', 'weak', false)
  // Everybody may, before PostgreSQL 15.
  if (open.options.client === 'postgresql') await open.query.raw('revoke create on schema public from public')
  assert.equal((await ask(config, { user: 'weak', password: 'weak' })).code, 'STORE_NOT_ALLOWED')
})

onEachServer('the test endpoint says that a user may read the tables but not write them', async (t, open) => {
  const [config, owner] = formOf(open.options as ServerOptions)
  const knex = await open.dialect.connect()
  t.after(() => knex.destroy())
  await migrate(knex)
  await createUser(open, 'reader', 'reader', false)
  if (open.options.client === 'postgresql') await open.query.raw('grant usage on schema public to reader').then(() => open.query.raw('grant select on all tables in schema public to reader'))
  assert.equal((await ask(config, { user: 'reader', password: 'reader' })).code, 'STORE_NOT_ALLOWED')
  assert.equal((await ask(config, owner)).tables, 'ready')
})

test('the test endpoint needs the permission of who edits flows', { skip: skipWithoutNodeRed(5) }, async t => {
  const nodeRed = await startNodeRed({ settings: { adminAuth: { type: 'credentials', users: [], default: { permissions: 'read' } } } })
  t.after(() => nodeRed.stop())
  await assert.rejects(nodeRed.api('platziverse/database/test', { body: { config: { client: 'sqlite' } } }), /^Error: 401/)
})

async function sqliteFile (t: TestContext): Promise<{ filename: string, knex: Knex }> {
  const filename = join(await temporaryFolder(t), 'test.sqlite')
  const knex = ofKind(sqliteKind, knexFactory({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true }))
  t.after(() => knex.destroy())
  return { filename, knex }
}

async function tablesOf (query: Knex, { client, database }: ServerOptions): Promise<unknown[]> {
  return query('information_schema.tables').where('table_schema', client === 'mysql' ? database ?? '' : 'public').select()
}

/** A user of the server who may log in, and maybe make tables. */
async function createUser ({ query, options, server }: OpenDatabase, user: string, password: string, allowed: boolean): Promise<void> {
  const { client, database } = options as ServerOptions
  if (client === 'mysql') {
    // One without rights for all databases would not be told which there are.
    const grant = allowed ? 'grant all on *.*' : `grant select on \`${database}\`.*`
    await (server as Mariadb).administer(`create user '${user}'@'%' identified by '${password}'`, `${grant} to '${user}'@'%'`)
  } else {
    await query.raw(`create role ${user} login password '${password}'`)
    await query.raw(`${allowed ? 'grant' : 'revoke'} all on schema public ${allowed ? 'to' : 'from'} ${user}`)
  }
}

test('the endpoint answers of a kind of database that is inherited as of any unknown one', async () => {
  const unknown = await ask({ client: 'oracle' })
  assert.deepEqual([unknown.ok, unknown.code], [false, 'STORE_OPTION_INVALID'])
  for (const client of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 7, null]) {
    const { detail = '', ...rest } = await ask({ client } as object)
    assert.deepEqual(rest, { ok: false, code: unknown.code, help: unknown.help }, String(client))
    assert.match(detail, /is not a kind of database/)
  }
})

test('the endpoint takes JSON alone: a form of any website could send anything else in the name of who looks at it', async () => {
  for (const send of [`config[client]=sqlite&config[filename]=${join(folder, 'forged.sqlite')}`, 'text']) {
    const { status } = await helper.request().post('/platziverse/database/test').type(send === 'text' ? 'text/plain' : 'form').send(send)
    assert.equal(status, 415)
  }
})
