import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { dialectOf } from '../../../../lib/store/dialect-of.ts'
import type { PendingNewest } from '../../../../lib/store/dialects/pending-newest.ts'
import { Store } from '../../../../lib/store/store.ts'
import { open } from '../../../databases/writing-process.ts'
import { onEachServer } from '../../../helpers/databases.ts'
import { until } from '../../../helpers/events.ts'
import { message, reading } from '../../../helpers/messages.ts'

const now = Date.now()
const numbered = (seq: number, { uuid = 'a', type = 't', at = now + seq } = {}): string => reading(uuid, { timestamp: at, seq, metrics: [{ type, value: seq }] })

/** The newest value of each series as it is written, without asking. */
async function written (query: Knex): Promise<Array<number | null>> {
  return (await query('series').orderBy('id').pluck<Array<number | null>>('last_value')).map(value => value === null ? null : Number(value))
}

/** What is newest in `metrics`. */
async function newestIn (query: Knex): Promise<unknown[]> {
  const rows = await query('metrics').orderBy(['series_id', 'ts', 'seq']).select('series_id', 'ts', 'seq', 'value', 'text')
  return [...new Map(rows.map(row => [Number(row.series_id), [row.series_id, row.ts, row.seq, row.value, row.text].map(value => value === null ? null : String(value))])).values()]
}

async function newestWritten (query: Knex): Promise<unknown[]> {
  const rows = await query('series').orderBy('id').select('id', 'last_ts', 'last_seq', 'last_value', 'last_text')
  return rows.map(row => Object.values(row).map(value => value === null ? null : String(value)))
}

onEachServer('the newest of a steady stream is written when it is asked for, and when the store closes', async (t, database) => {
  const { store, write } = open(t, database)
  for (let seq = 0; seq < 3; seq++) await write('agent/message', numbered(seq))
  assert.deepEqual(await written(database.query), [0])
  assert.deepEqual(await written(await store.read('metrics')), [0])
  assert.deepEqual(await written(await store.read()), [2])
  await write('agent/message', numbered(3))
  assert.deepEqual(await written(database.query), [2])
  await store.close()
  assert.deepEqual(await written(database.query), [3])
  assert.deepEqual(await database.query('writers').pluck('id'), [])
})

onEachServer('what is old, so that it may be deleted before it is written, and a long text are written at once', async (t, database) => {
  const { write } = open(t, database)
  for (const seq of [0, 1]) await write('agent/message', numbered(seq, { at: now - 7_200_000 + seq }))
  assert.deepEqual(await written(database.query), [1])
  for (const [i, value] of ['short', 'x'.repeat(300)].entries()) await write('agent/message', reading('a', { timestamp: now + i, metrics: [{ type: 'text', value }] }))
  assert.equal((await database.query('series').where('type', 'text').first('last_text')).last_text.length, 300)
})

onEachServer('another process finds what one has not written, and from then on both write at once', async (t, database) => {
  const one = open(t, database, 'one')
  for (let seq = 0; seq < 3; seq++) await one.write('agent/message', numbered(seq))
  assert.deepEqual(await written(database.query), [0])
  const two = open(t, database, 'two')
  assert.deepEqual(await written(await two.store.read()), [2])
  await one.write('agent/message', numbered(3))
  assert.deepEqual(await written(database.query), [3])
  await two.write('agent/message', numbered(4))
  assert.deepEqual(await written(database.query), [4])
  await one.write('agent/message', numbered(5))
  // In a transaction with a new series.
  await one.write('agent/message', numbered(6, { type: 'new' }))
  await one.write('agent/message', numbered(7, { type: 'new' }))
  assert.deepEqual(await written(database.query), [5, 7])
})

onEachServer('another process that comes while one writes more than metrics is noticed, too', async (t, database) => {
  const one = open(t, database, 'one')
  for (let seq = 0; seq < 3; seq++) await one.write('agent/message', numbered(seq))
  const two = open(t, database, 'two')
  await two.store.read()
  await one.write('agent/message', reading('a', { timestamp: now + 3, seq: 3, metrics: [{ type: 't', value: 3 }, { type: 'new', value: 3 }] }))
  assert.deepEqual(await written(database.query), [3, 3])
  assert.equal(one.states.filter(({ state }) => state === 'waiting').length, 0)
})

onEachServer('another process waits for what is being committed and kept back', async (t, database) => {
  const one = open(t, database, 'one')
  for (let seq = 0; seq < 3; seq++) await one.write('agent/message', numbered(seq))
  const [id] = await database.query('writers').pluck<string[]>('id')
  const commit = await database.query.transaction({ isolationLevel: 'read committed' })
  t.after(() => commit.isCompleted() || commit.rollback())
  // As a batch that is under way.
  await commit.raw(`select id from writers where id = ? ${database.name === 'PostgreSQL' ? 'for key share' : 'lock in share mode'}`, [id as string])
  await commit('metrics').insert({ series_id: (await database.query('series').first('id')).id, ts: now + 9, seq: 9, value: 9 })
  const two = open(t, database, 'two')
  const asked = two.store.read().then(written)
  await until(() => database.query('writers').pluck('id'), ({ length }) => length === 2)
  await pause(300)
  assert.equal(two.store.state.state, 'opening')
  await commit.commit()
  assert.deepEqual(await asked, [9])
})

onEachServer('a backup that reads the tables keeps no process from opening the database', async (t, database) => {
  const one = open(t, database, 'one')
  for (let seq = 0; seq < 3; seq++) await one.write('agent/message', numbered(seq))
  const backup = await database.query.transaction({ isolationLevel: 'repeatable read' })
  t.after(() => backup.isCompleted() || backup.rollback())
  for (const table of ['writers', 'series', 'metrics']) await backup(table).select()
  const two = open(t, database, 'two')
  const started = performance.now()
  assert.deepEqual(await written(await two.store.read()), [2])
  assert.ok(performance.now() - started < 5_000)
  await backup.rollback()
})

onEachServer('what a killed process has not written is found when the database is opened', async (t, database) => {
  const program = join(fileURLToPath(new URL('.', import.meta.url)), 'sending-process.ts')
  const child = spawn(process.execPath, [program, JSON.stringify(database.options)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  let acknowledged = 0
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    acknowledged += part.split('\n').length - 1
    if (acknowledged > 500) child.kill('SIGKILL')
  })
  await closed
  assert.notDeepEqual(await newestWritten(database.query), await newestIn(database.query))
  const { store } = open(t, database)
  await store.read()
  assert.deepEqual(await newestWritten(database.query), await newestIn(database.query))
})

onEachServer('a commit of which no answer came counts, once', async (t, { options, query }) => {
  const dialect = dialectOf(options)
  const store = new Store(dialect, { instance: 'test' })
  t.after(() => store.close())
  const write = (seq: number) => new Promise<void>((resolve, reject) => {
    store.write(message('agent/message', numbered(seq)), now, error => { if (error === null) resolve(); else reject(error) })
  })
  for (let seq = 0; seq < 3; seq++) await write(seq)
  await store.read()
  t.mock.method(dialect.pending as PendingNewest, 'keep', () => { throw new Error('no answer') }, { times: 1 })
  await write(3)
  assert.deepEqual(await written(await store.read()), [3])
  assert.deepEqual(await query('metrics').count({ n: '*' }).first().then(row => Number(row?.n)), 4)
})

onEachServer('what was not written when ids changed their meaning is not given to others', async (t, database) => {
  const { store, write } = open(t, database)
  for (let seq = 0; seq < 3; seq++) await write('agent/message', numbered(seq))
  // As a backup has them.
  await database.query('writers').delete()
  await database.query('metrics').delete()
  await database.query('agents').update({ uuid: 'another' })
  await store.read()
  assert.deepEqual(await written(database.query), [0])
  await write('agent/message', numbered(7, { uuid: 'b' }))
  await store.read()
  assert.deepEqual(await written(database.query), [0, 7])
})

onEachServer('a store that closes and cannot write everything leaves its row, and the rest is found', async (t, database) => {
  const dialect = dialectOf(database.options)
  const store = new Store(dialect, { instance: 'test' })
  t.after(() => store.close())
  for (let seq = 0; seq < 3; seq++) {
    await new Promise<void>((resolve, reject) => {
      store.write(message('agent/message', numbered(seq)), now, error => { if (error === null) resolve(); else reject(error) })
    })
  }
  t.mock.method(dialect.pending as PendingNewest, 'write', async () => { throw new Error('not now') })
  await store.close()
  assert.deepEqual(await written(database.query), [0])
  const next = open(t, database, 'next')
  assert.deepEqual(await written(await next.store.read()), [2])
})
