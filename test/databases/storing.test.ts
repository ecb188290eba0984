import assert from 'node:assert/strict'
import type { Knex } from 'knex'
import type { StoreState } from '../../lib/store/store.ts'
import { onEachDatabase } from '../helpers/databases.ts'
import { waitFor } from '../helpers/events.ts'
import { reading } from '../helpers/messages.ts'
import { count, now, open } from './writing-process.ts'

const hour = 3_600_000

/** Agents as they are in the database, by uuid; `connected` as a number, which is what some databases know. */
async function agents (query: Knex, ...columns: string[]) {
  const rows = await query('agents').select(...columns).orderBy('uuid') as Array<Record<string, unknown>>
  return rows.map(row => 'connected' in row ? { ...row, connected: Number(row['connected']) } : row)
}

onEachDatabase('what is stored is there for another program when write resolves', async (t, database) => {
  const { write } = open(t, database)
  const { query } = database
  assert.deepEqual(await write('agent/message', reading('a1', { timestamp: 5, seq: 9 })), { agentId: 1, metrics: 3, duplicates: 0 })
  assert.deepEqual(await agents(query, 'uuid', 'username', 'name', 'hostname', 'pid', 'connected', 'connected_at', 'last_seen_at', 'instance'),
    [{ uuid: 'a1', username: 'tester', name: 'Agent a1', hostname: 'host', pid: 7, connected: 1, connected_at: now, last_seen_at: now, instance: 'test' }])
  const rows = await query('metrics').join('series', 'series.id', 'series_id').select('type', 'ts', 'seq', 'value', 'text').orderBy('type')
  assert.deepEqual(rows.map(row => [row.type, row.ts, row.seq, row.text]), [['cpu', 5, 9, null], ['on', 5, 9, null], ['state', 5, 9, 'ok']])
  assert.equal(rows[1].value, 1)
})

onEachDatabase('the same message again changes nothing, and says so', async (t, database) => {
  const { store, write } = open(t, database)
  const payload = reading()
  await write('agent/message', payload)
  assert.deepEqual(await write('agent/message', payload), { agentId: 1, metrics: 3, duplicates: 3 })
  assert.equal(await count(database.query, 'metrics'), 3)
  assert.deepEqual([store.statistics().duplicates, store.statistics().retries], [3, 0])
})

onEachDatabase('a message that a process stored before it was restarted changes nothing', async (t, database) => {
  const payload = reading()
  const before = open(t, database)
  await before.write('agent/message', payload)
  await before.store.close()
  const { write } = open(t, database)
  assert.deepEqual(await Promise.all([write('agent/message', payload), write('agent/message', reading())]),
    [{ agentId: 1, metrics: 3, duplicates: 3 }, { agentId: 1, metrics: 3, duplicates: 0 }])
  assert.equal(await count(database.query, 'metrics'), 6)
})

onEachDatabase('the same message twice in one batch is stored once', async (t, database) => {
  const { write } = open(t, database)
  const payload = reading()
  const results = await Promise.all([write('agent/message', payload), write('agent/message', payload), write('agent/message', reading())])
  assert.deepEqual(results.map(({ duplicates }) => duplicates), [0, 3, 0])
  assert.equal(await count(database.query, 'metrics'), 6)
})

onEachDatabase('two different messages of one timestamp both stay', async (t, database) => {
  const { write } = open(t, database)
  await write('agent/message', reading('a', { timestamp: 5 }))
  await write('agent/message', reading('a', { timestamp: 5 }))
  assert.equal(await count(database.query, 'metrics'), 6)
})

onEachDatabase('a sender\'s largest timestamp, seq and pid are stored', async (t, database) => {
  const { write } = open(t, database)
  const largest = Number.MAX_SAFE_INTEGER
  await write('agent/message', { agent: { uuid: 'a', pid: largest }, metrics: [{ type: 't', value: 1 }], timestamp: 8.64e15, seq: largest })
  assert.deepEqual(await database.query('metrics').select('ts', 'seq'), [{ ts: 8.64e15, seq: largest }])
  assert.deepEqual(await agents(database.query, 'pid'), [{ pid: largest }])
})

onEachDatabase('an agent\'s fields change when they are sent, and stay when they are absent', async (t, database) => {
  const { write } = open(t, database)
  const fields = () => agents(database.query, 'uuid', 'username', 'name', 'hostname', 'pid')
  await write('agent/connected', { agent: { uuid: 'a', username: 'u', name: 'n', hostname: 'h', pid: 1 } })
  await write('agent/connected', { agent: { uuid: 'a', name: 'other' } })
  assert.deepEqual(await fields(), [{ uuid: 'a', username: 'u', name: 'other', hostname: 'h', pid: 1 }])
  await Promise.all([write('agent/connected', { agent: { uuid: 'a', pid: 0 } }), write('agent/connected', { agent: { uuid: 'a', hostname: '' } }), write('agent/connected', { agent: { uuid: 'b' } })])
  assert.deepEqual(await fields(), [{ uuid: 'a', username: 'u', name: 'other', hostname: '', pid: 0 }, { uuid: 'b', username: null, name: null, hostname: null, pid: null }])
})

onEachDatabase('presence follows the messages', async (t, database) => {
  const { write } = open(t, database)
  const state = () => agents(database.query, 'uuid', 'connected', 'connected_at', 'last_seen_at')
  await write('agent/connected', { agent: { uuid: 'a', name: 'one' } }, 1000)
  await write('agent/message', reading('b'), 1500)
  await write('agent/disconnected', { agent: { uuid: 'a' } }, 2000)
  assert.deepEqual(await write('agent/disconnected', { agent: { uuid: 'unknown' } }, 2000), { agentId: null, metrics: 0, duplicates: 0 })
  assert.deepEqual(await state(), [{ uuid: 'a', connected: 0, connected_at: 1000, last_seen_at: 1000 }, { uuid: 'b', connected: 1, connected_at: 1500, last_seen_at: 1500 }])
  await Promise.all([write('agent/connected', { agent: { uuid: 'a' } }, 3000), write('agent/disconnected', { agent: { uuid: 'b' } }, 3000), write('agent/message', reading('b'), 4000)])
  assert.deepEqual(await state(), [{ uuid: 'a', connected: 1, connected_at: 3000, last_seen_at: 3000 }, { uuid: 'b', connected: 1, connected_at: 4000, last_seen_at: 4000 }])
  assert.equal((await database.query('agents').where('uuid', 'a').first()).name, 'one', 'a field that is absent later stays')
})

onEachDatabase('a steady stream of metrics moves the time at which an agent was seen, and never back', async (t, database) => {
  const { store, write } = open(t, database)
  for (const at of [10_000, 12_000, 5_000]) await write('agent/message', reading('a'), at)
  assert.deepEqual(await agents(await store.read(), 'connected_at', 'last_seen_at'), [{ connected_at: 10_000, last_seen_at: 12_000 }])
})

onEachDatabase('an agent that connects and goes within one batch is disconnected, with the time it came', async (t, database) => {
  const { write } = open(t, database)
  await Promise.all([write('agent/connected', { agent: { uuid: 'a' } }, 1000), write('agent/disconnected', { agent: { uuid: 'a' } }, 2000)])
  assert.deepEqual(await agents(database.query, 'connected', 'connected_at'), [{ connected: 0, connected_at: 1000 }])
})

onEachDatabase('an agent that came to another process is not disconnected by the one it left', async (t, database) => {
  const [one, two] = [open(t, database, 'one'), open(t, database, 'two')]
  const state = () => agents(database.query, 'connected', 'instance')
  await one.write('agent/connected', { agent: { uuid: 'a' } }, 1000)
  await two.write('agent/connected', { agent: { uuid: 'a' } }, 2000)
  await one.write('agent/disconnected', { agent: { uuid: 'a' } }, 3000)
  for (const isStart of [false, true]) assert.deepEqual(await one.store.disconnectAbandoned(isStart), [])
  assert.deepEqual(await state(), [{ connected: 1, instance: 'two' }])
  await two.write('agent/disconnected', { agent: { uuid: 'a' } }, 4000)
  assert.deepEqual(await state(), [{ connected: 0, instance: 'two' }])
})

onEachDatabase('a series remembers its newest metric, also when older ones come late', async (t, database) => {
  const { store, write } = open(t, database)
  const at = (timestamp: number, value: number | string | boolean) => write('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 't', value }], timestamp })
  const newest = async () => await (await store.read())('series').select('last_ts', 'last_value', 'last_text') as unknown[]
  await at(10, 1)
  await at(30, 'three')
  await Promise.all([at(20, 2), at(5, 0)])
  assert.deepEqual(await newest(), [{ last_ts: 30, last_value: null, last_text: 'three' }])
  await at(40, true)
  assert.deepEqual(await newest(), [{ last_ts: 40, last_value: 1, last_text: null }])
  // Another process does not know what the newest is.
  const other = open(t, database, 'other')
  await other.write('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 't', value: 3 }], timestamp: 35 })
  assert.deepEqual(await newest(), [{ last_ts: 40, last_value: 1, last_text: null }])
})

onEachDatabase('hours that got metrics are to be rolled up, each once', async (t, database) => {
  const { write } = open(t, database)
  const at = (timestamp: number) => write('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 't', value: 1 }], timestamp })
  const start = now - now % hour
  await Promise.all([at(start), at(start + hour - 1), at(start + hour)])
  await at(start + 1)
  assert.deepEqual(await database.query('dirty_hours').select('ts').orderBy('ts'), [{ ts: start }, { ts: start + hour }])
  await database.query('dirty_hours').delete()
  await at(start + 2)
  assert.deepEqual(await database.query('dirty_hours').select('ts'), [{ ts: start }])
})

onEachDatabase('every value comes back as it went in', async (t, database) => {
  const { write } = open(t, database)
  const values = [0, -0.1, 1e308, 5e-324, 2 ** 53, 0.1 + 0.2, 'é😀"\\\n', '', 'x'.repeat(1024), 'NULL', '{a,b}', '  two  ']
  await write('agent/message', { agent: { uuid: 'ü"\\' }, metrics: values.map((value, i) => ({ type: `t'${String(i).padStart(2, '0')}`, value })), timestamp: 1 })
  const rows = await database.query('metrics').join('series', 'series.id', 'series_id').select('value', 'text').orderBy('type') as Array<{ value: number | null, text: string | null }>
  assert.deepEqual(rows.map(row => row.value ?? row.text), values)
  const newest = await database.query('series').select('last_value', 'last_text').orderBy('type') as Array<{ last_value: number | null, last_text: string | null }>
  assert.deepEqual(newest.map(row => row.last_value ?? row.last_text), values)
})

onEachDatabase('types and names may have any character that Unicode has', async (t, database) => {
  const { write } = open(t, database)
  const types = ["'", '"', '\\', '😀', '\u2028', '\ufffd', ' ', '  ', '%', '`', '?', '$1', ':a', '{', '}', ',', 'NULL', 'null', 'a', 'A', 'á', 'a ', 'ß', 'ss', 'x'.repeat(128)]
  const metrics = types.map((type, i) => ({ type, value: i }))
  for (const timestamp of [1, 2]) await write('agent/message', { agent: { uuid: 'a?:', name: 'n', hostname: "'?" }, metrics, timestamp })
  const rows = await database.query('metrics').join('series', 'series.id', 'series_id').where('ts', 2).select('type').orderBy('value') as Array<{ type: string }>
  assert.deepEqual(rows.map(({ type }) => type), types)
  for (const uuid of ['a', 'A', 'á']) await write('agent/connected', { agent: { uuid } })
  assert.equal(await count(database.query, 'agents'), 4)
})

onEachDatabase('thousands of messages at once are stored in batches', async (t, database) => {
  const { store, write } = open(t, database)
  await Promise.all(Array.from({ length: 5000 }, (_, i) => write('agent/message', reading(`a${i % 50}`))))
  assert.equal(await count(database.query, 'metrics'), 15_000)
  assert.deepEqual([store.statistics().messages, store.statistics().metrics, store.statistics().queued], [5000, 15_000, 0])
})

onEachDatabase('a batch of messages as large as they may be is stored', async (t, database) => {
  const { write } = open(t, database)
  const metrics = Array.from({ length: 1000 }, (_, i) => ({ type: `type ${i}`, value: '\\"'.repeat(512) }))
  await Promise.all(Array.from({ length: 10 }, () => write('agent/message', reading('a', { metrics }))))
  assert.equal(await count(database.query, 'metrics'), 10_000)
})

onEachDatabase('one message that the database refuses keeps none of the others', async (t, database) => {
  const { store, write } = open(t, database)
  await write('agent/message', reading('a'))
  const { query } = database
  await query.raw(database.options.client === 'sqlite'
    ? "create trigger refuse before insert on metrics_arrived when new.metrics like '%\"poison\"%' begin select raise(abort, 'no_poison'); end"
    : "alter table metrics add constraint no_poison check (text <> 'poison')")
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, i) =>
    write('agent/message', reading('a', { metrics: [{ type: 'x', value: i === 13 ? 'poison' : 'fine' }] }))))
  assert.deepEqual(results.map(({ status }) => status === 'rejected'), results.map((_, i) => i === 13))
  assert.match(String((results[13] as PromiseRejectedResult).reason), /STORE_DATA_REFUSED: .*no_poison/)
  assert.equal(store.statistics().refused, 1)
  assert.equal((await query('metrics').where('text', 'fine')).length, 19)
})

onEachDatabase('a database of a newer version is refused and not touched', async (t, database) => {
  const { store, write } = open(t, database)
  await write('agent/message', reading())
  await store.close()
  await database.query('knex_migrations').insert({ name: '9999-future', batch: 9, migration_time: new Date() })
  const again = open(t, database)
  const state = await waitFor<StoreState>(again.store, 'state', ({ state }) => state === 'waiting')
  assert.match(state.state === 'waiting' ? state.error.message : '', /STORE_SCHEMA_NEWER/)
  await again.store.close()
  assert.equal(await count(database.query, 'metrics'), 3)
})

onEachDatabase('a database of the version before keeps what it says of each series, also where its migration was cut short', async (t, database) => {
  const { options, query } = database
  const { store, write } = open(t, database)
  await write('agent/message', reading('a'))
  await store.close()
  // As it was, in columns of `series`; MySQL has the table too where the process died in between.
  if (options.client !== 'mysql') await query.schema.dropTable('retention')
  for (const column of ['raw_from', 'hours_from']) await query.raw(`alter table series add column ${column} bigint not null default 0`)
  await query('series').where('id', 1).update({ raw_from: 7_200_000, hours_from: 3_600_000 })
  await query('knex_migrations').where('name', '0003-retention').delete()
  const again = open(t, database)
  await again.write('agent/message', reading('b'))
  assert.deepEqual((await query('retention')).map(row => ({ ...row })), [{ series_id: 1, raw_from: 7_200_000, hours_from: 3_600_000 }])
  assert.deepEqual([await query.schema.hasColumn('series', 'raw_from'), await query.schema.hasColumn('series', 'hours_from')], [false, false])
})

onEachDatabase('a migration lock that a crash left behind does not stop the store', async (t, database) => {
  const { store, write } = open(t, database)
  await write('agent/message', reading())
  await store.close()
  const { query } = database
  await query('knex_migrations_lock').update({ is_locked: 1 })
  await query('knex_migrations').delete()
  const isFile = database.options.client === 'sqlite'
  await query.schema.dropView('platziverse_metrics')
  if (isFile) for (const view of ['metrics', 'metrics_unsettled']) await query.schema.dropView(view)
  const metrics = isFile ? ['metrics_incoming', 'metrics_arrived', 'metrics_settled', 'metrics_blocks', 'metrics_state', 'pending_blocks'] : ['metrics']
  for (const table of ['retention', 'dirty_hours', 'metrics_1d', 'metrics_1h', ...metrics, 'series', 'agents']) await query.schema.dropTable(table)
  const again = open(t, database)
  assert.equal((await again.write('agent/message', reading())).metrics, 3)
})

onEachDatabase('closing stores what is queued, may be done twice, and refuses what comes later', async (t, database) => {
  const { store, write } = open(t, database)
  await write('agent/message', reading())
  const writes = Array.from({ length: 100 }, () => write('agent/message', reading()))
  await Promise.all([store.close(), store.close()])
  assert.equal((await Promise.all(writes)).length, 100)
  assert.equal(await count(database.query, 'metrics'), 303)
  await assert.rejects(write('agent/message', reading()), /STORE_CLOSED/)
  await assert.rejects(store.disconnectAbandoned(true), /STORE_CLOSED/)
})

onEachDatabase('closed while it still makes its tables, a store has stored what it acknowledged, and refused the rest', async (t, database) => {
  const { store, write } = open(t, database)
  const writes = Array.from({ length: 100 }, () => write('agent/message', reading()))
  const [written] = await Promise.all([Promise.allSettled(writes), store.close()])
  const refused = written.filter(result => result.status === 'rejected')
  for (const { reason } of refused) assert.match(String(reason), /STORE_CLOSED/)
  // Where nothing was stored in time there may be no table yet.
  const stored = await database.query.schema.hasTable('series') ? await count(database.query, 'metrics').catch(() => 0) : 0
  // A commit that was under way when the store gave up may be there as well.
  assert.ok(stored >= 3 * (written.length - refused.length), `${stored} metrics, ${refused.length} messages refused`)
})
