import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory from 'knex'
import { PlatziverseError } from '../../../../lib/errors.ts'
import type { Message } from '../../../../lib/messages/parse.ts'
import { sqliteDialect } from '../../../../lib/store/dialects/sqlite/sqlite.ts'
import { Store, type Stored, type StoreState } from '../../../../lib/store/store.ts'
import { Spool } from '../../../../lib/store/writer/spool.ts'
import { readSpooledText, spooledText } from '../../../../lib/store/writer/spooled-text.ts'
import { until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { message, reading } from '../../../helpers/messages.ts'

/** A store whose database is away until `folder` is made, and its spool. */
async function open (t: TestContext, mostBytes = 1e6, place?: string) {
  place ??= await temporaryFolder(t)
  const folder = join(place, 'away')
  const spool = new Spool({ filename: join(place, 'spool.sqlite'), mostBytes })
  const store = new Store(sqliteDialect(join(folder, 'test.sqlite')), { instance: 'test', spool, spoolPatience: 20 })
  t.after(() => store.close())
  const away = waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  away.catch(() => undefined)
  const write = (message: Message): Promise<Stored> => new Promise((resolve, reject) => {
    store.write(message, 1_700_000_000_000, (error, stored) => { if (stored === undefined) reject(error as Error); else resolve(stored) })
  })
  const rows = async (): Promise<Array<{ ts: number, seq: number }>> => {
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(folder, 'test.sqlite') }, useNullAsDefault: true })
    try {
      return await knex('metrics').join('series', 'series.id', 'series_id').where('type', 'cpu').orderBy('ts').select('ts', 'seq')
    } finally {
      await knex.destroy()
    }
  }
  return { place, folder, spool, store, away, write, rows }
}

const at = (timestamp: number): Message => message('agent/message', reading('a', { timestamp, seq: 1 }))

test('while the database is away messages are spooled, and stored in their order when it is back', async t => {
  const { folder, store, away, write, rows } = await open(t)
  const early = write(at(1))
  await away
  assert.deepEqual(await early, { agentId: null, metrics: 3, duplicates: 0, spooled: true })
  const gone = write(message('agent/disconnected', { agent: { uuid: 'a' } }))
  for (const stored of await Promise.all([2, 3, 4].map(ts => write(at(ts))))) assert.equal(stored.spooled, true)
  await gone
  assert.equal(store.statistics().spooled, 5)
  await mkdir(folder)
  await until(() => store.statistics().spooled, spooled => spooled === 0, 20_000)
  assert.deepEqual((await rows()).map(({ ts }) => ts), [1, 2, 3, 4])
  assert.deepEqual(await write(at(5)), { agentId: 1, metrics: 3, duplicates: 0 })
})

test('what comes while the spool is emptied does not overtake what is in it', async t => {
  const { folder, store, away, write } = await open(t, 1e7)
  await away
  await Promise.all(Array.from({ length: 5_000 }, (_, ts) => write(at(ts))))
  await mkdir(folder)
  await waitFor<StoreState>(store, 'state', ({ state }) => state === 'ready')
  // The last word on the agent is said while older ones are still in the spool.
  const last = await write(message('agent/disconnected', { agent: { uuid: 'a' } }))
  assert.equal(last.spooled, true)
  await until(() => store.statistics().spooled, spooled => spooled === 0, 20_000)
  const knex = await store.read()
  assert.deepEqual(await knex('agents').pluck('connected'), [0])
  assert.equal((await knex('metrics').count('* as n'))[0]?.n, 15_000)
})

test('a full spool is reported once, and what does not fit waits and is stored later', async t => {
  const { folder, store, away, write, rows } = await open(t, 2_000)
  await away
  const problems: string[] = []
  store.on('problem', error => { problems.push(error.code) })
  const writes = Array.from({ length: 50 }, (_, ts) => write(at(ts)))
  await until(() => problems, problems => problems.length > 0)
  await until(() => store.statistics().queued, queued => queued > 0)
  assert.deepEqual(problems, ['STORE_SPOOL_FULL'])
  await mkdir(folder)
  await Promise.all(writes)
  await until(() => store.statistics().spooled, spooled => spooled === 0)
  assert.equal((await rows()).length, 50)
})

test('nothing overtakes what did not fit into the spool', async t => {
  const { folder, store, away, write } = await open(t, 400)
  await away
  const told = once(store, 'problem')
  assert.equal((await write(message('agent/connected', { agent: { uuid: 'a' } }))).spooled, true)
  const large = write(message('agent/message', reading('a', { timestamp: 1, metrics: [{ type: 'cpu', value: 'x'.repeat(1_000) }] })))
  const [problem] = await told as [PlatziverseError]
  assert.equal(problem.code, 'STORE_SPOOL_FULL')
  // It would fit, and the agent count as connected for ever.
  const gone = write(message('agent/disconnected', { agent: { uuid: 'a' } }))
  await mkdir(folder)
  assert.deepEqual((await Promise.all([large, gone])).map(({ spooled }) => spooled), [undefined, undefined])
  assert.deepEqual(await (await store.read())('agents').pluck('connected'), [0])
})

test('a spool that takes nothing says why without what the messages say', async t => {
  const { place, folder, spool, store, away, write } = await open(t)
  await away
  await write(at(1))
  const other = knexFactory({ client: 'sqlite3', connection: { filename: join(place, 'spool.sqlite') }, useNullAsDefault: true })
  t.after(() => other.destroy())
  await other.raw('begin immediate')
  const told = once(store, 'problem')
  const written = write(message('agent/message', reading('a', { timestamp: 2, metrics: [{ type: 'cpu', value: 's3cret' }] })))
  const [problem] = await told as [PlatziverseError]
  assert.match(problem.detail, /spool\.sqlite: SQLITE_BUSY: [^']*$/)
  await other.raw('rollback')
  // Offered again, it is taken, and so is what comes after it.
  assert.equal((await written).spooled, true)
  assert.equal((await write(at(3))).spooled, true)
  assert.equal(spool.size, 3)
  await mkdir(folder)
  await until(() => store.statistics().spooled, spooled => spooled === 0, 20_000)
})

test('a spool that was switched off is emptied, and takes nothing more', async t => {
  const { place, folder, store, away, write } = await open(t)
  await away
  await Promise.all([1, 2, 3].map(ts => write(at(ts))))
  await store.close()
  await mkdir(folder)
  const after = await open(t, 0, place)
  assert.equal((await after.write(at(4))).spooled, undefined)
  assert.deepEqual((await after.rows()).map(({ ts }) => ts), [1, 2, 3, 4])
})

test('a spool that cannot be emptied does not keep the database from storing, and nothing is stored twice', async t => {
  const { folder, spool, store, away, write, rows } = await open(t)
  await away
  await write(at(1))
  t.mock.method(spool, 'remove', async () => { throw new PlatziverseError('STORE_SPOOL_FAILED', 'The disk is full.') })
  const told = once(store, 'problem')
  await mkdir(folder)
  const [problem] = await told as [PlatziverseError]
  assert.equal(problem.code, 'STORE_SPOOL_FAILED')
  assert.equal((await write(at(2))).spooled, undefined)
  assert.deepEqual((await rows()).map(({ ts }) => ts), [1, 2])
})

test('a spool that cannot be read is reported, and does not keep the database from storing', async t => {
  const place = await temporaryFolder(t)
  await writeFile(join(place, 'spool.sqlite'), 'this is no database, and long enough to be taken for one: '.repeat(100))
  await mkdir(join(place, 'away'))
  const { store, write } = await open(t, 1e6, place)
  const [problem] = await once(store, 'problem') as [PlatziverseError]
  assert.match(problem.message, /^STORE_SPOOL_FAILED: .*spool\.sqlite/)
  assert.equal((await write(at(1))).agentId, 1)
})

test('unknown fields of a message wait nowhere', async t => {
  const { place, away, store } = await open(t)
  await away
  const payload = { agent: { uuid: 'a', colour: 'secret' }, metrics: [{ type: 'a', value: 1, unit: 'secret' }], timestamp: 5, more: 'secret' }
  await new Promise<void>((resolve, reject) => { store.write({ kind: 'message', topic: 'agent/message', payload }, 1, error => { if (error) reject(error); else resolve() }) })
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(place, 'spool.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const [entry] = await knex('spool').pluck<string[]>('entry')
  assert.deepEqual((JSON.parse((entry ?? '').slice(8)) as unknown[])[0], { kind: 'message', topic: 'agent/message', payload: { agent: { uuid: 'a' }, metrics: [{ type: 'a', value: 1 }], timestamp: 5 } })
})

test('a goodbye is spooled with when it began to wait', () => {
  const entry = { message: message('agent/disconnected', { agent: { uuid: 'a' } }), receivedAt: 9, seq: 0, queuedAt: 7 }
  const read = readSpooledText(spooledText(entry))
  assert.deepEqual([read?.receivedAt, read?.queuedAt], [9, 7])
  assert.ok(read !== undefined && !('queuedAt' in read.message))
})

test('a message that is damaged in the spool is reported and set aside, and the others are stored', async t => {
  const { place, folder, store, away, write } = await open(t)
  await away
  await Promise.all([1, 2, 3, 4, 5].map(ts => write(at(ts))))
  await store.close()
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(place, 'spool.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  await knex('spool').where('id', 3).update({ entry: '[{"kind":"mess' })
  await mkdir(folder)
  const next = await open(t, 1e6, place)
  const [problem] = await once(next.store, 'problem') as [PlatziverseError]
  assert.match(problem.detail, /spool\.sqlite: message 3 is damaged/)
  await next.write(at(6))
  await until(() => next.rows(), rows => rows.length === 5)
  assert.deepEqual((await next.rows()).map(({ ts }) => ts), [1, 2, 4, 5, 6])
  // Removed after the commit.
  await until(() => next.store.statistics().spooled, spooled => spooled === 0)
  assert.deepEqual(await knex('damaged').pluck('entry'), ['[{"kind":"mess'])
})

test('what was spooled survives a kill, and is stored once by the next process', async t => {
  const place = await temporaryFolder(t)
  const child = fork(new URL('../../../fixtures/spooling-store.ts', import.meta.url), [place], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.after(() => { child.kill('SIGKILL') })
  let acknowledged = 0
  child.on('message', ts => { acknowledged = Math.max(acknowledged, ts as number) })
  await until(() => acknowledged, acknowledged => acknowledged > 500, 20_000)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await mkdir(join(place, 'away'))
  const { store, rows } = await open(t, 1e8, place)
  await waitFor<StoreState>(store, 'state', ({ state }) => state === 'ready')
  await until(() => store.statistics().spooled, spooled => spooled === 0, 20_000)
  const stored = await rows()
  assert.ok(stored.length >= acknowledged, `${stored.length} of ${acknowledged}`)
  assert.deepEqual(stored.slice(0, acknowledged).map(({ ts }) => ts), Array.from({ length: acknowledged }, (_, i) => i + 1))
})

test('a spool whose file is removed keeps what it acknowledged, in a new file', async t => {
  const { place, folder, spool, store, away, write } = await open(t)
  await away
  for (const ts of [1, 2, 3]) await write(at(ts))
  for (const end of ['', '-wal', '-shm']) await rm(join(place, `spool.sqlite${end}`), { force: true })
  for (const ts of [4, 5]) assert.equal((await write(at(ts))).spooled, true)
  assert.equal(spool.size, 5)
  await store.close()
  await mkdir(folder)
  const next = await open(t, 1e6, place)
  await until(() => next.rows().catch(() => []), rows => rows.length === 5)
  assert.deepEqual((await next.rows()).map(({ ts }) => ts), [1, 2, 3, 4, 5])
})
