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

/** What agents say: in any order, where all of it has times by a clock of their own. */
const anything = fc.array(fc.record({
  agent: fc.nat(2),
  topic: fc.constantFrom('agent/connected', 'agent/message', 'agent/message', 'agent/disconnected'),
  time: fc.nat(9)
}), { minLength: 1, maxLength: 24 })

onEachDatabase('whether an agent is there, and since when, does not depend on how many messages are stored at once', async (t, database) => {
  const { store, write } = open(t, database)
  let run = 0
  await fc.assert(fc.asyncProperty(anything, fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()), fc.integer({ min: 2, max: 24 }), async (all, timed, size) => {
    run++
    const uuidOf = (kind: string, agent: number): string => `${run}-${kind}-${agent}`
    const receivedAt = (i: number): number => now + i * second
    const send = (kind: string, i: number): Promise<unknown> => {
      const { agent, topic, time } = all[i] as typeof all[number]
      const isTimed = timed[agent] === true
      const own = isTimed || topic === 'agent/message' ? { timestamp: now + (isTimed ? time : i) * second } : {}
      return write(topic, { agent: { uuid: uuidOf(kind, agent) }, ...topic === 'agent/message' ? { metrics: [{ type: 't', value: i }] } : {}, ...own }, receivedAt(i))
    }
    const first = (kind: string) => Promise.all(timed.map((isTimed, agent) => write('agent/connected', { agent: { uuid: uuidOf(kind, agent) }, ...isTimed ? { timestamp: now - second } : {} }, now - second)))
    await first('single')
    await first('many')
    for (const i of all.keys()) await send('single', i)
    const places = [...all.keys()]
    // The first one is stored alone while the others gather.
    for (let at = 0; at < places.length; at += size) await Promise.all([write('agent/connected', { agent: { uuid: 'other' } }), ...places.slice(at, at + size).map(i => send('many', i))])
    const query = await store.read()
    for (const [agent, isTimed] of timed.entries()) {
      const [single, many] = await Promise.all(['single', 'many'].map(kind => query('agents').where({ uuid: uuidOf(kind, agent) }).first('connected', 'connected_at', 'last_seen_at')))
      assert.deepEqual([Boolean(many.connected), many.last_seen_at], [Boolean(single.connected), single.last_seen_at])
      if (!many.connected || many.connected_at === single.connected_at) continue
      // A goodbye of the batch counts as if it had been there before: what came back after it is newer than all of them.
      const back = all.find((said, i) => said.agent === agent && receivedAt(i) === many.connected_at)
      const goodbyes = all.filter(said => said.agent === agent && said.topic === 'agent/disconnected').map(({ time }) => time)
      assert.ok(isTimed && back?.topic === 'agent/connected' && goodbyes.length > 0 && back.time > Math.max(...goodbyes), `${many.connected_at} and not ${single.connected_at}`)
    }
  }), { numRuns: 25 })
})

onEachDatabase('an agent is connected since the message by which it is back, whatever came late before it, and whichever process had it', async (t, database) => {
  const [one, two] = [open(t, database, 'one'), open(t, database, 'two')]
  const metrics = [{ type: 't', value: 1 }]
  const said = (uuid: string, topic: string, timestamp: number, at: number, { write } = one) => write(topic, { agent: { uuid }, timestamp, ...topic === 'agent/message' ? { metrics } : {} }, at, true)
  const since = async (uuid: string): Promise<unknown[]> => {
    const row = await database.query('agents').where({ uuid }).first('connected', 'connected_at')
    return [Boolean(row?.connected), row?.connected_at]
  }
  for (const [uuid, word] of [['comes', 'agent/connected'], ['speaks', 'agent/message']] as const) {
    await said(uuid, word, now, now)
    await said(uuid, 'agent/disconnected', now + 5_000, now + 5_000)
    await Promise.all([[1, 20], [2, 21], [3, 24], [9, 30], [10, 40]].map(([own, at]) => said(uuid, word, now + Number(own) * second, now + Number(at) * second)))
    assert.deepEqual(await since(uuid), [true, now + 30_000], uuid)
  }
  // One of the processes found it silent, the other one goes on storing what it says.
  assert.deepEqual(await two.store.disconnectSilent(now + 50_000, { uuid: 'speaks' }), ['speaks'])
  await said('speaks', 'agent/message', now + 70_000, now + 70_000)
  assert.deepEqual(await since('speaks'), [true, now + 70_000])
  await said('speaks', 'agent/message', now + 80_000, now + 80_000)
  assert.deepEqual(await since('speaks'), [true, now + 70_000])
})

onEachDatabase('an agent that comes and goes at once is new, gone, and said to be so', async (t, database) => {
  const { write } = open(t, database)
  const agent = { uuid: 'brief' }
  const [, , goodbye] = await Promise.all([
    write('agent/connected', { agent: { uuid: 'other' } }),
    write('agent/connected', { agent, timestamp: now, seq: 0 }),
    write('agent/disconnected', { agent, timestamp: now, seq: 1 })
  ])
  assert.equal(goodbye?.outdated, undefined)
  assert.equal(await isConnected(database.query, 'brief'), false)
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

onEachDatabase('an agent that left while the clock of this machine was set back is gone, although its goodbye is written when the clock is right again', async (t, database) => {
  const { write } = open(t, database)
  const agent = { uuid: 'a' }
  const right = Date.now()
  const clock = t.mock.method(Date, 'now', () => right - 6 * 3_600_000)
  const spoken = write('agent/message', { agent, metrics: [{ type: 't', value: 1 }], timestamp: right }, right)
  const goodbye = write('agent/disconnected', { agent }, Date.now())
  clock.mock.restore()
  await Promise.all([spoken, goodbye])
  assert.equal(await isConnected(database.query, 'a'), false, 'in one commit')
  await write('agent/connected', { agent }, Date.now())
  const other = write('agent/connected', { agent: { uuid: 'other' } }, Date.now())
  const again = t.mock.method(Date, 'now', () => right - 6 * 3_600_000)
  const second = write('agent/disconnected', { agent }, Date.now())
  again.mock.restore()
  await Promise.all([other, second])
  assert.equal(await isConnected(database.query, 'a'), false, 'in a commit of its own')
})

onEachDatabase('an agent whose messages carry no time is back with the next one, although the clock of this machine was set back meanwhile', async (t, database) => {
  const one = open(t, database, 'one')
  const [agent, metrics] = [{ uuid: 'a' }, [{ type: 't', value: 1 }]]
  const received = Date.now()
  // Such a message has the time of its receipt.
  const speak = (at: number) => one.write('agent/message', { agent, metrics, timestamp: at }, at)
  await speak(received + 6 * 3_600_000)
  await one.write('agent/disconnected', { agent }, received)
  assert.equal(await isConnected(database.query, 'a'), false)
  await speak(received + 1)
  assert.equal(await isConnected(database.query, 'a'), true)
  const { spoke_at: spokeAt, last_seen_at: lastSeenAt } = await database.query('agents').first('spoke_at', 'last_seen_at') as Record<string, number>
  assert.deepEqual([spokeAt, lastSeenAt], [received + 1, received + 1])
  // It left while the clock was ahead.
  await speak(received + 6 * 3_600_000)
  await one.write('agent/disconnected', { agent }, received + 6 * 3_600_000)
  await speak(received + 2)
  assert.equal(await isConnected(database.query, 'a'), true)
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
