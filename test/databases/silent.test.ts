import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { disconnectAfterSilence } from '../../lib/store/disconnect-after-silence.ts'
import { disconnectSilentAgents } from '../../lib/store/disconnect-silent-agents.ts'
import { Store } from '../../lib/store/store.ts'
import { Writers } from '../../lib/store/writer/writers.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
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
    for (const { store } of workers) t.after(disconnectAfterSilence(store, 30, uuid => { if (said.push(uuid) === uuids.length + 1) resolve() }))
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
