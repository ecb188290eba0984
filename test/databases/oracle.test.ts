import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ask, type Answer } from '../../lib/query/ask.ts'
import type { Bucket } from '../../lib/query/buckets/buckets.ts'
import type { Aggregate, ResultKind } from '../../lib/query/series/names.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { databases, type OpenDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'
import { Oracle, wrongIn, type OracleBucket, type OracleMetric } from './oracle.ts'

/** Each is a history of its own. To look for more: PLATZIVERSE_SEEDS=100-200 node --test … */
const [first = 1, last = 2] = (process.env.PLATZIVERSE_SEEDS ?? '').split('-').filter(text => text !== '').map(Number)

const [hour, day] = [3_600_000, 86_400_000]
const names: Aggregate[] = ['avg', 'min', 'max', 'sum', 'count', 'last']
const uuids = ['a', 'b', 'c']
const types = ['boolean', 'extreme', 'number', 'text']
const kept = { rawDays: 1, hourDays: 3, dayDays: 0, overrides: [] }
const questionsAtOnce = 16

class Random {
  #state: number

  constructor (seed: number) { this.#state = seed }

  /** From 0 to 1. https://github.com/bryc/code/blob/master/jshash/PRNGs.md, mulberry32 */
  next (): number {
    this.#state = this.#state + 0x6D2B79F5 | 0
    let t = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32
  }

  below (end: number): number { return Math.floor(this.next() * end) }

  of<Item> (items: readonly Item[]): Item { return items[this.below(items.length)] as Item }

  is (chance: number): boolean { return this.next() < chance }
}

interface Sent { uuid: string, ts: number, seq: number, metrics: Array<{ type: string, value: number | boolean | string }> }

interface Peer { database: OpenDatabase, store: Store, retention: Retention }

/** One history of a few days, given to every database and to the oracle. */
class History {
  oracle = new Oracle()
  now: number
  asked = 0
  #random: Random
  #start: number
  #peers: Peer[]
  #seqs = new Set<number>()

  constructor (random: Random, peers: Peer[]) {
    this.#random = random
    this.#peers = peers
    // The time at which 32 bits end is as any other.
    this.#start = random.of([19_675 * day, 24 * day])
    this.now = this.#start + hour
  }

  /** A moment up to now: anywhere, or at or beside a border. */
  #moment (): number {
    const random = this.#random
    const anywhere = random.is(0.3) ? this.now - random.below(3 * hour) : this.#start + random.below(this.now - this.#start)
    if (random.is(0.6)) return Math.max(0, anywhere)
    const unit = random.of([60_000, 5 * 60_000, hour, hour, day])
    return Math.max(0, Math.round(anywhere / unit) * unit + random.of([-1, 0, 0, 1]))
  }

  #value (type: string): number | boolean | string {
    const random = this.#random
    if (type === 'text' || random.is(0.03)) return random.of(['', 'on', '1', "it's", '"', '😀', '\n', '=1'])
    if (type === 'boolean') return random.is(0.5)
    if (type === 'number') return random.is(0.7) ? random.below(2_000) / 8 - 100 : (random.next() - 0.5) * 10 ** random.below(12)
    return random.of([1.7e308, -1.7e308, Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324, -5e-324, 1e-310, 1e290, -1e290, 2 ** 53, 0.1, 1e-17, 0, 3])
  }

  /** Metrics of some agents; some of them were sent before. */
  async send (count: number): Promise<void> {
    const random = this.#random
    const repeated = this.oracle.repeatable()
    const messages: Sent[] = []
    for (let i = 0; i < count; i++) {
      if (repeated.length > 0 && random.is(0.1)) {
        const { uuid, ts, seq, type, value } = random.of(repeated)
        messages.push({ uuid, ts, seq, metrics: [{ type, value }] })
        continue
      }
      let seq = random.below(2 ** 20) * 2 ** 27
      while (this.#seqs.has(seq)) seq++
      this.#seqs.add(seq)
      const wanted = types.filter(() => random.is(0.5))
      const metrics = (wanted.length > 0 ? wanted : ['number']).map(type => ({ type, value: this.#value(type) }))
      messages.push({ uuid: random.of(uuids), ts: this.#moment(), seq, metrics })
    }
    await this.#write(messages)
  }

  /** One after the other: agents are in the order of their first reports, which those of one batch have not. */
  async introduce (): Promise<void> {
    for (const [seq, uuid] of ['b', 'a', 'c'].entries()) await this.#write([{ uuid, ts: this.#start, seq, metrics: [{ type: 'number', value: seq }] }])
  }

  async #write (messages: Sent[]): Promise<void> {
    for (const { uuid, ts, seq, metrics } of messages) {
      for (const { type, value } of metrics) this.oracle.add({ uuid, type, ts, seq, value: typeof value === 'boolean' ? Number(value) : value } satisfies OracleMetric)
    }
    // In two goes, so that a batch is never all there is.
    const half = this.#random.below(messages.length)
    await Promise.all(this.#peers.map(async ({ store }) => {
      for (const some of [messages.slice(0, half), messages.slice(half)]) {
        await Promise.all(some.map(({ uuid, ts, seq, metrics }) => new Promise<void>((resolve, reject) => {
          store.write(message('agent/message', { agent: { uuid, username: `user of ${uuid}` }, metrics, timestamp: ts, seq }), this.now, error => { if (error === null) resolve(); else reject(error) })
        })))
      }
    }))
  }

  /** Roll up and delete, and learn from each database what it still has, which is the same in all. */
  async pass (): Promise<void> {
    const markers = await Promise.all(this.#peers.map(async ({ retention, database: { query } }) => {
      await retention.runOnce(this.now)
      const rows = await query('retention').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').select('uuid', 'type', 'raw_from', 'hours_from')
      return new Map(rows.map(row => [JSON.stringify([row.uuid, row.type]), { rawFrom: Number(row.raw_from), hoursFrom: Number(row.hours_from) }] as const))
    }))
    const [ours] = markers as [typeof markers[number]]
    for (const [series, marker] of ours) {
      const [uuid, type] = JSON.parse(series) as [string, string]
      for (const [i, theirs] of markers.entries()) assert.deepEqual(theirs.get(series) ?? { rawFrom: 0, hoursFrom: 0 }, marker, `what is kept of ${series} by ${this.#peers[i]?.database.name}`)
      assert.ok(marker.rawFrom <= Math.max(0, this.now - day) && marker.hoursFrom <= marker.rawFrom, `${series} lost what was to be kept: ${JSON.stringify(marker)}`)
      this.oracle.keep(uuid, type, marker)
    }
  }

  /** Move some metrics to where they stay, in any number of steps: whoever asks notices nothing of it. */
  async settle (): Promise<void> {
    const random = this.#random
    const [steps, size] = [random.below(12), 1 + random.below(30)]
    const before = random.is(0.3) ? this.#moment() : undefined
    await Promise.all(this.#peers.map(async ({ store }) => {
      const { settling } = store
      if (settling === undefined) return
      for (let i = 0; i < steps; i++) await store.run(knex => settling.step(knex, 0, { before, size }))
    }))
  }

  async check (): Promise<void> {
    await this.settle()
    for (let i = 0; i < questionsAtOnce; i++) {
      if (i % 4 === 3) await this.settle()
      const [input, verify] = this.#question()
      const result: ResultKind = this.#random.is(0.4) ? 'parts' : 'objects'
      const most = result === 'parts' ? 1 + this.#random.below(40) : 10_000
      await Promise.all(this.#peers.map(async ({ store, database: { name } }) => {
        this.asked++
        const where = `${name}: ${JSON.stringify({ ...input, result, most, now: this.now })}`
        const answers: Answer[] = []
        if (typeof verify === 'string') {
          await assert.rejects(ask(await store.read(), parseQuery(input, this.now), { result, most }).next(), { code: verify }, where)
          return
        }
        for await (const answer of ask(await store.read(), parseQuery(input, this.now), { result, most })) answers.push(answer)
        assert.ok(answers.every(({ payload }) => !Array.isArray(payload) || payload.length <= most), where)
        const rows = answers.flatMap(({ payload }) => payload as unknown[])
        assert.equal(answers.at(-1)?.rows, rows.length, where)
        verify(rows, answers[0] as Answer, where)
      }))
    }
  }

  /** A question and what is said of its answer; or the code of the error that it is. */
  #question (): [QueryInput, 'QUERY_SERIES_TEXT' | ((rows: unknown[], answer: Answer, where: string) => void)] {
    const { oracle } = this
    const random = this.#random
    const uuid = random.of(oracle.uuids)
    const type = random.of(oracle.types(uuid))
    const order = random.of(['asc', 'desc'] as const)
    const query = random.of(['agents', 'agentsOf', 'connectedAgents', 'agent', 'types', 'latest', 'series', 'series', 'buckets', 'buckets', 'buckets', 'buckets', 'typeBuckets', 'typeBuckets'])
    const [from, to] = [this.#moment(), this.#moment()].sort((a, b) => a - b) as [number, number]
    if (query === 'types') return [{ query, uuid }, (rows, _, where) => { assert.deepEqual(rows, oracle.types(uuid), where) }]
    if (query === 'latest') return [{ query, uuid }, (rows, _, where) => { assert.deepEqual(rows, oracle.latest(uuid), where) }]
    if (query === 'series') {
      const range = { from: random.is(0.8) ? from : undefined, to: random.is(0.8) ? to + 1 : undefined, limit: random.is(0.5) ? 1 + random.below(60) : undefined, order }
      return [{ query, uuid, type, ...range }, (rows, _, where) => { assert.deepEqual(rows, oracle.series(uuid, type, range), where) }]
    }
    if (query === 'buckets' || query === 'typeBuckets') {
      const bucket = random.of([60_000, 5 * 60_000, 37 * 60_000, hour, hour, 2 * hour, 5 * hour, day, day, 2 * day, 30 * day, hour - 1])
      // As many buckets as fit an answer.
      const range = { from: Math.max(from, to - 400 * bucket), to: to + 1, bucket }
      const fill = random.of(['null', 'skip'] as const)
      const aggregates = random.is(0.5) ? names : names.filter(() => random.is(0.4))
      if (aggregates.length === 0) aggregates.push('avg')
      const asked = query === 'buckets' ? [uuid] : oracle.uuidsOf(type)
      if (asked.every(uuid => oracle.isText(uuid, type))) return [{ query, uuid, type, ...range, fill, order, aggregates }, 'QUERY_SERIES_TEXT']
      return [{ query, uuid, type, ...range, fill, order, aggregates }, (rows, { about }, where) => {
        const source = oracle.sourceOf(asked, type, range)
        assert.deepEqual(about, source, where)
        const expected = asked.flatMap(uuid => oracle.buckets(uuid, type, source, { fill, order }).map((bucket): [string, OracleBucket] => [uuid, bucket]))
        assert.equal(rows.length, expected.length, where)
        for (const [i, [uuid, bucket]] of expected.entries()) {
          const row = rows[i] as Bucket & { uuid?: string }
          assert.equal(wrongIn(row, bucket, aggregates), undefined, where)
          if (query === 'typeBuckets') assert.equal(row.uuid, uuid, where)
        }
      }]
    }
    const expected = query === 'agents' || query === 'connectedAgents' ? oracle.uuids : [uuid]
    return [{ query, uuid, username: `user of ${uuid}` }, (rows, _, where) => { assert.deepEqual(rows.map(row => (row as { uuid: string }).uuid), expected, where) }]
  }
}

const running = databases.filter(({ without }) => without === undefined)

for (let seed = first; seed <= last; seed++) {
  test(`an oracle that adds everything up by itself agrees with ${running.map(({ name }) => name).join(', ')}: seed ${seed}`, async t => {
    const random = new Random(seed)
    const peers = await Promise.all(running.map(database => open(t, database)))
    const history = new History(random, peers)
    try {
      await history.introduce()
      await history.send(80)
      await history.check()
      for (let round = 0; round < 5; round++) {
        history.now += random.of([hour / 2, 3 * hour, day, 30 * hour, 2 * day])
        await history.send(random.of([1, 20, 120]))
        await history.check()
        await history.pass()
        await history.check()
        // Late, some of it into hours that are deleted.
        await history.send(random.of([5, 60]))
        await history.check()
        if (random.is(0.5)) await history.pass()
      }
      await history.pass()
      await history.check()
    } catch (error) {
      t.diagnostic(`Again: PLATZIVERSE_SEEDS=${seed}-${seed}`)
      throw error
    }
    t.diagnostic(`${history.asked} answers`)
  })
}

async function open (t: TestContext, { open }: typeof databases[number]): Promise<Peer> {
  const database = await open(t)
  const store = new Store(dialectOf(database.options), { instance: 'test' })
  const retention = new Retention(store, kept)
  t.after(() => store.close())
  return { database, store, retention }
}
