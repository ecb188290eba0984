import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { SettlingLoop } from '../../../../../lib/store/settling/settling.ts'
import { count, now, open } from '../../../../databases/writing-process.ts'
import { files, onEachDatabase, type OpenDatabase } from '../../../../helpers/databases.ts'

const onFiles = (title: string, body: (t: TestContext, database: OpenDatabase) => Promise<void>): void => { onEachDatabase(title, body, files) }

const numbered = (seq: number, agents: number): object => ({ agent: { uuid: `agent-${seq % agents}` }, metrics: [{ type: 'a', value: seq }, { type: 'b', value: -seq }], timestamp: now + seq, seq })

/** Messages in small batches, as they come at low rates. @param each called after each batch */
async function sendFew (write: ReturnType<typeof open>['write'], total: number, agents: number, each = async (): Promise<void> => undefined): Promise<void> {
  for (let at = 0; at < total; at += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => write('agent/message', numbered(at + i, agents))))
    await each()
  }
}

/** Some that were sent before, alone and among many others, change nothing. */
async function assertIdempotent (write: ReturnType<typeof open>['write'], seqs: number[], agents: number): Promise<void> {
  for (const seq of seqs) assert.equal((await write('agent/message', numbered(seq, agents))).duplicates, 2, `message ${seq}`)
  const again = await Promise.all([...seqs, ...Array.from({ length: 100 }, (_, i) => 1_000_000 + i)].map(seq => write('agent/message', numbered(seq, agents))))
  assert.equal(again.reduce((sum, { duplicates }) => sum + duplicates, 0), 2 * seqs.length)
}

onFiles('rows of messages that are settled are used again, and each message is there once', async (t, database) => {
  const { store, write } = open(t, database)
  const loop = new SettlingLoop(store)
  t.after(() => loop.stop())
  await sendFew(write, 5_000, 4, () => loop.runOnce())
  assert.ok(await count(database.query, 'metrics_settled') > 6_000)
  const rows = await count(database.query, 'metrics_arrived')
  assert.ok(rows < 1_200, `${rows} rows`)
  assert.equal(await count(database.query, 'metrics_incoming'), 0)
  assert.deepEqual(await database.query('metrics').countDistinct({ keys: database.query.raw("series_id || '/' || ts") }).count({ n: '*' }).sum({ sum: 'value' }), [{ keys: 10_000, n: 10_000, sum: 0 }])
  await assertIdempotent(write, [0, 1, 2_000, 4_100, 4_998, 4_999], 4)
})

onFiles('the messages of many agents go to their block when no row is free, and each is there once', async (t, database) => {
  const { write } = open(t, database)
  await sendFew(write, 3_000, 40)
  assert.ok(await count(database.query, 'metrics_incoming') > 2_400)
  assert.deepEqual(await database.query('metrics').countDistinct({ keys: database.query.raw("series_id || '/' || ts") }).count({ n: '*' }), [{ keys: 6_000, n: 6_000 }])
  await assertIdempotent(write, [0, 1, 2_000, 2_600, 2_999], 40)
})

onFiles('a store that is opened again goes on beside what arrived before', async (t, database) => {
  const first = open(t, database)
  await sendFew(first.write, 100, 4)
  await first.store.close()
  const { write } = open(t, database)
  await assertIdempotent(write, [0, 99], 4)
  assert.equal(await count(database.query, 'metrics'), 400)
})

onFiles('a row that is not free is not used, whoever wrote it', async (t, database) => {
  const { write } = open(t, database)
  await write('agent/message', numbered(0, 1))
  await database.query.raw('insert into metrics_arrived (id, block, ts, agent_id, seq, part, metrics) select id + 1, block, ts + 1, agent_id, 1, part, metrics from metrics_arrived')
  await write('agent/message', numbered(2, 1))
  assert.deepEqual((await database.query('metrics').orderBy('ts').pluck<number[]>('seq')).filter((_, i) => i % 2 === 0), [0, 1, 2])
  await assertIdempotent(write, [0, 1, 2], 1)
})
