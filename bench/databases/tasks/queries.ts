import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import { ask } from '../../../lib/query/ask.ts'
import { parseQuery, type QueryInput } from '../../../lib/query/parse.ts'
import { Retention } from '../../../lib/store/retention/retention.ts'
import type { Store } from '../../../lib/store/store.ts'
import { percentiles, type Percentiles } from '../../percentiles.ts'
import { insertHistory, markDirty } from '../history.ts'
import { flood, steady } from '../load.ts'
import { messageOf, metricsPerMessage, uuidOf } from '../messages.ts'
import { dialectAt, openStore, readNumber, rowsIn } from '../place.ts'
import { dashboardEvery, dashboardRate, dashboardSeries, incoming, runsOfQuery, series, step, type DashboardFigures, type QueriesOrder, type QueryFigures, type QueryResults } from '../queries.ts'
import { say, task } from '../task.ts'
import { inFlight } from '../writers.ts'

const hour = 3_600_000
const uuid = uuidOf(0)
// The first of them are those that the load writes.
const types = Array.from({ length: series }, (_, i) => `metric-${i}`)

await task<QueriesOrder, QueryResults>(async ({ place, rows, seconds, runs }) => {
  const store = openStore(dialectAt(place))
  const now = Date.now()
  await new Promise<void>((resolve, reject) => {
    const message = messageOf({ agent: 0, ts: now, seq: 0, value: 1 }, types)
    store.write(message, now, error => { if (error === null) resolve(); else reject(error) }, 1)
  })
  say(`making ${rows} rows …`)
  await store.run(knex => insertHistory(knex, { from: now - Math.floor(rows / series) * step, to: now, step }))
  await store.run(markDirty)
  const knex = await store.read()
  const there = await readNumber(knex, rowsIn(knex))
  // Not the file's, which lacks what is in the write-ahead log.
  const size = await readNumber(knex, 'select page_count * page_size as n from pragma_page_count, pragma_page_size')
  if (there < rows) throw new Error(`${there} rows were made instead of ${rows}.`)

  const queries = [
    await measure(knex, 'last 20 of a series', 1, type => ({ query: 'series', uuid, type, limit: 20, order: 'desc' })),
    await measure(knex, 'latest of 500 series', 10, () => ({ query: 'latest', uuid })),
    await measure(knex, 'one series by hour over a day, nothing rolled up', 15, type => byHour(type))
  ]
  say('writing what is not moved …')
  await writeIncoming(store, now)
  const reader = await store.read()
  const whose = (type: string): string => uuidOf(1 + types.indexOf(type) % incoming.agents)
  const ofThose = (type: string): string => types[types.indexOf(type) % incoming.series] as string
  queries.push(
    await measure(reader, `not moved, ${incoming.agents * incoming.series} series: last 20 of a series`, 1, type => ({ query: 'series', uuid: whose(type), type: ofThose(type), limit: 20, order: 'desc' })),
    await measure(reader, '… latest of 500 series', 10, type => ({ query: 'latest', uuid: Array.from({ length: 500 / incoming.series }, (_, i) => uuidOf(1 + (types.indexOf(type) + i) % incoming.agents)) })),
    await measure(reader, '… one series by hour over a day', 15, type => byHour(ofThose(type), whose(type)))
  )
  say('rolling up …')
  const retention = new Retention(store, { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] })
  const started = performance.now()
  // Once more than an hour later, so that the last one has ended too.
  await retention.runOnce(now + 2 * hour)
  const rollUp = (performance.now() - started) / 1000
  queries.push(await measure(knex, 'the first by hour, rolled up', 15, type => byHour(type)))

  const without: DashboardFigures[] = []
  const withIt: DashboardFigures[] = []
  await flood(store, { inFlight, seconds: Math.min(3, seconds) })
  for (let round = 1; round <= runs; round++) {
    // Every other round the other way round: the table grows meanwhile.
    const turns = [{ looks: false, figures: without }, { looks: true, figures: withIt }]
    for (const { looks, figures } of round % 2 === 1 ? turns : turns.toReversed()) {
      say(`round ${round} of ${runs}: the writer ${looks ? 'beside a dashboard' : 'alone'} …`)
      figures.push(await beside(looks ? knex : undefined, store, seconds))
    }
  }
  await store.close()
  return { rows: there, size, queries, rollUp, without, with: withIt }
})

/** A day of other agents, as full as their blocks may be before they are moved. */
async function writeIncoming (store: Store, now: number): Promise<void> {
  const every = 24 * hour / incoming.messages
  const names = types.slice(0, incoming.series)
  for (let i = incoming.messages; i > 0; i--) {
    await Promise.all(Array.from({ length: incoming.agents }, (_, n) => new Promise<void>((resolve, reject) => {
      store.write(messageOf({ agent: n + 1, ts: now - i * every, seq: 0, value: i }, names), now, error => { if (error === null) resolve(); else reject(error) }, 1)
    })))
  }
}

function byHour (type: string, whose = uuid): QueryInput {
  const now = Date.now()
  return { query: 'buckets', uuid: whose, type, from: now - now % hour - 23 * hour, to: now, bucket: '1h', aggregates: 'avg,min,max' }
}

async function answer (knex: Knex, input: QueryInput): Promise<number> {
  for await (const { rows } of ask(knex, parseQuery(input, Date.now()), { result: 'objects', most: 10_000 })) return rows
  return 0
}

/** From the query as a node or a URL has it to its objects, each time of another series. */
async function measure (
  knex: Knex, name: string, aim: number, queryOf: (type: string) => QueryInput
): Promise<QueryFigures> {
  const times: number[] = []
  for (let i = 0; i < runsOfQuery; i++) {
    const input = queryOf(types[i * 7 % series] as string)
    const start = performance.now()
    const rows = await answer(knex, input)
    times.push(performance.now() - start)
    if (rows === 0) throw new Error(`${name}: no rows.`)
  }
  return { name, aim, times: percentiles(times) }
}

/** The writer at the steady rate and at full load, alone or with somebody who looks at a dashboard, of series that it writes. */
async function beside (knex: Knex | undefined, store: Store, seconds: number): Promise<DashboardFigures> {
  let times: number[] = []
  const look = async (): Promise<void> => {
    const start = performance.now()
    await Promise.all(types.slice(0, dashboardSeries).map(type => answer(knex as Knex, byHour(type))))
    times.push(performance.now() - start)
  }
  let failed: unknown
  const looking = new Set<Promise<void>>()
  const timer = knex === undefined ? undefined : setInterval(() => {
    const one = look().catch((error: unknown) => { failed ??= error }).finally(() => { looking.delete(one) })
    looking.add(one)
  }, dashboardEvery)
  const atRate = await steady(store, { rate: dashboardRate, ended: pause(seconds * 1000) })
  const looks: Percentiles = percentiles(times)
  times = []
  const full = await flood(store, { inFlight, seconds })
  clearInterval(timer)
  await Promise.all(looking)
  if (failed !== undefined) throw failed
  return { steady: atRate, full: full.messages * metricsPerMessage / full.seconds, looks }
}
