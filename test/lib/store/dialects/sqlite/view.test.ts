import assert from 'node:assert/strict'
import { count, now, open } from '../../../../databases/writing-process.ts'
import { files, onEachDatabase } from '../../../../helpers/databases.ts'

onEachDatabase('a question about all metrics goes through the messages once, and one about a series from it to its block', async (t, database) => {
  const { write } = open(t, database)
  const metrics = Array.from({ length: 1_000 }, (_, i) => ({ type: `type ${i}`, value: i % 3 === 0 ? -0 : i % 3 === 1 ? i / 7 : `text ${i}` }))
  // Of an agent with many series each message once had to be read for each of them: with 200 messages that took minutes.
  for (let at = 0; at < 200; at += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => write('agent/message', { agent: { uuid: 'agent' }, metrics, timestamp: now + at + i, seq: 1 })))
  const started = performance.now()
  assert.equal(await count(database.query, 'metrics'), 200_000)
  const [all] = await database.query('metrics').join('series', 'series.id', 'series_id').where('type', 'type 1').count('* as n').sum('value as sum') as [{ n: number, sum: number }]
  assert.deepEqual({ n: all.n, sum: Math.round(all.sum * 7) }, { n: 200, sum: 200 })
  const took = performance.now() - started
  assert.ok(took < 20_000, `${took.toFixed()} ms`)
  const plan = async (sql: string): Promise<string> => (await database.query.raw(`explain query plan ${sql}`) as Array<{ detail: string }>).map(({ detail }) => detail).join('\n')
  assert.match(await plan('select count(*) from metrics'), /SCAN incoming[^]*SEARCH s USING INTEGER PRIMARY KEY/)
  assert.match(await plan('select * from metrics where series_id = 1 order by ts'), /SEARCH s USING INTEGER PRIMARY KEY[^]*SEARCH incoming USING PRIMARY KEY \(block=\?/)
}, files)
