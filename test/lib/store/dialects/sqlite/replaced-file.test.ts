import assert from 'node:assert/strict'
import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openSqlite } from '../../../../../lib/sqlite/open-sqlite.ts'
import { dialectOf } from '../../../../../lib/store/dialect-of.ts'
import type { SqliteOptions } from '../../../../../lib/store/dialects/options.ts'
import { Store, type StoreState } from '../../../../../lib/store/store.ts'
import { files, onEachDatabase } from '../../../../helpers/databases.ts'
import { until, waitFor } from '../../../../helpers/events.ts'
import { temporaryFolder } from '../../../../helpers/folder.ts'
import { message, reading } from '../../../../helpers/messages.ts'

/** What a file has, with nothing else beside it, as `sqlite3` would read it. */
async function contents (filename: string, { driver }: SqliteOptions): Promise<string[]> {
  const knex = await openSqlite(filename, 1, () => [], driver)
  try {
    assert.deepEqual(await knex.raw('pragma integrity_check'), [{ integrity_check: 'ok' }])
    const rows = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('uuid', 'type', 'ts')
    assert.equal(rows.length, (await knex('metrics').count({ n: '*' }).first())?.n, 'metrics of no series')
    return rows.filter(({ type }) => type === 'cpu').map(({ uuid, ts }) => `${uuid}/${ts}`).sort()
  } finally {
    await knex.destroy()
  }
}

interface Place { folder: string, filename: string, backup: string, away: string }

const replacements: Record<string, (place: Place) => Promise<void>> = {
  'removed': ({ filename }) => rm(filename),
  'removed with its log': async ({ filename }) => { for (const end of ['', '-wal', '-shm']) await rm(`${filename}${end}`, { force: true }) },
  'overwritten by a move': ({ filename, backup }) => rename(backup, filename),
  'moved away, and a backup copied to its place': async ({ filename, backup, away }) => {
    await rename(filename, away)
    await copyFile(backup, filename)
  },
  'moved away with its folder': async ({ folder, filename, backup, away }) => {
    await rename(folder, `${away}-folder`)
    await mkdir(folder)
    await copyFile(backup, filename)
  }
}

async function open (t: TestContext, options: SqliteOptions) {
  const folder = join(await temporaryFolder(t), 'data')
  await mkdir(folder)
  const place: Place = { folder, filename: join(folder, 'test.sqlite'), backup: join(folder, '..', 'backup.sqlite'), away: join(folder, '..', 'away.sqlite') }
  const here: SqliteOptions = { ...options, filename: place.filename }
  const store = new Store(dialectOf(here), { instance: 'test' })
  t.after(() => store.close())
  const states: StoreState[] = []
  store.on('state', state => { states.push(state) })
  const acknowledged: string[] = []
  const write = async (uuid: string): Promise<void> => {
    const one = message('agent/message', reading(uuid))
    await new Promise<void>((resolve, reject) => {
      store.write(one, 1_700_000_000_000, error => { if (error === null) resolve(); else reject(error) })
    })
    if (one.kind === 'message') acknowledged.push(`${uuid}/${one.payload.timestamp}`)
  }
  const back = async (): Promise<void> => {
    const knex = await openSqlite(place.filename, 1, () => [], here.driver)
    await knex.raw('vacuum into ?', [place.backup])
    await knex.destroy()
  }
  return { place, store, states, acknowledged, write, back, here }
}

for (const [how, replace] of Object.entries(replacements)) {
  onEachDatabase(`a file that is ${how} gets nothing more, and what is acknowledged is in the one at its place`, async (t, { options }) => {
    const { place, store, states, acknowledged, write, back, here } = await open(t, options as SqliteOptions)
    for (let i = 0; i < 5; i++) await write('early')
    await back()
    // The backup knows neither of them, and gives their ids to others.
    for (let i = 0; i < 5; i++) await Promise.all([write('late'), write('later')])
    const before = acknowledged.splice(0)
    const reader = await store.read()
    await reader('metrics').count()

    await replace(place)
    await Promise.all(Array.from({ length: 40 }, async (_, i) => { await write(i % 2 === 0 ? 'later' : `new ${i}`) }))
    for (let i = 0; i < 10; i++) await write('late')
    const reported = states.find(({ state }) => state === 'waiting')
    assert.match(reported?.state === 'waiting' ? reported.error.message : '', /STORE_REPLACED/)
    const seen = await (await store.read())('agents').pluck<string[]>('uuid')
    assert.ok(seen.includes('new 1'), 'readers see the old file')
    await store.close()
    const found = await contents(place.filename, here)
    assert.deepEqual(acknowledged.filter(key => !found.includes(key)), [])
    assert.equal(new Set(found).size, found.length)
    if (how.startsWith('moved away')) {
      // Alone, because a copy that is looked at later has no log beside it.
      const old = how.endsWith('folder') ? join(`${place.away}-folder`, 'test.sqlite') : place.away
      const there = await contents(old, here)
      assert.deepEqual(before.filter(key => !there.includes(key)), [])
    }
    assert.deepEqual((await readdir(place.folder)).sort(), ['test.sqlite'])
  }, files)
}

onEachDatabase('a file that is removed while nothing comes is missed, and said so', async (t, { options }) => {
  const { place, store, write, here } = await open(t, options as SqliteOptions)
  await write('early')
  const waiting = waitFor<StoreState>(store, 'state', ({ state }) => state === 'waiting')
  await rm(place.filename)
  const state = await waiting
  assert.match(state.state === 'waiting' ? state.error.message : '', /STORE_REPLACED/)
  await until(() => store.state.state, state => state === 'ready')
  await store.close()
  assert.deepEqual(await contents(place.filename, here), [])
}, files)
