import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import type { Knex } from 'knex'
import { usualInterval, usualIntervalAfter } from '../../../../../lib/store/dialects/presence.ts'
import type { Store } from '../../../../../lib/store/store.ts'
import { now, open } from '../../../../databases/writing-process.ts'
import { files, onEachDatabase, type OpenDatabase } from '../../../../helpers/databases.ts'
import { until } from '../../../../helpers/events.ts'
import { message, reading } from '../../../../helpers/messages.ts'

const onFiles = (title: string, body: (t: TestContext, database: OpenDatabase) => Promise<void>): void => { onEachDatabase(title, body, files) }

const second = 1_000

const numbered = (seq: number, uuid = 'a'): string => reading(uuid, { timestamp: now + seq * second, seq, metrics: [{ type: 't', value: seq }] })

const numberedAt = (timestamp: number): string => reading('a', { timestamp, metrics: [{ type: 't', value: 1 }] })

/** What is written of the newest message, without asking. */
async function written (query: Knex): Promise<unknown[]> {
  const { last_value: value } = await query('series').first('last_value') as { last_value: number }
  const { last_seen_at: seen, spoke_at: spoke } = await query('agents').first('last_seen_at', 'spoke_at') as Record<string, number>
  return [value, (Number(seen) - now) / second, (Number(spoke) - now) / second]
}

onFiles('the newest of a steady stream is written when it is asked for, and when the store closes', async (t, database) => {
  const { store, write } = open(t, database)
  for (let seq = 0; seq < 3; seq++) await write('agent/message', numbered(seq), now + seq * second)
  assert.deepEqual(await written(database.query), [0, 0, 0])
  assert.deepEqual(await written(await store.read('metrics')), [0, 0, 0])
  assert.deepEqual(await written(await store.read()), [2, 2, 2])
  await write('agent/message', numbered(3), now + 3 * second)
  assert.deepEqual(await written(database.query), [2, 2, 2])
  await store.close()
  assert.deepEqual(await written(database.query), [3, 3, 3])
})

onFiles('whoever asks for agents alone waits for their times alone, and whoever asks for more then gets more', async (t, database) => {
  const { store, write } = open(t, database)
  for (let seq = 0; seq < 3; seq++) await write('agent/message', numbered(seq), now + seq * second)
  assert.deepEqual(await written(await store.read('agents')), [0, 2, 2])
  await write('agent/message', numbered(3), now + 3 * second)
  const [first, whole, last] = await Promise.all((['agents', 'newest', 'agents'] as const).map(async what => await written(await store.read(what))))
  assert.deepEqual([first?.slice(1), whole, last?.slice(1)], [[3, 3], [3, 3, 3], [3, 3]])
})

onFiles('the times of thousands of agents are written in parts, and none is left out', async (t, database) => {
  const { store } = open(t, database)
  const say = async (seq: number): Promise<void> => {
    await Promise.all(Array.from({ length: 2_500 }, (_, i) => new Promise<void>((resolve, reject) => {
      store.write(message('agent/message', numbered(seq, `agent-${i}`)), now + seq * second, error => { if (error === null) resolve(); else reject(error) })
    })))
  }
  for (const seq of [0, 1]) await say(seq)
  const heard = async (knex: Knex): Promise<number> => (await knex('agents').where('last_seen_at', now + second).pluck('id')).length
  assert.equal(await heard(await store.read('metrics')), 0)
  // A question waits two seconds at most, which may not be enough for a machine that has other work.
  await until(async () => await heard(await store.read('agents')), count => count === 2_500)
})

onFiles('it is written each minute although nobody asks', async (t, database) => {
  const { setInterval: usual } = globalThis
  const minutes: Array<() => void> = []
  const mocked = t.mock.method(globalThis, 'setInterval', (call: () => void, ms: number) => {
    if (ms === 60_000) minutes.push(call)
    return usual(call, ms)
  })
  const { write } = open(t, database)
  mocked.mock.restore()
  for (let seq = 0; seq < 3; seq++) await write('agent/message', numbered(seq), now + seq * second)
  assert.deepEqual(await written(database.query), [0, 0, 0])
  assert.equal(minutes.length, 1)
  minutes[0]?.()
  await until(() => written(database.query), ([value]) => value === 2)
  assert.deepEqual(await written(database.query), [2, 2, 2])
})

onFiles('an agent that spoke is not silent, whether that is written or not', async (t, database) => {
  const { store, write } = open(t, database)
  for (const seq of [0, 100]) await write('agent/message', numbered(seq), now + seq * second)
  assert.deepEqual(await store.disconnectSilent(now + 50 * second), [])
  assert.deepEqual(await store.disconnectSilent(now + 150 * second), ['a'])
})

onFiles('what arrives late, where it is not found again, is written at once', async (t, database) => {
  const { store, write } = open(t, database)
  await write('agent/message', numbered(0))
  while (await settle(store, now + 50 * second));
  await write('agent/message', numbered(5))
  assert.equal((await written(database.query))[0], 5)
  await write('agent/message', numbered(60))
  assert.equal((await written(database.query))[0], 5)
})

onFiles('a database that is busy keeps nobody from asking, and what is newest is written later', async (t, database) => {
  const { store, write } = open(t, database)
  for (let seq = 0; seq < 3; seq++) await write('agent/message', numbered(seq), now + seq * second)
  const lock = await database.query.transaction()
  t.after(() => lock.isCompleted() || lock.rollback())
  await lock('writers').update({ home: 'held' })
  assert.deepEqual(await written(await store.read()), [0, 0, 0])
  await lock.rollback()
  assert.deepEqual(await until(async () => await written(await store.read()), ([value]) => value === 2), [2, 2, 2])
})

onFiles('another process finds what one has not written, and from then on both write at once', async (t, database) => {
  const one = open(t, database, 'one')
  for (let seq = 0; seq < 3; seq++) await one.write('agent/message', numbered(seq), now + seq * second)
  assert.deepEqual(await written(database.query), [0, 0, 0])
  const two = open(t, database, 'two')
  assert.deepEqual(await written(await two.store.read()), [2, 2, 2])
  await one.write('agent/message', numbered(3), now + 3 * second)
  assert.deepEqual(await written(database.query), [3, 3, 3])
  await two.write('agent/message', numbered(4), now + 4 * second)
  assert.deepEqual(await written(database.query), [4, 4, 4])
  await one.write('agent/message', numbered(5), now + 5 * second)
  assert.deepEqual(await written(database.query), [5, 5, 5])
})

onFiles('what an agent said while the clock of this machine was ahead does not keep it away when another process finds what one has not written', async (t, database) => {
  const one = open(t, database, 'one')
  const at = Date.now()
  // Such a message has the time of its receipt.
  const speak = async ({ write }: typeof one, ts: number) => await write('agent/message', numberedAt(ts), ts)
  const leave = async ({ write }: typeof one, received: number) => await write('agent/disconnected', { agent: { uuid: 'a' } }, received)
  await speak(one, at + 6 * 3_600_000)
  await leave(one, at)
  for (const ts of [1, 2]) await speak(one, at + ts * second)
  const two = open(t, database, 'two')
  await speak(two, at + 3 * second)
  await leave(two, at + 4 * second)
  assert.deepEqual(await database.query('agents').pluck('connected'), [0])
  await speak(two, at + 5 * second)
  assert.deepEqual(await database.query('agents').select('connected', 'spoke_at'), [{ connected: 1, spoke_at: at + 5 * second }])
})

onFiles('what was not written when ids changed their meaning is not given to others', async (t, database) => {
  const { store, write } = open(t, database)
  for (let seq = 0; seq < 3; seq++) await write('agent/message', numbered(seq), now + seq * second)
  // As a backup has them.
  await database.query('writers').delete()
  await database.query('metrics_arrived').delete()
  await database.query('agents').update({ uuid: 'another' })
  const nothingGiven = async (what: 'agents' | 'newest'): Promise<void> => {
    await store.read(what)
    assert.deepEqual(await written(database.query), [0, 0, 0])
  }
  await nothingGiven('agents')
  await write('agent/message', numbered(7, 'b'), now + 7 * second)
  await nothingGiven('newest')
})

onFiles('how often an agent reports is learned alike in SQL and beside it', async (_, { query }) => {
  const sql = `select ${usualInterval('given.ts', { given: column => column, there: column => `given.${column}` })} as usual from (select cast(? as integer) as ts, cast(? as integer) as spoke_at, cast(? as integer) as usual_interval) as given`
  const time = fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 1e9 }))
  await fc.assert(fc.asyncProperty(time, fc.option(time), fc.option(time), async (ts, spokeAt, usual) => {
    const [row] = await query.raw(sql, [ts, spokeAt, usual] as number[]) as Array<{ usual: number | null }>
    assert.equal(usualIntervalAfter(ts, spokeAt, usual), row?.usual)
  }), { numRuns: 300 })
})

async function settle (store: Store, before: number): Promise<boolean> {
  return await store.run(async knex => await store.settling?.step(knex, 0, { before, size: 5 }) ?? false)
}
