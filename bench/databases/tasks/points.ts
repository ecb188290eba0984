import { performance } from 'node:perf_hooks'
import { ask } from '../../../lib/query/ask.ts'
import { parseQuery } from '../../../lib/query/parse.ts'
import { percentiles } from '../../percentiles.ts'
import { chartPoints, chartTypes, ranges, type AxesOrder, type PointsFigures, type Range } from '../axes.ts'
import { fillRollups, insertHistory } from '../history.ts'
import { messageOf, uuidOf } from '../messages.ts'
import { dialectAt, openStore } from '../place.ts'
import { say, task } from '../task.ts'

const hour = 3_600_000
const day = 24 * hour
const uuid = uuidOf(0)
const types = Array.from({ length: Math.max(...chartTypes) }, (_, i) => `metric-${i}`)
/** As often as agents report by default; older metrics are as far apart as the rows allow. */
const step = 5_000
const runs = 15

/** Charts of an agent that has reported for a year. */
await task<AxesOrder, PointsFigures[]>(async ({ place, rows }) => {
  const store = openStore(dialectAt(place))
  const now = Date.now()
  await new Promise<void>((resolve, reject) => {
    store.write(messageOf({ agent: 0, ts: now, seq: 0, value: 1 }, types), now, error => { if (error === null) resolve(); else reject(error) }, 1)
  })
  const recent = Math.floor(now / day) * day - day
  const older = Math.max(step, Math.ceil(364 * day / (rows / types.length)))
  say(`making a year of ${types.length} series, a metric every ${Math.round(older / 1_000)} s …`)
  await store.run(async knex => {
    await insertHistory(knex, { from: recent - 364 * day, to: recent, step: older })
    await insertHistory(knex, { from: recent, to: now, step })
    await fillRollups(knex)
    // The hour that goes on.
    await knex('dirty_hours').delete()
    await knex.raw(`insert into dirty_hours (series_id, ts) select id, ${now - now % hour} from series`)
    if (place.options.client === 'postgresql') await knex.raw('analyze')
  })
  const knex = await store.read()
  const figures: PointsFigures[] = []
  for (const range of Object.keys(ranges) as Range[]) {
    for (const count of chartTypes) {
      const times: number[] = []
      let [found, active] = [0, 0]
      for (let run = 0; run < runs; run++) {
        const [started, loop] = [performance.now(), performance.eventLoopUtilization()]
        const query = parseQuery({ query: 'buckets', uuid, type: types.slice(0, count), from: now - ranges[range] * day, to: now, points: chartPoints }, now)
        for await (const { rows } of ask(knex, query, { result: 'chart', most: chartPoints * count })) found = rows
        times.push(performance.now() - started)
        active += performance.eventLoopUtilization(loop).active
      }
      if (found === 0) throw new Error(`${range}: no points.`)
      figures.push({ range, types: count, rows: found, times: percentiles(times), busy: active / runs })
    }
  }
  await store.close()
  return figures
})
