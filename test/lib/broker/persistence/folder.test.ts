import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import sqlite3 from 'sqlite3'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import { openPersistentBroker } from '../../../fixtures/persistent-broker.ts'
import { until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { connect, forkBroker, leaveSession, limits, openBroker, receive } from '../../../helpers/persistent-broker.ts'

test('how long a client has been away is known after a restart', async t => {
  const folder = await temporaryFolder(t)
  let now = 1_000_000
  const options = { folder, limits: { ...limits, sessionExpiry: 3_600 }, now: () => now }
  const first = await openPersistence(options)
  for (const id of ['leaves', 'stays']) {
    first.clientCame(id, false)
    await first.addSubscriptions({ id }, [{ topic: 'a', qos: 1 }])
  }
  first.clientWent('leaves')
  await first.close()
  now += 2_000_000
  const second = await openPersistence(options)
  assert.equal(second.counters.sessions, 2)
  await second.close()
  now += 2_000_000
  // "stays" was there until the first close; what is away since is counted from the restart.
  const third = await openPersistence(options)
  assert.deepEqual([third.counters.sessions, third.counters.expiredSessions], [1, 1])
  third.clientCame('stays', false)
  now += 9_000_000
  third.limits = { ...options.limits }
  assert.equal(third.counters.sessions, 1)
  await third.close()
})

test('a message in many queues is on the disk once, and goes with the last', async t => {
  const folder = await temporaryFolder(t)
  const first = await openPersistentBroker({ folder })
  for (const id of ['one', 'two']) await leaveSession(t, first.port, id, 'a', 1)
  await (await connect(t, first.port)).publishAsync('a', 'x', { qos: 1 })
  await first.close()
  assert.deepEqual(await kinds(folder), { message: 1, queued: 2, session: 2, subscription: 2 })
  const second = await openPersistentBroker({ folder })
  const { got } = await receive(t, second.port, { clientId: 'one', clean: false })
  await until(() => [got.length, second.persistence.counters.offline], ([count, offline]) => count === 1 && offline === 1)
  await connect(t, second.port, { clientId: 'two', clean: true })
  await second.close()
  assert.deepEqual(await kinds(folder), { session: 1, subscription: 1 })
})

test('a folder that cannot be written is refused', async t => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  await assert.rejects(openPersistence({ folder: join(folder, 'file', 'sub'), limits }), { code: 'BROKER_FOLDER_UNWRITABLE' })
})

test('a folder in use by another broker is refused, in this process and in another, until that one ends', async t => {
  const folder = await temporaryFolder(t)
  const first = await openPersistence({ folder, limits })
  const [, other] = await Promise.all([
    assert.rejects(openPersistence({ folder, limits }), { code: 'BROKER_FOLDER_IN_USE' }),
    forkBroker(t, { folder })
  ])
  assert.equal(other.refused, 'BROKER_FOLDER_IN_USE')
  await first.close()
  const next = await forkBroker(t, { folder })
  assert.equal(next.refused, undefined)
  await next.kill()
  await (await openPersistence({ folder, limits })).close()
})

test('a broker that opens a folder while its predecessor closes waits for it', async t => {
  const folder = await temporaryFolder(t)
  const first = await openPersistence({ folder, limits })
  const second = openPersistence({ folder, limits })
  await first.close()
  await (await second).close()
})

test('a damaged file and one of a newer version are refused, and not touched', async t => {
  const garbage = await temporaryFolder(t)
  await writeFile(join(garbage, 'broker.sqlite'), 'no database at all, whatever its name says. '.repeat(100))
  await assert.rejects(openPersistence({ folder: garbage, limits }), { code: 'BROKER_FOLDER_DAMAGED' })
  assert.equal((await stat(join(garbage, 'broker.sqlite'))).size, 4_400)

  for (const [statement, code] of [
    ['pragma user_version = 99', 'BROKER_FOLDER_NEWER'],
    ['insert into records values (1, \'{"kind":\')', 'BROKER_FOLDER_DAMAGED'],
    ['insert into records values (1, \'{"kind":"unheard of"}\')', 'BROKER_FOLDER_DAMAGED'],
    ['insert into records values (1, \'{"kind":"queued","client":"nobody","qos":1}\')', 'BROKER_FOLDER_DAMAGED']
  ] as const) {
    const folder = await temporaryFolder(t)
    await (await openPersistence({ folder, limits })).close()
    await query(folder, statement)
    await assert.rejects(openPersistence({ folder, limits }), { code })
  }
})

test('publishers wait while the disk is full, and are acknowledged when it has room again', { skip: process.platform !== 'linux' }, async t => {
  const folder = await temporaryFolder(t)
  const broker = await forkBroker(t, { folder })
  const limitFiles = (bytes: string) => promisify(execFile)('prlimit', ['--pid', String(broker.process.pid), `--fsize=${bytes}:unlimited`])
  await leaveSession(t, broker.port, 'away', 'a', 1)
  const publisher = await connect(t, broker.port)
  const failure = waitFor<{ failure?: string | null }>(broker.process, 'message')
  await limitFiles(String((await stat(join(folder, 'broker.sqlite-wal'))).size))
  let acknowledged = false
  const publishing = publisher.publishAsync('a', 'x'.repeat(100_000), { qos: 1 }).then(() => { acknowledged = true })
  assert.equal((await failure).failure, 'BROKER_FOLDER_UNWRITABLE')
  assert.equal(acknowledged, false)
  const recovery = waitFor<{ failure?: string | null }>(broker.process, 'message')
  await limitFiles('unlimited')
  await publishing
  assert.equal((await recovery).failure, null)
  const { got } = await receive(t, broker.port, { clientId: 'away', clean: false })
  await until(() => got.length, count => count === 1)
})

test('nothing is promised after the end', async t => {
  const folder = await temporaryFolder(t)
  const persistence = await openPersistence({ folder, limits })
  await persistence.close()
  await persistence.close()
  await assert.rejects(persistence.addSubscriptions({ id: 'c' }, [{ topic: 'a', qos: 1 }]), /closed/)
})

function query (folder: string, sql: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const db = new sqlite3.Database(join(folder, 'broker.sqlite'))
    db.all(sql, (error, rows) => { db.close(() => { if (error === null) resolve(rows); else reject(error) }) })
  })
}

/** How many records of each kind are on the disk. */
async function kinds (folder: string): Promise<Record<string, number>> {
  const rows = await query(folder, "select value->>'kind' as kind, count(*) as n from records group by 1 order by 1") as Array<{ kind: string, n: number }>
  return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]))
}

for (const [what, ends] of [['the file', ['']], ['the file with its log', ['', '-wal', '-shm']], ['the folder', undefined]] as const) {
  test(`where ${what} is removed while the broker runs, all that was kept is in a new one before anything more is acknowledged`, async t => {
    const folder = join(await temporaryFolder(t), 'kept')
    const broker = await openBroker(t, { folder, limits })
    const publisher = await connect(t, broker.port)
    await publisher.publishAsync('kept/before', 'a', { qos: 1, retain: true })
    if (ends === undefined) await rm(folder, { recursive: true })
    else for (const end of ends) await rm(join(folder, `broker.sqlite${end}`), { force: true })
    await publisher.publishAsync('kept/after', 'b', { qos: 1, retain: true })
    await broker.close()
    const again = await openBroker(t, { folder, limits })
    const { client, got } = await receive(t, again.port, {})
    await client.subscribeAsync('kept/#', { qos: 1 })
    await until(() => got.length, length => length === 2)
    assert.deepEqual(got.map(({ topic }) => topic).sort(), ['kept/after', 'kept/before'])
  })
}
