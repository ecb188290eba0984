import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import { settledTableOf } from '../../../lib/store/dialects/database-kind.ts'
import { Forgetting } from '../../../lib/store/forgetting/forgetting.ts'
import type { Store } from '../../../lib/store/store.ts'
import { forgottenSeries, metricsPerForgotten, type AxesOrder, type ForgetFigures } from '../axes.ts'
import { flood, steady } from '../load.ts'
import { messageOf } from '../messages.ts'
import { dialectAt, openStore, readNumber } from '../place.ts'
import { say, task } from '../task.ts'

/** An agent of the load's size is no agent of the load. */
const uuid = 'bench-forgotten'
const seriesAtOnce = 500

/** Agents with ever more series are forgotten while others report. */
await task<AxesOrder, ForgetFigures[]>(async ({ place, seconds, rate }) => {
  const store = openStore(dialectAt(place))
  await flood(store, { inFlight: 100, seconds: 0.1 })
  const alone = await steady(store, { rate, ended: pause(seconds * 1_000) })
  const figures: ForgetFigures[] = [{ series: 0, forgotten: 0, swept: 0, longestSlice: 0, latency: alone.latency }]
  for (const series of forgottenSeries) {
    say(`an agent of ${series} series …`)
    await report(store)
    await store.run(knex => addSeries(knex, series))
    const forgetting = new Forgetting(store)
    const started = performance.now()
    let forgotten = 0
    const gone = forgetting.forget(uuid).then(async () => {
      forgotten = performance.now() - started
      await forgetting.swept()
    })
    // As long as it takes, and long enough to see what senders notice.
    const { latency } = await steady(store, { rate, ended: Promise.all([gone, pause(500)]) })
    await gone
    const { longest, metrics } = forgetting.statistics()
    if (metrics < series * metricsPerForgotten) throw new Error(`${metrics} metrics of ${series} series were deleted.`)
    figures.push({ series, forgotten, swept: performance.now() - started, longestSlice: longest, latency })
    await forgetting.stop()
  }
  const left = await readNumber(await store.read(), 'select count(*) as n from series where agent_id not in (select id from agents)')
  await store.close()
  if (left > 0) throw new Error(`${left} series of nobody are left.`)
  return figures
})

function report (store: Store): Promise<void> {
  const message = messageOf({ agent: 0, ts: Date.now(), seq: 0, value: 1 }, ['first'])
  const { payload } = message
  if ('metrics' in payload) payload.agent = { ...payload.agent, uuid }
  return new Promise((resolve, reject) => { store.write(message, Date.now(), error => { if (error === null) resolve(); else reject(error) }, 1) })
}

async function addSeries (knex: Knex, count: number): Promise<void> {
  const agentId = await knex('agents').where({ uuid }).first<{ id: number }>('id')
  for (let done = 1; done < count; done += seriesAtOnce) {
    await knex.batchInsert('series', Array.from({ length: Math.min(seriesAtOnce, count - done) }, (_, i) => ({ agent_id: agentId.id, type: `type ${done + i}` })), 100)
  }
  const now = Date.now()
  await knex.raw(`insert into ${settledTableOf(knex)} (series_id, ts, seq, value)
    with recursive times (ts) as (select ${now - metricsPerForgotten * 60_000} union all select ts + 60000 from times where ts + 60000 < ${now})
    select series.id, times.ts, 1, 1.5 from times cross join series where series.agent_id = ${agentId.id}`)
}
