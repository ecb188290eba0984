import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { rejectReasons } from '../../lib/messages/parse.ts'
import { ask } from '../../lib/query/ask.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { Oracle } from '../databases/oracle.ts'
import { once } from '../helpers/events.ts'
import { databases, onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { expectedOf, type Description } from './expected.ts'
import { factor, holds } from './fuzz.ts'
import { payloads, share, type Written } from './json.ts'
import { openPlatform, ranges } from './platform.ts'

// What a client publishes on the three topics goes the whole way, from its socket to a row: whatever JSON it is, what is taken reads back as
// it was sent, and what is not is rejected with a reason. A model that knows docs/messages.md alone says which.

const topics = ['agent/message', 'agent/message', 'agent/message', 'agent/message', 'agent/connected', 'agent/disconnected'] as const
/** Types of one message that are looked at one by one. */
const mostTypes = 8

type Outcome = { reason: string } | { seq: number | undefined, timestamp: number | undefined }

interface Platform {
  /** Publishes, and says what became of it once it is acknowledged. */
  publish (topic: string, payload: string | Buffer): Promise<{ outcomes: Outcome[], left: number, from: number, to: number }>
  answer (input: QueryInput): Promise<unknown>
}

async function open (t: TestContext, { options }: OpenDatabase): Promise<Platform> {
  let outcomes: Outcome[] = []
  let left = 0
  const { broker, store } = await openPlatform(t, options, { limits: { agentsPerUser: 0, messageRate: 0, packetRate: 0, byteRate: 0 } }, {
    stored ({ payload }, { qos }, error) {
      // The others are goodbyes: the broker hung up on their client.
      if (qos === 1) outcomes.push(error === undefined ? payload as never : { reason: error.message })
    },
    rejected ({ reason, index }) {
      assert.ok(Object.hasOwn(rejectReasons, reason), reason)
      if (index === undefined) outcomes.push({ reason })
      else left++
    }
  })
  let client = await broker.client({ clientId: 'fuzz' })
  return {
    async publish (topic, payload) {
      outcomes = []
      left = 0
      const from = Date.now()
      if (!client.connected) client = await broker.client({ clientId: 'fuzz' })
      const waiting = new AbortController()
      await Promise.race([
        client.publishAsync(topic, payload, { qos: 1 }),
        once(client, 'close', waiting).then(() => { throw new Error('the broker hung up') }, () => undefined)
      ]).finally(() => { waiting.abort() })
      return { outcomes, left, from, to: Date.now() }
    },
    async answer (input) {
      for await (const { payload } of ask(await store.read(), parseQuery(input, Date.now()), { result: 'objects', most: 100_000 })) return payload
    }
  }
}

/** All that was taken. */
class Model {
  readonly oracle = new Oracle()
  readonly described = new Map<string, Description>()
  #platform: Platform

  constructor (platform: Platform) { this.#platform = platform }

  async send (topic: typeof topics[number], written: Written): Promise<void> {
    const { outcomes, left, from, to } = await this.#platform.publish(topic, written.text)
    const expected = expectedOf(topic, written, from, ranges)
    const [outcome] = outcomes
    if (!expected.taken) {
      assert.ok(outcomes.length === 1 && outcome !== undefined && 'reason' in outcome, `${topic} was taken`)
      return
    }
    assert.ok(outcome === undefined || !('reason' in outcome), `${topic} was rejected: ${JSON.stringify(outcome)}`)
    assert.equal(left, expected.left, 'metrics that were left out')
    const { uuid, description, metrics } = expected
    if (topic === 'agent/disconnected') return
    assert.equal(outcomes.length, 1)
    this.described.set(uuid, { ...this.described.get(uuid), ...description })
    const { seq = NaN, timestamp = NaN } = outcome as { seq?: number, timestamp?: number }
    if (topic === 'agent/message') {
      if (expected.seq === 'any') assert.ok(Number.isSafeInteger(seq) && seq >= 0, `seq ${seq}`)
      if (expected.time === 'receipt') assert.ok(timestamp >= from && timestamp <= to, `${timestamp} is not when it came`)
    }
    const ts = expected.time === 'receipt' ? timestamp : expected.time
    for (const { type, value } of metrics) this.oracle.add({ uuid, type, ts, seq: expected.seq === 'any' ? seq : expected.seq, value })
    await this.#check(uuid, metrics.slice(0, mostTypes).map(({ type }) => type))
  }

  async #check (uuid: string, types: string[]): Promise<void> {
    const { answer } = this.#platform
    const { username = null, name = null, hostname = null, pid = null } = this.described.get(uuid) ?? {}
    const agent = await answer({ query: 'agent', uuid }) as Record<string, unknown>
    assert.deepEqual([agent.uuid, agent.username, agent.name, agent.hostname, agent.pid], [uuid, username, name, hostname, pid === null ? null : pid + 0])
    for (const type of types) assert.deepEqual(await answer({ query: 'series', uuid, type }), this.oracle.series(uuid, type, { order: 'asc' }), `${JSON.stringify(uuid)} ${JSON.stringify(type)}`)
  }

  async checkAll (): Promise<void> {
    const { answer } = this.#platform
    const agents = await answer({ query: 'agents' }) as Array<{ uuid: string }>
    for (const uuid of this.described.keys()) assert.ok(agents.some(agent => agent.uuid === uuid), JSON.stringify(uuid))
    for (const uuid of this.oracle.uuids) {
      const byType = (a: { type: string }, b: { type: string }): number => a.type < b.type ? -1 : 1
      const found = (await answer({ query: 'latest', uuid }) as Array<{ type: string, ts: number, value: unknown }>).map(({ type, ts, value }) => ({ type, ts, value }))
      assert.deepEqual(found.sort(byType), this.oracle.latest(uuid).sort(byType), `newest of ${JSON.stringify(uuid)}`)
    }
  }
}

/** Servers take their turn in longer runs only. */
const chosen = factor > 1 ? databases : databases.filter(({ name }) => name === 'SQLite')

onEachDatabase('whatever JSON comes on the three topics is stored as it says, or rejected with a reason', async (t, database) => {
  const model = new Model(await open(t, database))
  await holds(t, fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom(...topics), payloads), { minLength: 1, maxLength: 3 }), async sent => {
    for (const [topic, written] of sent) await model.send(topic, written)
  }), 400)
  await model.checkAll()
  t.diagnostic(`${model.oracle.uuids.length} agents stored`)
}, chosen)

onEachDatabase('bytes that are nearly JSON are stored or rejected, and acknowledged', async (t, database) => {
  const { publish } = await open(t, database)
  const change = fc.oneof(
    fc.record({ kind: fc.constant('byte' as const), at: share, byte: fc.nat(255) }),
    fc.record({ kind: fc.constant('cut' as const), at: share }),
    fc.record({ kind: fc.constant('insert' as const), at: share, bytes: fc.uint8Array({ maxLength: 4 }) }),
    fc.record({ kind: fc.constant('repeat' as const), at: share })
  )
  await holds(t, fc.asyncProperty(fc.constantFrom(...topics), payloads, fc.array(change, { minLength: 1, maxLength: 3 }), async (topic, { text }, changes) => {
    let bytes: Buffer = Buffer.from(text)
    for (const one of changes) {
      const at = Math.floor(one.at * bytes.length)
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
      bytes = one.kind === 'cut' ? before : one.kind === 'repeat' ? Buffer.concat([before, bytes]) : one.kind === 'insert' ? Buffer.concat([before, one.bytes, after]) : Buffer.concat([before, Buffer.of(one.byte), after.subarray(1)])
    }
    const { outcomes } = await publish(topic, bytes)
    assert.ok(topic === 'agent/disconnected' ? outcomes.length <= 1 : outcomes.length === 1)
    for (const outcome of outcomes) if ('reason' in outcome) assert.ok(Object.hasOwn(rejectReasons, outcome.reason as string), outcome.reason as string)
  }), 300)
}, chosen)
