import { setTimeout as pause } from 'node:timers/promises'
import { settledTableOf } from '../../../lib/store/dialects/database-kind.ts'
import { Retention } from '../../../lib/store/retention/retention.ts'
import { fillRollups, insertHistory } from '../history.ts'
import { flood, steady } from '../load.ts'
import { dialectAt, openStore, readNumber } from '../place.ts'
import { longest, oldDays, type RetentionFigures, type RetentionOrder } from '../retention.ts'
import { say, task } from '../task.ts'

const day = 24 * 3_600_000

/** Old metrics, rolled up when they came, are deleted while others are written. */
await task<RetentionOrder, RetentionFigures>(async ({ place, rows, seconds, rate }) => {
  const store = openStore(dialectAt(place))
  // All agents and series are there after it.
  await flood(store, { inFlight: 100, seconds: 0.1 })
  const knex = await store.read()
  const series = await readNumber(knex, 'select count(*) as n from series')
  const now = Date.now()
  // Before the hour that the days are counted from.
  const to = now - now % 3_600_000 - oldDays * day
  const from = to - oldDays * day
  say(`making ${rows} rows …`)
  await store.run(async knex => {
    await insertHistory(knex, { from, to, step: Math.ceil(oldDays * day / (rows / series)) })
    await fillRollups(knex)
    // As the server itself would have done by now.
    if (place.options.client === 'postgresql') await knex.raw('analyze')
  })
  const countOld = `select count(*) as n from ${settledTableOf(knex)} where ts < ${to}`
  const old = await readNumber(knex, countOld)
  await steady(store, { rate, ended: pause(1000) })

  say('writing alone …')
  // As long as many a deletion takes: a disk has its slow moments.
  const without = await steady(store, { rate, ended: pause(6 * seconds * 1000) })
  say('writing beside the deletion …')
  const retention = new Retention(store, { rawDays: oldDays, hourDays: 0, dayDays: 0, overrides: [] })
  const started = performance.now()
  const patience = setTimeout(() => { void retention.stop() }, longest * seconds * 1000)
  const deletion = retention.runOnce(Date.now()).catch((error: Error) => { if (error.name !== 'AbortError') throw error })
  const beside = await steady(store, { rate, ended: deletion })
  const took = (performance.now() - started) / 1000
  clearTimeout(patience)
  const left = await readNumber(knex, countOld)
  const { longest: longestSlice, deleted: { metrics: deleted } } = retention.statistics()
  await store.close()
  if (left !== old - deleted) throw new Error(`Of ${old} old rows ${deleted} were deleted and ${left} are left.`)
  return { deleted, old, took, longestSlice, without, with: beside }
})
