import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import { Forgetting } from '../../../../../lib/store/forgetting/forgetting.ts'
import { Retention } from '../../../../../lib/store/retention/retention.ts'
import { SettlingLoop } from '../../../../../lib/store/settling/settling.ts'
import { count, now, open } from '../../../../databases/writing-process.ts'
import { files, onEachDatabase, type OpenDatabase } from '../../../../helpers/databases.ts'
import { reading } from '../../../../helpers/messages.ts'

type Store = ReturnType<typeof open>['store']

/** What of series and agents is not as their metrics say. */
async function wrongNewest (query: Knex): Promise<unknown[]> {
  const rows = await query('metrics').join('series', 'series.id', 'series_id').select('series_id', 'agent_id', 'ts', 'seq', 'value', 'text') as Array<Record<'series_id' | 'agent_id' | 'ts' | 'seq', number>>
  const [series, agents] = [new Map<number, typeof rows[number]>(), new Map<number, number>()]
  for (const row of rows) {
    const newest = series.get(row.series_id)
    if (newest === undefined || row.ts > newest.ts || (row.ts === newest.ts && row.seq > newest.seq)) series.set(row.series_id, row)
    agents.set(row.agent_id, Math.max(agents.get(row.agent_id) ?? -1, row.ts))
  }
  const found = await query('series').select({ series_id: 'id', agent_id: 'agent_id', ts: 'last_ts', seq: 'last_seq', value: 'last_value', text: 'last_text' }) as typeof rows
  const heard = await query('agents').select('id', 'spoke_at', 'last_seen_at') as Array<{ id: number, spoke_at: number, last_seen_at: number }>
  return [
    ...found.filter(row => series.has(row.series_id) && JSON.stringify(row) !== JSON.stringify(series.get(row.series_id))),
    ...heard.filter(({ id, spoke_at: spokeAt, last_seen_at: seenAt }) => agents.has(id) && (spokeAt !== agents.get(id) || seenAt < spokeAt))
  ]
}

/** One step. @returns whether there is more to move */
async function step (store: Store, options: { before?: number, size: number }, block = 0): Promise<boolean> {
  return await store.run(async knex => await store.settling?.step(knex, block, options) ?? false)
}

async function rowsIn (query: Knex): Promise<string[]> {
  const rows = await query('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('uuid', 'type', 'ts', 'seq', 'value', 'text')
  return rows.map(row => JSON.stringify(Object.values(row))).sort()
}

const numbered = (seq: number, uuid: string): string => reading(uuid, { timestamp: now + seq, seq })

/** Messages of two agents with one metric each. */
async function sendMany (write: ReturnType<typeof open>['write'], count: number, timestamp: (i: number) => number): Promise<void> {
  for (let at = 0; at < count; at += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => write('agent/message', { agent: { uuid: `agent-${i % 2}` }, metrics: [{ type: 'a', value: i }], timestamp: timestamp(at + i), seq: at + i })))
  }
}

const onFiles = (title: string, body: (t: TestContext, database: OpenDatabase) => Promise<void>): void => { onEachDatabase(title, body, files) }

onFiles('a metric is there once at each step of settling, and the same message again changes nothing', async (t, database) => {
  const { store, write } = open(t, database)
  const messages = Array.from({ length: 60 }, (_, seq) => numbered(seq, `agent-${seq % 4}`))
  await Promise.all(messages.map(text => write('agent/message', text)))
  const before = await rowsIn(database.query)
  assert.equal(before.length, 180)
  let steps = 0
  for (let hasMore = true; hasMore; steps++) {
    hasMore = await step(store, { before: now + 50, size: 4 })
    assert.deepEqual(await rowsIn(database.query), before, `step ${steps}`)
    const again = steps * 7 % messages.length
    assert.equal((await write('agent/message', messages[again])).duplicates, 3, `message ${again} after step ${steps}`)
  }
  assert.deepEqual(await rowsIn(database.query), before)
  assert.ok(steps > 10, `${steps} steps`)
  assert.deepEqual([await count(database.query, 'metrics_unsettled'), await count(database.query, 'metrics_settled')], [10, 150])
})

onFiles('what comes late is settled at once, and a step that is undone changes nothing', async (t, database) => {
  const { store, write } = open(t, database)
  for (let seq = 0; seq < 10; seq++) await write('agent/message', numbered(seq, 'agent'))
  while (await step(store, { before: now + 10, size: 100 }));
  await write('agent/message', numbered(100, 'agent'))
  assert.deepEqual([await count(database.query, 'metrics_unsettled'), await count(database.query, 'metrics_settled')], [1, 30])
  await write('agent/message', reading('agent', { timestamp: now + 5, seq: 77 }))
  assert.deepEqual([await count(database.query, 'metrics_unsettled'), await count(database.query, 'metrics_settled')], [1, 33])
  const before = await rowsIn(database.query)
  for (let i = 0; i < 4; i++) {
    await assert.rejects(store.run(knex => knex.transaction(async db => {
      await store.settling?.step(db, 0, { before: now + 200, size: 100 })
      throw new Error('undone')
    })))
    assert.deepEqual(await rowsIn(database.query), before)
    assert.equal((await write('agent/message', reading('agent', { timestamp: now + 5, seq: 77 }))).duplicates, 3)
    await step(store, { before: now + 200, size: 100 })
  }
  assert.deepEqual(await rowsIn(database.query), before)
})

onFiles('a message with other metrics but the timestamp and seq of one that is there adds them', async (t, database) => {
  const { store, write } = open(t, database)
  const some = (types: string[]) => ({ agent: { uuid: 'agent' }, metrics: types.map(type => ({ type, value: 1 })), timestamp: now, seq: 1 })
  await write('agent/message', some(['a', 'b']))
  assert.equal((await write('agent/message', some(['b', 'c']))).duplicates, 1)
  assert.equal((await write('agent/message', some(['d']))).duplicates, 0)
  assert.equal((await write('agent/message', some(['a', 'b', 'c', 'd']))).duplicates, 4)
  assert.equal(await count(database.query, 'metrics'), 4)
  while (await step(store, { before: now + 1, size: 100 }));
  assert.equal((await write('agent/message', some(['a', 'b', 'c', 'd']))).duplicates, 4)
  assert.equal(await count(database.query, 'metrics'), 4)
})

onFiles('another part of a message that is ahead of time joins it, so that the messages of others need no look before', async (t, database) => {
  const { store, write } = open(t, database)
  const ahead = (metrics: Record<string, unknown>) => ({ agent: { uuid: 'agent' }, metrics: Object.entries(metrics).map(([type, value]) => ({ type, value })), timestamp: now + 86_400_000, seq: 1 })
  await write('agent/message', ahead({ a: 1, b: '"', c: false }))
  assert.deepEqual(await write('agent/message', ahead({ a: 2, b: 'other', d: -1.7e308 })), { agentId: 1, metrics: 3, duplicates: 2 })
  assert.deepEqual(await write('agent/message', ahead({ c: true, e: '🙂' })), { agentId: 1, metrics: 2, duplicates: 1 })
  // Both in one batch.
  await Promise.all([write('agent/message', ahead({ d: 1, f: 5e-324 })), write('agent/message', ahead({ f: 2, g: 9_007_199_254_740_993 }))])
  const [block] = await database.query('metrics_blocks').select('direct_to')
  assert.deepEqual(block, { direct_to: -1 })
  assert.equal(await count(database.query, 'metrics_settled'), 0)
  const rows = (): Promise<unknown[]> => database.query('metrics').join('series', 'series.id', 'series_id').orderBy('type').select('type', 'value', 'text')
  const before = await rows()
  assert.deepEqual(before, [
    { type: 'a', value: 1, text: null }, { type: 'b', value: null, text: '"' }, { type: 'c', value: 0, text: null }, { type: 'd', value: -1.7e308, text: null },
    { type: 'e', value: null, text: '🙂' }, { type: 'f', value: 5e-324, text: null }, { type: 'g', value: 9_007_199_254_740_992, text: null }
  ])
  while (await step(store, { before: now + 86_400_001, size: 100 }));
  assert.deepEqual(await rows(), before)
})

onFiles('what is ahead of time stays where it came in, and is looked into once', async (t, database) => {
  const { store, write } = open(t, database)
  const ahead = Date.now() + 86_400_000
  const block = async (): Promise<unknown> => (await database.query('metrics_blocks').select('settled_to', 'moving_to', 'direct_to'))[0]
  await sendMany(write, 41_000, i => ahead + i)
  assert.deepEqual(store.settling?.due(), [0])
  assert.equal(await step(store, { size: 1_000 }), false)
  assert.deepEqual(store.settling?.due(), [], 'there is nothing to move')
  assert.deepEqual(await block(), { settled_to: 0, moving_to: 0, direct_to: -1 })
  // Others go on, and are moved.
  await sendMany(write, 41_000, i => now + i)
  assert.deepEqual(store.settling?.due(), [0])
  while (store.settling?.due().length === 1) while (await step(store, { size: 10_000 }));
  const { settled_to: settledTo } = await block() as { settled_to: number }
  assert.ok(settledTo > now + 30_000 && settledTo < now + 41_000, `settled to now + ${settledTo - now}`)
  assert.equal(await count(database.query, 'metrics_settled'), settledTo - now)
  assert.equal((await write('agent/message', { agent: { uuid: 'agent-0' }, metrics: [{ type: 'a', value: 0 }], timestamp: ahead, seq: 0 })).duplicates, 1)
})

onFiles('a block that holds far more than it may is settled part by part, until it holds little', async (t, database) => {
  const { store, write } = open(t, database)
  await sendMany(write, 100_000, i => now + i)
  while (await step(store, { size: 10_000 }));
  assert.equal(await count(database.query, 'metrics_settled'), 35_000)
  const loop = new SettlingLoop(store)
  t.after(() => loop.stop())
  await loop.runOnce()
  const held = await count(database.query, 'metrics_unsettled')
  assert.ok(held < 40_000, `${held} messages`)
  assert.equal(held + await count(database.query, 'metrics_settled'), 100_000)
})

onFiles('messages that all have one time are settled, too', async (t, database) => {
  const { store, write } = open(t, database)
  await write('agent/message', { agent: { uuid: 'agent-0' }, metrics: [{ type: 'a', value: 0 }], timestamp: now - 1, seq: 0 })
  while (await step(store, { before: now, size: 10 }));
  await sendMany(write, 41_000, () => now)
  assert.deepEqual(store.settling?.due(), [0])
  while (await step(store, { size: 10_000 }));
  assert.deepEqual(store.settling?.due(), [])
  assert.deepEqual([await count(database.query, 'metrics_unsettled'), await count(database.query, 'metrics_settled')], [0, 41_001])
})

onFiles('of an agent that is forgotten nothing stays, wherever its messages are, and each metric is counted once', async (t, database) => {
  const { store, write } = open(t, database)
  const metrics = Array.from({ length: 200 }, (_, i) => ({ type: `type ${i}`, value: i }))
  const forgetting = new Forgetting(store)
  t.after(() => forgetting.stop())
  for (const steps of [0, 4, 10, 100]) {
    for (let seq = 0; seq < 30; seq++) {
      for (const uuid of ['lost', 'kept']) await write('agent/message', { agent: { uuid }, metrics, timestamp: now + steps * 100 + seq, seq })
    }
    // Some of it is moved, and some of that is still where it came in.
    for (let i = 0; i < steps; i++) await step(store, { before: now + steps * 100 + 25, size: 1_000 })
    const { metrics: before } = forgetting.statistics()
    assert.equal(await forgetting.forget('lost'), true)
    await forgetting.swept()
    assert.equal(forgetting.statistics().metrics - before, 6_000, `after ${steps} steps`)
    assert.equal((await database.query('metrics_unsettled').whereNotIn('agent_id', database.query('agents').select('id'))).length, 0)
  }
  assert.equal(await count(database.query, 'metrics'), 4 * 6_000)
  assert.deepEqual(await database.query('series').join('agents', 'agents.id', 'agent_id').distinct('uuid'), [{ uuid: 'kept' }])
})

onFiles('hours are settled before they are rolled up, and what is newer stays', async (t, database) => {
  const { store, write } = open(t, database)
  const hour = 3_600_000
  const start = Math.floor(now / hour) * hour
  for (let seq = 0; seq < 20; seq++) await write('agent/message', { agent: { uuid: `agent-${seq % 3}` }, metrics: [{ type: 'a', value: seq }], timestamp: start + seq * hour / 10, seq })
  const retention = new Retention(store, { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] })
  t.after(() => retention.stop())
  const pass = async (at: number): Promise<number[]> => {
    await retention.runOnce(start + at)
    return [await count(database.query, 'metrics_unsettled'), await count(database.query, 'metrics_settled'), await count(database.query, 'metrics_1h')]
  }
  assert.deepEqual(await pass(hour), [20, 0, 0], 'late ones may come')
  assert.deepEqual(await pass(hour + 60_000), [10, 10, 3])
  assert.deepEqual(await pass(2 * hour), [10, 10, 3])
  assert.equal((await write('agent/message', { agent: { uuid: 'agent-0' }, metrics: [{ type: 'a', value: 0 }], timestamp: start, seq: 0 })).duplicates, 1)
  assert.deepEqual(await pass(2 * hour + 60_000), [0, 20, 6])
  assert.deepEqual(await pass(9 * hour), [0, 20, 6])
})

onFiles('what a block holds is known to the row, whatever the parts of its messages', async (t, database) => {
  const { store, write } = open(t, database)
  const metrics = Array.from({ length: 150 }, (_, i) => ({ type: `type ${i}`, value: i }))
  // All of them once, and then the first and the last, which lie apart.
  for (let seq = 0; seq < 300; seq++) await write('agent/message', { agent: { uuid: `agent-${seq % 3}` }, metrics: metrics.filter((_, i) => seq < 3 || i % 149 === 0), timestamp: now + seq, seq })
  const rows = await count(database.query, 'metrics_unsettled')
  assert.ok(rows > 590, `${rows} rows`)
  assert.equal(store.settling?.fullness(0), rows / 40_000)
  while (await step(store, { before: now + 200, size: 1_000 }));
  assert.equal(store.settling?.fullness(0), await count(database.query, 'metrics_unsettled') / 40_000)
})

onFiles('what another program adds to the view is there, and not stored again', async (t, database) => {
  const { write } = open(t, database)
  await write('agent/message', { agent: { uuid: 'agent' }, metrics: [{ type: 'a', value: 1 }], timestamp: now, seq: 1 })
  await assert.rejects(async () => { await database.query('metrics').insert({ series_id: 1, ts: now, seq: 1, value: 1 }) }, /UNIQUE/)
  await database.query('metrics').insert({ series_id: 1, ts: now + 5, seq: 2, value: 2 })
  assert.equal((await write('agent/message', { agent: { uuid: 'agent' }, metrics: [{ type: 'a', value: 2 }], timestamp: now + 5, seq: 2 })).duplicates, 1)
  assert.equal(await count(database.query, 'metrics'), 2)
  await database.query('metrics').where('series_id', 1).delete()
  assert.equal(await count(database.query, 'metrics'), 0)
})

onFiles('a message with thousands of metrics is read series by series in time', async (t, database) => {
  const { write } = open(t, database)
  const metrics = Array.from({ length: 1_000 }, (_, i) => ({ type: `type ${i}`, value: i }))
  for (let seq = 0; seq < 5; seq++) await write('agent/message', { agent: { uuid: 'agent' }, metrics, timestamp: now + seq, seq })
  assert.equal(await count(database.query, 'metrics'), 5_000)
  const [{ most } = { most: 0 }] = await database.query('metrics_unsettled').select(database.query.raw('max((select count(*) from json_each(metrics))) as most')) as Array<{ most: number }>
  assert.ok(most <= 64, `${most} metrics in a row`)
})

onFiles('one process settles what another one writes, and nothing is lost or doubled', async (t, database) => {
  const [writer, other] = [open(t, database, 'writer'), open(t, database, 'other')]
  const messages = Array.from({ length: 300 }, (_, seq) => numbered(seq, `agent-${seq % 3}`))
  await writer.write('agent/message', messages[0])
  let isWriting = true
  const settling = (async () => { while (isWriting) await step(other.store, { size: 10 }) })()
  for (let at = 1; at < messages.length; at += 10) await Promise.all(messages.slice(at, at + 10).map(text => writer.write('agent/message', text)))
  isWriting = false
  await settling
  assert.equal(await count(database.query, 'metrics'), 900)
  const repeated = await Promise.all(messages.map(text => writer.write('agent/message', text)))
  assert.ok(repeated.every(({ duplicates }) => duplicates === 3))
  assert.equal(await count(database.query, 'metrics'), 900)
})

onEachDatabase('a process that is killed while it settles loses and doubles nothing', async (t, database) => {
  const { options, query } = database
  const acknowledged = new Set<number>()
  let unwritten = 0
  const program = join(fileURLToPath(new URL('.', import.meta.url)), 'settling-process.ts')
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, [program, 'filename' in options ? options.filename : '', String(round * 100_000)], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    const closed = once(child, 'close')
    let text = ''
    const enough = new Promise<void>(resolve => {
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part
        if (text.split('\n').length > 150 + 100 * round) resolve()
      })
    })
    await Promise.race([enough, closed])
    await pause(round * 7)
    child.kill('SIGKILL')
    await closed
    for (const line of text.split('\n').slice(0, -1)) acknowledged.add(Number(line))
    const rows = await query('metrics').select<Array<{ series_id: number, ts: number, seq: number }>>('series_id', 'ts', 'seq')
    unwritten += (await wrongNewest(query)).length
    const { store } = open(t, database, 'next')
    assert.deepEqual(await wrongNewest(await store.read()), [], 'the newest is found again')
    await store.close()
    const keys = new Set(rows.map(({ series_id: series, ts, seq }) => `${series}/${ts}/${seq}`))
    assert.equal(keys.size, rows.length, 'nothing is there twice')
    const seqs = rows.map(({ seq }) => seq)
    const there = new Set(seqs)
    assert.deepEqual([...acknowledged].filter(seq => !there.has(seq)), [], 'what was acknowledged is there')
    assert.equal(rows.length, 2 * there.size, 'and whole')
  }
  t.diagnostic(`${acknowledged.size} messages acknowledged; ${await count(query, 'metrics_settled')} metrics settled`)
  assert.ok(await count(query, 'metrics_settled') > 0)
  assert.ok(unwritten > 0, 'some of it had not been written')
}, files.slice(0, 1))
