import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { ask, type Answer } from '../../lib/query/ask.ts'
import { parseQuery, type QueryInput } from '../../lib/query/parse.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Retention } from '../../lib/store/retention/retention.ts'
import { Store } from '../../lib/store/store.ts'
import { day, hour } from '../../lib/time.ts'
import { onEachDatabase, type OpenDatabase } from '../helpers/databases.ts'
import { QueryModel } from './query-model.ts'

const quarter = hour / 4
const aggregates = 'avg,min,max,sum,count,last'

/** Weeks around the night of 29 March 2026, when clocks in Europe went forward: a metric each quarter of an hour, its number as the value. */
const start = Date.parse('2026-03-20T00:00Z')
const end = Date.parse('2026-04-06T00:00Z')

async function open (t: TestContext, { options, query }: OpenDatabase, kept = { rawDays: 0, hourDays: 0, dayDays: 0 }): Promise<{ store: Store, retention: Retention }> {
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, query)
  await Promise.all(Array.from({ length: (end - start) / quarter }, (_, i) => model.report('a', start + i * quarter, { n: i })))
  return { store, retention: new Retention(store, { ...kept, overrides: [] }) }
}

async function answer (store: Store, input: QueryInput): Promise<Answer> {
  for await (const answer of ask(await store.read(), parseQuery({ query: 'buckets', uuid: 'a', type: 'n', aggregates, ...input }, end), { result: 'objects', most: 10_000 })) return answer
  return assert.fail('no answer')
}

/** What is between two times, by the numbers that were sent. */
function bucket (from: number, to: number): object {
  const [first, last] = [Math.max(0, Math.ceil((from - start) / quarter)), Math.min((end - start) / quarter, Math.ceil((to - start) / quarter)) - 1]
  const count = last - first + 1
  return { ts: from, avg: (first + last) / 2, min: first, max: last, sum: (first + last) / 2 * count, count, last }
}

function bucketsOf (borders: string[]): object[] {
  const times = borders.map(border => Date.parse(border))
  return times.slice(1).map((to, i) => bucket(times[i] as number, to))
}

const madrid = { from: '2026-03-27T12:00Z', to: '2026-03-30T12:00Z', bucket: 'day', timezone: 'Europe/Madrid' }
const daysOfMadrid = bucketsOf(['2026-03-26T23:00Z', '2026-03-27T23:00Z', '2026-03-28T23:00Z', '2026-03-29T22:00Z', '2026-03-30T22:00Z'])
const india = { from: '2026-03-27T20:00Z', to: '2026-03-29T12:00Z', bucket: 'day', timezone: 'Asia/Kolkata' }
const daysOfIndia = bucketsOf(['2026-03-27T18:30Z', '2026-03-28T18:30Z', '2026-03-29T18:30Z'])

onEachDatabase('days of a time zone are as long as they are, from hours that are not rolled up yet, that are, and where metrics were deleted', async (t, database) => {
  const { store, retention } = await open(t, database, { rawDays: 1, hourDays: 0, dayDays: 0 })
  for (const pass of [undefined, start + 12 * day, end + 10 * day]) {
    if (pass !== undefined) await retention.runOnce(pass)
    const { payload, about } = await answer(store, madrid)
    assert.deepEqual(payload, daysOfMadrid)
    assert.deepEqual(about, { source: 'hours', bucket: 'day', timezone: 'Europe/Madrid', from: Date.parse('2026-03-26T23:00Z'), to: Date.parse('2026-03-30T22:00Z') })
  }
  const { payload } = await answer(store, { ...madrid, order: 'desc' })
  assert.deepEqual(payload, daysOfMadrid.toReversed())
})

onEachDatabase('weeks begin on Monday, and months and years where the calendar says; in UTC they come from the days', async (t, database) => {
  const { store, retention } = await open(t, database)
  await retention.runOnce(end + day)
  const weeks = await answer(store, { from: '2026-03-23T10:00Z', to: '2026-04-02T10:00Z', bucket: 'week', timezone: 'Europe/Madrid' })
  assert.deepEqual(weeks.payload, bucketsOf(['2026-03-22T23:00Z', '2026-03-29T22:00Z', '2026-04-05T22:00Z']))
  const months = await answer(store, { from: start, to: end, bucket: 'month', timezone: 'America/Sao_Paulo' })
  assert.deepEqual(months.payload, bucketsOf(['2026-03-01T03:00Z', '2026-04-01T03:00Z', '2026-05-01T03:00Z']))
  const inUtc = await answer(store, { from: start, to: end, bucket: 'month' })
  assert.deepEqual([inUtc.payload, inUtc.about.source, inUtc.about.timezone], [bucketsOf(['2026-03-01T00:00Z', '2026-04-01T00:00Z', '2026-05-01T00:00Z']), 'days', 'UTC'])
  assert.deepEqual((await answer(store, { from: start, to: end, bucket: 'year' })).payload, bucketsOf(['2026-01-01T00:00Z', '2027-01-01T00:00Z']))
  assert.equal((await answer(store, { from: start, to: end, points: 4, timezone: 'Europe/Madrid' })).about.bucket, 'week')
})

onEachDatabase('days that begin at half past are exact as long as the metrics are there; where those were deleted they begin at the next full hour, which their times say', async (t, database) => {
  const { store, retention } = await open(t, database, { rawDays: 1, hourDays: 20, dayDays: 0 })
  for (const pass of ['before a rollup', 'after']) {
    const { payload, about } = await answer(store, india)
    assert.deepEqual([payload, about.source], [daysOfIndia, 'hours'], pass)
    const nepal = await answer(store, { ...india, timezone: 'Asia/Kathmandu', order: 'desc' })
    assert.deepEqual(nepal.payload, bucketsOf(['2026-03-27T18:15Z', '2026-03-28T18:15Z', '2026-03-29T18:15Z']).reverse(), pass)
    await retention.runOnce(start + day)
  }
  await retention.runOnce(end + 5 * day)
  const hours = await answer(store, india)
  assert.deepEqual([hours.payload, hours.about.source], [bucketsOf(['2026-03-27T19:00Z', '2026-03-28T19:00Z', '2026-03-29T19:00Z']), 'hours'])
  await retention.runOnce(end + 30 * day)
  const days = await answer(store, { ...india, from: '2026-03-28T20:00Z' })
  assert.deepEqual([days.payload, days.about.source], [bucketsOf(['2026-03-28T00:00Z', '2026-03-29T00:00Z', '2026-03-30T00:00Z']), 'days'])
  // Of Madrid's days, which begin an hour before or two, most is in the UTC day that they are named after.
  const madridInDays = await answer(store, madrid)
  assert.deepEqual(madridInDays.payload, bucketsOf(['2026-03-27T00:00Z', '2026-03-28T00:00Z', '2026-03-29T00:00Z', '2026-03-30T00:00Z', '2026-03-31T00:00Z']))
})

/** Nights in which clocks did something odd, and the hours of the days around them; each begins with the day before. */
const oddNights = [
  { zone: 'Australia/Lord_Howe', from: '2026-10-02T13:30Z', days: [24, 23.5, 24] },
  { zone: 'Australia/Lord_Howe', from: '2026-04-03T13:00Z', days: [24, 24.5, 24] },
  { zone: 'Africa/Casablanca', from: '2026-02-13T23:00Z', days: [24, 25, 24] },
  { zone: 'America/Sao_Paulo', from: '2018-11-03T03:00Z', days: [24, 23, 24] },
  { zone: 'Pacific/Apia', from: '2011-12-28T10:00Z', days: [24, 24, 24] },
  { zone: 'Asia/Pyongyang', from: '2018-05-03T15:30Z', days: [23.5, 24, 24] }
]

onEachDatabase('no metric is lost, or counted twice, where clocks do odd things', async (t, database) => {
  const store = new Store(dialectOf(database.options), { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, database.query)
  const retention = new Retention(store, { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] })
  await Promise.all(oddNights.flatMap(({ from, days }, i) => {
    const length = days.reduce((all, one) => all + one) * hour
    return Array.from({ length: length / quarter }, (_, n) => model.report(`${i}`, Date.parse(from) + n * quarter, { n }))
  }))
  for (const pass of ['before a rollup', 'after']) {
    for (const [i, { zone, from, days }] of oddNights.entries()) {
      const range = { uuid: `${i}`, from: Date.parse(from), to: Date.parse(from) + days.reduce((all, one) => all + one) * hour, timezone: zone, aggregates: 'count,last' }
      const { payload } = await answer(store, { ...range, bucket: 'day' })
      let [start, count] = [Date.parse(from), 0]
      const expected = days.map(hours => {
        const bucket = { ts: start, count: hours * 4, last: count + hours * 4 - 1 }
        start += hours * hour
        count += hours * 4
        return bucket
      })
      assert.deepEqual(payload, expected, `${zone}, ${pass}`)
      // Whatever the buckets are, everything is in them.
      for (const bucket of ['week', 'month', 'year']) {
        const { payload } = await answer(store, { ...range, bucket })
        assert.equal((payload as Array<{ count: number }>).reduce((all, { count }) => all + count, 0), count, `${zone}, ${bucket}, ${pass}`)
      }
    }
    await retention.runOnce(Date.parse('2026-11-01T00:00Z'))
  }
  // More points than the range has seconds, or ms.
  const [{ from }] = oddNights as [typeof oddNights[number]]
  const few = await answer(store, { uuid: '0', from: Date.parse(from), to: Date.parse(from) + 10_000, points: 10_000, aggregates: 'count' })
  assert.deepEqual([few.about.bucket, few.rows, (few.payload as Array<{ count: number }>)[0]?.count], [1_000, 10, 1])
  const one = await answer(store, { uuid: '0', from: Date.parse(from), to: Date.parse(from) + 1, points: 2, aggregates: 'count' })
  assert.deepEqual([one.about.bucket, one.payload], [1_000, [{ ts: Date.parse(from), count: 1 }]])
})

onEachDatabase('a year of days has more borders than one statement takes, and the first day may begin before 1970', async (t, database) => {
  const store = new Store(dialectOf(database.options), { instance: 'test' })
  t.after(() => store.close())
  const model = new QueryModel(store, database.query)
  const noons = Array.from({ length: 800 }, (_, i) => i * day + day / 2)
  await Promise.all(noons.map((ts, i) => model.report('a', ts, { n: i })))
  for (const order of ['asc', 'desc']) {
    const { payload, rows } = await answer(store, { from: 0, to: 800 * day, bucket: 'day', timezone: 'America/New_York', aggregates: 'count,last', order })
    const days = payload as Array<{ ts: number, count: number, last: number | null }>
    if (order === 'desc') days.reverse()
    assert.deepEqual([rows, days[0]], [801, { ts: -19 * hour, count: 0, last: null }])
    assert.deepEqual(days.slice(1).map(({ count, last }) => [count, last]), noons.map((_, i) => [1, i]))
  }
})
