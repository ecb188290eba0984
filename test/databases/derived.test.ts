import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Knex } from 'knex'
import type { Message } from '../../lib/messages/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store, type Stored } from '../../lib/store/store.ts'
import { onEachDatabase, onEachServer, type OpenDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

const hour = 3_600_000
const start = 1_700_000_000_000 - 1_700_000_000_000 % hour

interface Step { message: Message, at: number }

function open (t: TestContext, { options }: OpenDatabase, instance = 'test') {
  const store = new Store(dialectOf(options), { instance })
  t.after(() => store.close())
  /** In one batch. */
  const write = (steps: Step[]): Promise<Stored[]> => Promise.all(steps.map(({ message, at }) => new Promise<Stored>((resolve, reject) => {
    store.write(message, at, (error, stored) => { if (stored === undefined) reject(error as Error); else resolve(stored) })
  })))
  return { store, write }
}

const reading = (uuid: string, timestamp: number, seq: number, metrics: Record<string, number | string>, at: number): Step =>
  ({ at, message: message('agent/message', { agent: { uuid }, timestamp, seq, metrics: Object.entries(metrics).map(([type, value]) => ({ type, value })) }) })
const connected = (uuid: string, at: number): Step => ({ at, message: message('agent/connected', { agent: { uuid } }) })
const disconnected = (uuid: string, at: number): Step => ({ at, message: message('agent/disconnected', { agent: { uuid } }) })

async function agent (query: Knex, uuid: string) {
  const row = await query('agents').where({ uuid }).first('connected', 'connected_at', 'last_seen_at')
  return { connected: Boolean(row.connected), connectedAt: Number(row.connected_at), lastSeenAt: Number(row.last_seen_at) }
}

async function newest (query: Knex): Promise<Record<string, [number, number | string]>> {
  const rows = await query('series').join('agents', 'agents.id', 'agent_id').whereNotNull('last_ts').select('uuid', 'type', 'last_ts', 'last_value', 'last_text')
  return Object.fromEntries(rows.map(row => [`${row.uuid} ${row.type}`, [Number(row.last_ts), row.last_value ?? row.last_text]]))
}

onEachDatabase('an agent that leaves and comes back within a batch is connected since then, and one that speaks and leaves was heard then', async (t, database) => {
  const { write } = open(t, database)
  await write([connected('a', 1_000), connected('b', 1_000)])
  await write([disconnected('a', 5_000), connected('a', 6_000)])
  assert.deepEqual(await agent(database.query, 'a'), { connected: true, connectedAt: 6_000, lastSeenAt: 6_000 })
  await write([connected('a', 7_000), disconnected('a', 8_000), connected('a', 9_000)])
  assert.deepEqual(await agent(database.query, 'a'), { connected: true, connectedAt: 9_000, lastSeenAt: 9_000 })
  await write([reading('b', 5, 1, { t: 1 }, 40_000)])
  await write([reading('b', 6, 1, { t: 1 }, 90_000), disconnected('b', 90_001)])
  assert.deepEqual(await agent(database.query, 'b'), { connected: false, connectedAt: 1_000, lastSeenAt: 90_000 })
})

onEachDatabase('the newest value is that of a metric which was stored, whatever comes again and with what', async (t, database) => {
  const { store, write } = open(t, database)
  await write([reading('a', 10, 5, { t: 1, u: 1 }, start)])
  await write([reading('a', 10, 5, { t: 2, u: 1 }, start)])
  assert.deepEqual(await newest(await store.read()), { 'a t': [10, 1], 'a u': [10, 1] })
  await write([reading('a', 20, 1, { t: 3 }, start), reading('a', 10, 5, { t: 2 }, start), reading('a', 20, 1, { t: 4 }, start)])
  assert.deepEqual((await newest(await store.read()))['a t'], [20, 3])
  // Of one timestamp, the greater seq, in whatever order they come.
  await write([reading('a', 30, 9, { t: 9 }, start), reading('a', 30, 2, { t: 2 }, start)])
  await write([reading('a', 30, 8, { t: 8 }, start)])
  assert.deepEqual((await newest(await store.read()))['a t'], [30, 9])
  const again = open(t, database, 'again')
  await again.write([reading('a', 30, 7, { t: 7 }, start)])
  await again.write([reading('a', 5, 1, { t: 5 }, start), reading('a', 30, 9, { t: 'other' }, start)])
  assert.deepEqual((await newest(await again.store.read()))['a t'], [30, 9])
})

/** What a database has to say after these messages. */
class Model {
  agents = new Map<string, { connected: boolean, connectedAt: number, lastSeenAt: number, spokeAt: number }>()
  metrics = new Map<string, { key: string, ts: number, seq: number, value: number | string }>()
  hours = new Set<string>()
  duplicates = 0

  add ({ message, at }: Step): void {
    const { uuid } = message.payload.agent
    const known = this.agents.get(uuid)
    if (message.kind === 'disconnected') {
      if (known !== undefined) known.connected = false
      return
    }
    const spokeAt = known?.spokeAt ?? -1
    const says = message.kind === 'message' ? message.payload.timestamp : -1
    // After a goodbye, a message that comes again, or late, does not bring the agent back.
    const connected = known === undefined || known.connected || message.kind === 'connected' || says > spokeAt
    this.agents.set(uuid, {
      connected,
      connectedAt: known === undefined || (connected && !known.connected) ? at : known.connectedAt,
      lastSeenAt: Math.max(at, known?.lastSeenAt ?? 0),
      spokeAt: Math.max(spokeAt, says)
    })
    if (message.kind !== 'message') return
    const { timestamp: ts, seq = 0, metrics } = message.payload
    for (const { type, value } of metrics) {
      const id = `${uuid} ${type} ${ts} ${seq}`
      if (this.metrics.has(id)) this.duplicates++
      else {
        this.metrics.set(id, { key: `${uuid} ${type}`, ts, seq, value: value as number | string })
        this.hours.add(`${uuid} ${type} ${ts - ts % hour}`)
      }
    }
  }

  newest (): Record<string, [number, number | string]> {
    const found = new Map<string, { ts: number, seq: number, value: number | string }>()
    for (const { key, ...one } of this.metrics.values()) {
      const best = found.get(key)
      if (best === undefined || one.ts > best.ts || (one.ts === best.ts && one.seq > best.seq)) found.set(key, one)
    }
    return Object.fromEntries([...found].map(([key, { ts, value }]) => [key, [ts, value]]))
  }
}

function random (seed: number): (most: number) => number {
  let state = seed
  return most => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor(state / 2 ** 32 * most)
  }
}

function stepsOf (pick: (most: number) => number, count: number): Step[] {
  const steps: Step[] = []
  for (let at = start; steps.length < count; at += pick(3) === 0 ? pick(4_000) : pick(3)) {
    const uuid = `a${pick(3)}`
    const kind = pick(10)
    if (kind === 0) steps.push(connected(uuid, at))
    else if (kind < 3) steps.push(disconnected(uuid, at))
    else if (kind < 5 && steps.length > 0) steps.push({ ...steps[pick(steps.length)] as Step, at })
    else {
      const metrics = Object.fromEntries(['t', 'u', 'v'].slice(pick(3)).map(type => [type, pick(4) === 0 ? `text ${pick(100)}` : pick(1_000)]))
      // An agent's own times are kept to the second.
      steps.push(reading(uuid, start - pick(3) * hour + 2_000 * pick(4), 1 + pick(3), metrics, at))
    }
  }
  return steps
}

onEachDatabase('whatever is derived is the same however the messages fall into batches', async (t, database) => {
  const { query, server } = database
  for (let seed = 1; seed <= (server === undefined ? 12 : 6); seed++) {
    for (const table of ['metrics', 'dirty_hours', 'series', 'agents']) if (await query.schema.hasTable(table)) await query(table).delete()
    const pick = random(seed)
    const steps = stepsOf(pick, 150)
    const model = new Model()
    for (const step of steps) model.add(step)
    let { store, write } = open(t, database)
    let duplicates = 0
    /** When the batch of a step began. */
    const batchOf = new Map<number, number>()
    for (let done = 0; done < steps.length;) {
      const size = 1 + pick(pick(2) === 0 ? 3 : 40)
      for (const { at } of steps.slice(done, done + size)) batchOf.set(at, steps[done]?.at ?? at)
      for (const stored of await write(steps.slice(done, done + size))) duplicates += stored.duplicates
      done += size
      if (pick(8) > 0) continue
      // What is remembered is not what makes it right. Who asks waits until it is written; closing waits for less.
      await store.read()
      await store.close()
      ;({ store, write } = open(t, database))
    }
    await store.read()
    await store.close()
    const where = `seed ${seed}`
    assert.equal(duplicates, model.duplicates, where)
    assert.deepEqual(await newest(query), model.newest(), where)
    for (const [uuid, expected] of model.agents) {
      const { lastSeenAt, ...found } = await agent(query, uuid)
      assert.equal(found.connected, expected.connected, `${where}, ${uuid}`)
      // Of a batch in which an agent comes back by something that comes late and by something that is news, the first may be taken.
      const earliest = batchOf.get(expected.connectedAt) ?? NaN
      if (expected.connected) assert.ok(found.connectedAt <= expected.connectedAt && found.connectedAt >= earliest, `${where}, ${uuid}: connected at ${found.connectedAt} and ${expected.connectedAt}`)
      // Written at most once a second.
      assert.ok(lastSeenAt <= expected.lastSeenAt && lastSeenAt > expected.lastSeenAt - 1_000, `${where}, ${uuid}: ${lastSeenAt} and ${expected.lastSeenAt}`)
    }
    const hours = await query('dirty_hours').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('uuid', 'type', 'ts')
    assert.deepEqual(hours.map(({ uuid, type, ts }) => `${uuid} ${type} ${ts}`).sort(), [...model.hours].sort(), where)
  }
})

onEachServer('the newest value is right too when two processes write the same series', async (t, database) => {
  const writers = [open(t, database, 'one'), open(t, database, 'two')]
  await Promise.all(writers.map(async ({ write }, i) => {
    const pick = random(i + 1)
    for (let round = 0; round < 40; round++) {
      await write(Array.from({ length: 10 }, () => reading('a', start + round, 10 * pick(1_000) + i, { t: pick(1_000), u: pick(1_000) }, start)))
    }
  }))
  const rows = await database.query('metrics').join('series', 'series.id', 'series_id').orderBy('ts').orderBy('seq').select('type', 'ts', 'value')
  const expected = Object.fromEntries(rows.map(({ type, ts, value }) => [`a ${type}`, [Number(ts), value]]))
  assert.deepEqual(await newest(database.query), expected)
})
