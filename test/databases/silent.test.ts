import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { disconnectAfterSilence } from '../../lib/store/disconnect-after-silence.ts'
import { disconnectSilentAgents } from '../../lib/store/disconnect-silent-agents.ts'
import { Store } from '../../lib/store/store.ts'
import { Writers } from '../../lib/store/writer/writers.ts'
import { databases, onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'
import { message, reading } from '../helpers/messages.ts'

/** A process that writes to the database. */
function open (t: TestContext, { options }: OpenDatabase, instance: string, home: string) {
  const store = new Store(dialectOf(options), { instance, home })
  t.after(() => store.close())
  const write = (topic: string, payload: unknown, at: number) => new Promise<void>((resolve, reject) => {
    store.write(message(topic, payload), at, error => { if (error === null) resolve(); else reject(error) })
  })
  return { store, write }
}

/** As a process that is killed leaves it: its row is there, and changes no more. */
async function killed (database: OpenDatabase, { store }: { store: Store }, instance: string, home: string): Promise<void> {
  await store.close()
  await new Writers(instance, home).enter(database.query)
}

async function connected (database: OpenDatabase): Promise<string[]> {
  return await database.query('agents').where('connected', true).orderBy('uuid').pluck<string[]>('uuid')
}

onEachDatabase('agents that the last process left behind are found silent, those of another process that lives are not', async (t, database) => {
  const last = open(t, database, 'last', 'here')
  await last.write('agent/connected', { agent: { uuid: 'left' } }, 1_000)
  await last.write('agent/connected', { agent: { uuid: 'back' } }, 1_000)
  const other = open(t, database, 'other', 'elsewhere')
  await other.write('agent/connected', { agent: { uuid: 'theirs' } }, 1_000)
  await killed(database, last, 'last', 'here')
  const now = open(t, database, 'now', 'here')
  await now.write('agent/message', reading('back'), 2_000)
  const reported = await new Promise<string>(resolve => { t.after(disconnectSilentAgents(now.store, 50, resolve)) })
  assert.equal(reported, 'left')
  assert.deepEqual(await connected(database), ['back', 'theirs'])
})

onEachDatabase('so are those of a process that ran in a container of another name, and ended as it should', async (t, database) => {
  const last = open(t, database, 'last', 'container 4f1c')
  await last.write('agent/connected', { agent: { uuid: 'left' } }, 1_000)
  await last.store.close()
  const now = open(t, database, 'now', 'container 9a07')
  const reported = await new Promise<string>(resolve => { t.after(disconnectSilentAgents(now.store, 50, resolve)) })
  assert.equal(reported, 'left')
})

onEachDatabase('a process of another name that was killed is gone when it gives no sign of life for long enough, and not before', async (t, database) => {
  const last = open(t, database, 'last', 'container 4f1c')
  await last.write('agent/connected', { agent: { uuid: 'left' } }, 1_000)
  const other = open(t, database, 'other', 'container 77')
  await other.write('agent/connected', { agent: { uuid: 'theirs' } }, 1_000)
  await killed(database, last, 'last', 'container 4f1c')
  const { store } = open(t, database, 'now', 'container 9a07')
  let now = performance.now()
  t.mock.method(performance, 'now', () => now)
  for (const isStart of [false, true]) assert.deepEqual(await store.disconnectAbandoned(isStart), [])
  now += 60_000
  await database.query('writers').where('instance', 'other').increment('beat', 1)
  assert.deepEqual(await store.disconnectAbandoned(false), [])
  now += 40_000
  assert.deepEqual(await store.disconnectAbandoned(false), ['left'])
  assert.deepEqual(await connected(database), ['theirs'])
  assert.equal(await database.query('writers').where('instance', 'last').first('id'), undefined)
})

onEachDatabase('a connected, quiet agent stays connected when the clock is set back', async (t, database) => {
  const { store, write } = open(t, database, 'now', 'here')
  // Long before this process started, says the clock.
  await write('agent/connected', { agent: { uuid: 'quiet' } }, 1_000)
  for (const isStart of [false, true]) assert.deepEqual(await store.disconnectAbandoned(isStart), [])
  assert.deepEqual(await connected(database), ['quiet'])
})

onEachDatabase('agents that are silent for too long are disconnected, by one of the processes that look, and are back with their next message', async (t, database) => {
  const workers = [open(t, database, 'one', 'here'), open(t, database, 'two', 'there')]
  const [one, two] = workers as [typeof workers[number], typeof workers[number]]
  const now = Date.now()
  const uuids = Array.from({ length: 40 }, (_, i) => `silent-${i}`)
  await Promise.all(uuids.map((uuid, i) => workers[i % 2]?.write('agent/message', reading(uuid), now - 60_000)))
  await one.write('agent/message', reading('speaks'), now)
  const said: string[] = []
  const told = new Promise<void>(resolve => {
    for (const { store } of workers) t.after(disconnectAfterSilence(store, { time: 30, intervals: 0 }, uuid => { if (said.push(uuid) === uuids.length + 1) resolve() }))
  })
  await told
  assert.deepEqual(said.toSorted(), [...uuids, 'speaks'].toSorted())
  for (const { store } of workers) assert.deepEqual(await store.disconnectSilent(Date.now()), [])
  // Each of them had the agent as connected until now.
  await two.write('agent/message', reading('silent-0'), Date.now() + 60_000)
  assert.deepEqual(await connected(database), ['silent-0'])
})

onEachDatabase('an agent is said to be gone once, however many processes look at the same moment, and others are left alone', async (t, database) => {
  const workers = [open(t, database, 'one', 'here'), open(t, database, 'two', 'there')]
  const uuids = Array.from({ length: 500 }, (_, i) => `silent-${i}`)
  await Promise.all(uuids.map((uuid, i) => workers[i % 2]?.write('agent/message', reading(uuid), i < 300 ? 1_000 : 9_000)))
  const said = (await Promise.all([0, 1, 0, 1, 0, 1].map(i => workers[i]?.store.disconnectSilent(5_000) ?? []))).flat()
  // A look passes over what another process has locked, and the next one sees it.
  said.push(...await workers[0]?.store.disconnectSilent(5_000) ?? [])
  assert.deepEqual(said.toSorted(), uuids.slice(0, 300).toSorted())
  assert.equal((await connected(database)).length, 200)
})

const second = 1_000

onEachDatabase('how often an agent reports is learned by the database, whichever process stores what it says and however', async (t, database) => {
  const workers = [open(t, database, 'one', 'here'), open(t, database, 'two', 'there')]
  // A process that is alone keeps back what it learns for a while.
  for (const { write } of workers) await write('agent/connected', { agent: { uuid: 'first' } }, 1_000)
  await until(() => database.query('writers').pluck('id'), ids => ids.length === 2)
  const one = fc.record({ pause: fc.oneof(fc.integer({ min: 1, max: 4_000 }), fc.constant(60)), worker: fc.nat(1), isDescribed: fc.boolean() })
  let run = 0
  await fc.assert(fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 12 }), async all => {
    const uuid = `a-${run++}`
    let time = 1_700_000_000_000
    let usual: number | null = null
    await workers[0]?.write('agent/message', reading(uuid, { timestamp: time }), time)
    for (const [i, { pause, worker, isDescribed }] of all.entries()) {
      const ms = pause * second
      time += ms
      // When it is received is of no consequence.
      const description = isDescribed ? { agent: { uuid, name: `Name ${i}` } } : {}
      await workers[worker]?.write('agent/message', reading(uuid, { timestamp: time, ...description }), 1_800_000_000_000 + time % 977_000)
      usual = usual === null ? ms : ms > 4 * usual ? 4 * usual : Math.max(ms, usual - usual / 16)
    }
    const { usual_interval: found } = await database.query('agents').where({ uuid }).first('usual_interval')
    // Some databases round, some cut off.
    assert.ok(usual !== null && Math.abs(Number(found) - usual) <= usual / 100, `${found} and not ${usual}`)
  }), { numRuns: 20 })
})

onEachDatabase('an agent is silent by its own measure, once that is known, and only if it would have been heard', async (t, database) => {
  const { store, write } = open(t, database, 'one', 'here')
  const now = Date.now()
  const last = now - 60 * second
  for (const [uuid, interval, count] of [['quick', 10, 4], ['slow', 3_600, 4], ['new', 10, 1]] as const) {
    for (let i = count - 1; i >= 0; i--) await write('agent/message', reading(uuid, { timestamp: last - i * interval * second }), last - i * interval * second)
  }
  const silent = (own: Partial<{ intervals: number, ready: number, unknown: boolean }> = {}, floor = 30) =>
    store.disconnectSilent(now - floor * second, {}, { intervals: 3, ready: 86_400_000, unknown: false, ...own })
  assert.deepEqual(await silent({ intervals: 7 }), [], 'not for seven intervals')
  assert.deepEqual(await silent({ ready: 29 * second }), [], 'what it said may not have come through yet')
  assert.deepEqual(await silent({}, 90), [], 'heard within the least time')
  assert.deepEqual(await silent(), ['quick'])
  assert.deepEqual(await silent({ unknown: true }), ['new'])
  // Its pace changes: said to be gone at first, until the new one is learned.
  await write('agent/message', reading('quick', { timestamp: now }), now)
  assert.deepEqual(await database.query('agents').where('uuid', 'quick').pluck('usual_interval'), [40 * second])
  assert.deepEqual(await connected(database), ['quick', 'slow'])
})

onEachDatabase('a look that goes by intervals leaves those alone that usually pause for longer', async (t, database) => {
  const { store, write } = open(t, database, 'one', 'here')
  const now = Date.now()
  for (const [uuid, interval] of [['quick', 1], ['slow', 3_600]] as const) {
    for (const time of [now - interval * second, now]) await write('agent/message', reading(uuid, { timestamp: time }), time)
  }
  await write('agent/message', reading('new', { timestamp: now }), now)
  const said: string[] = []
  await new Promise<void>(resolve => { t.after(disconnectAfterSilence(store, { time: 30, intervals: 1 }, uuid => { if (said.push(uuid) === 2) resolve() })) })
  assert.deepEqual(said.toSorted(), ['new', 'quick'])
  assert.deepEqual(await connected(database), ['slow'])
}, databases.slice(0, 1))
