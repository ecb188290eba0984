import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Knex } from 'knex'
import { onEachDatabase } from '../helpers/databases.ts'
import { now, open } from './writing-process.ts'

type Said = [topic: string, payload: Record<string, unknown>]

/** What one agent says, in the order in which it does, and whether it is there after that. */
interface Script { said: Said[], isThere: boolean }

const second = 1_000

/** How a session ends: by the last will, by a goodbye, or without either, when the next connection takes it over. */
const session = fc.record({ messages: fc.nat(3), end: fc.constantFrom('will', 'goodbye', 'nothing'), pause: fc.nat(1) })

/** An agent that says when it connected. */
const sessions = fc.array(session, { minLength: 1, maxLength: 4 }).map((all): Script => {
  let time = now
  const said: Said[] = all.flatMap(({ messages, end, pause }) => {
    const timestamp = time
    const own: Said[] = [['agent/connected', { timestamp, seq: 4 }]]
    for (let i = 0; i < messages; i++) own.push(['agent/message', { timestamp: time += second }])
    if (end === 'will') own.push(['agent/disconnected', { timestamp, seq: 5 }])
    if (end === 'goodbye') own.push(['agent/disconnected', { timestamp: time += second }])
    // A client may be back within the same second, and has its buffer to send.
    time += pause * second + 1
    return own
  })
  return { said, isThere: all.at(-1)?.end === 'nothing' }
})

/** An agent that says only when it goes. */
const departures = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }).map((all): Script => ({
  said: [true, ...all].map((isMessage, i) => [isMessage ? 'agent/message' : 'agent/disconnected', { timestamp: now + i * second }]),
  isThere: all.at(-1) === true
}))

/** Several scripts at once, mixed and with repetitions, and which of two processes gets what; the first word of each agent comes first. */
const mixed = fc.array(fc.oneof(sessions, departures), { minLength: 1, maxLength: 12 }).chain(scripts => {
  const all = scripts.flatMap(({ said }, agent) => said.map(one => ({ agent, one })))
  const order = fc.array(fc.tuple(fc.nat(all.length - 1), fc.nat(1)), { maxLength: 2 * all.length })
  return fc.tuple(fc.constant(scripts), fc.constant(all), order, fc.shuffledSubarray(all.map((_, i) => i), { minLength: all.length }), fc.integer({ min: 1, max: 9 }))
})

async function isConnected (query: Knex, uuid: string): Promise<boolean> {
  return Boolean((await query('agents').where({ uuid }).first('connected'))?.connected)
}

onEachDatabase('whatever the order and however often it comes, an agent is there if the newest that it said says so', async (t, database) => {
  const workers = [open(t, database, 'one'), open(t, database, 'two')]
  let run = 0
  await fc.assert(fc.asyncProperty(mixed, async ([scripts, all, some, rest, size]) => {
    run++
    const uuidOf = (agent: number): string => `${run}-${agent}`
    const send = async (which: number, worker: number): Promise<unknown> => {
      const { agent, one: [topic, payload] } = all[which] as typeof all[number]
      const metrics = topic === 'agent/message' ? { metrics: [{ type: 't', value: 1 }] } : {}
      return await workers[worker]?.write(topic, { agent: { uuid: uuidOf(agent) }, ...metrics, ...payload }, now, true)
    }
    await Promise.all(scripts.map((_, agent) => send(all.findIndex(one => one.agent === agent), 0)))
    const deliveries = [...some, ...rest.map((which, i): [number, number] => [which, i % 2])]
    for (let at = 0; at < deliveries.length; at += size) await Promise.all(deliveries.slice(at, at + size).map(([which, worker]) => send(which, worker)))
    for (const [agent, { said, isThere }] of scripts.entries()) {
      assert.equal(await isConnected(database.query, uuidOf(agent)), isThere, JSON.stringify(said))
    }
  }), { numRuns: 25 })
})

onEachDatabase('a goodbye that a newer arrival overtook changes nothing, and says so', async (t, database) => {
  const { write } = open(t, database)
  const agent = { uuid: 'a' }
  const said = (topic: string, timestamp: number, seq?: number) => write(topic, { agent, timestamp, seq })
  assert.deepEqual(await said('agent/connected', now, 0), { agentId: 1, metrics: 0, duplicates: 0 })
  assert.deepEqual(await said('agent/connected', now + 9, 0), { agentId: 1, metrics: 0, duplicates: 0 })
  assert.deepEqual(await said('agent/disconnected', now, 1), { agentId: 1, metrics: 0, duplicates: 0, outdated: true })
  assert.equal(await isConnected(database.query, 'a'), true)
  assert.deepEqual(await said('agent/disconnected', now + 9, 1), { agentId: 1, metrics: 0, duplicates: 0 })
  assert.deepEqual(await said('agent/connected', now, 0), { agentId: 1, metrics: 0, duplicates: 0, outdated: true })
  assert.equal(await isConnected(database.query, 'a'), false)
  // Both are of use: the agent was there meanwhile.
  assert.deepEqual(await Promise.all([said('agent/connected', now + 20, 0), said('agent/disconnected', now + 21)]),
    [{ agentId: 1, metrics: 0, duplicates: 0 }, { agentId: 1, metrics: 0, duplicates: 0 }])
})

onEachDatabase('a goodbye without a time counts when it comes, and then it takes something new to be there again', async (t, database) => {
  const { write } = open(t, database)
  const agent = { uuid: 'a' }
  const metrics = [{ type: 't', value: 1 }]
  // By a clock that is wrong: only the agent's own times are compared with each other.
  const early = Date.UTC(2001, 0)
  await write('agent/connected', { agent, timestamp: early, seq: 0 })
  await write('agent/message', { agent, metrics, timestamp: early + 5_000 })
  await write('agent/disconnected', { agent })
  assert.equal(await isConnected(database.query, 'a'), false)
  await write('agent/connected', { agent, timestamp: early, seq: 0 })
  await write('agent/message', { agent, metrics, timestamp: early + 5_000 })
  await write('agent/message', { agent, metrics, timestamp: early + 1_000 })
  assert.equal(await isConnected(database.query, 'a'), false, 'what was sent before came again')
  await write('agent/message', { agent, metrics, timestamp: early + 9_000 })
  assert.equal(await isConnected(database.query, 'a'), true)
  await write('agent/disconnected', { agent })
  await write('agent/connected', { agent })
  assert.equal(await isConnected(database.query, 'a'), true)
})

onEachDatabase('a goodbye without a time that was received before the agent was heard again changes nothing', async (t, database) => {
  const { write } = open(t, database)
  const received = Date.now() - 5_000
  const agent = { uuid: 'a' }
  await write('agent/connected', { agent }, received)
  await write('agent/disconnected', { agent }, received - 1_000)
  assert.equal(await isConnected(database.query, 'a'), true)
  await write('agent/disconnected', { agent }, received)
  assert.equal(await isConnected(database.query, 'a'), false)
  // The clock of this machine was set back meanwhile.
  await write('agent/connected', { agent }, received + 3_600_000)
  await write('agent/disconnected', { agent }, received)
  assert.equal(await isConnected(database.query, 'a'), false)
})

onEachDatabase('agents of a broker elsewhere are disconnected through any worker, and by the death of none', async (t, database) => {
  const one = open(t, database, 'one')
  const two = open(t, database, 'two')
  const agent = { uuid: 'a' }
  await one.write('agent/connected', { agent }, now, true)
  assert.deepEqual(await database.query('agents').select('uuid', 'instance'), [{ uuid: 'a', instance: '' }])
  assert.deepEqual(await two.store.disconnectAbandoned(true), [])
  await two.write('agent/disconnected', { agent }, now, true)
  assert.equal(await isConnected(database.query, 'a'), false)
  // The broker tells every worker that its client went.
  await one.write('agent/connected', { agent }, now, true)
  await one.write('agent/connected', { agent: { uuid: 'of this process' } }, now)
  const observed = (uuid: string, at: number) => Promise.all([one, two].map(({ store }) => store.disconnectSilent(at, { uuid, instance: '' })))
  assert.deepEqual((await observed('a', now)).flat(), [], 'it was heard since')
  assert.deepEqual((await observed('of this process', now + 9)).flat(), [])
  assert.deepEqual([...(await observed('a', now + 9)).flat(), ...(await observed('a', now + 9)).flat()], ['a'])
})
