import { whole } from '../table.ts'
import { chartAim, chartPoints, followedRates, followEvery, metricsPerForgotten, type AxesResult, type FollowFigures, type ForgetFigures, type PointsFigures } from './axes.ts'

type Table = string[][]

/** One table for each axis and database. */
export function axesTables (results: AxesResult[], { rate }: { rate: number }, ms: (value: number) => string): Table[] {
  return results.flatMap(({ name, follow: followed, forget: forgotten, points: charts }) => [
    ...followed === undefined ? [] : [follow(name, followed, ms)],
    ...forgotten === undefined ? [] : [forget(name, forgotten, rate, ms)],
    ...charts === undefined ? [] : [points(name, charts, ms)]
  ])
}

function follow (name: string, figures: FollowFigures[], ms: (value: number) => string): Table {
  const alone = figures[0]?.full ?? NaN
  return [
    [`${name}, live questions, each at most every ${followEvery} ms`, ...followedRates.flatMap(rate => [`ms/s busy at ${whole(rate)} messages/s`, 'answers/s', 'ms to commit p50/p99']), 'metrics/s at full load', 'to none'],
    ...figures.map(({ questions, steady, full }) => [
      whole(questions), ...steady.flatMap(({ busy, answers, latency }) => [whole(busy), whole(answers), `${ms(latency.p50)} / ${ms(latency.p99)}`]), whole(full), `${(full / alone).toFixed(2)} ×`
    ])
  ]
}

function forget (name: string, figures: ForgetFigures[], rate: number, ms: (value: number) => string): Table {
  return [
    [`${name}, an agent is forgotten at ${whole(rate)} messages/s: its series, of ${metricsPerForgotten} metrics`, 'ms until it is unknown', 's until all is deleted', 'longest slice ms', 'ms to commit p50/p99/max'],
    ...figures.map(({ series, forgotten, swept, longestSlice, latency: { p50, p99, max } }) => [
      series === 0 ? 'none' : whole(series), ms(forgotten), (swept / 1_000).toFixed(2), ms(longestSlice), [p50, p99, max].map(ms).join(' / ')
    ])
  ]
}

function points (name: string, figures: PointsFigures[], ms: (value: number) => string): Table {
  return [
    [`${name}, a chart of at most ${chartPoints} points a series (aim: a day of ten types < ${chartAim} ms)`, 'types', 'points', 'ms p50', 'ms p99', 'ms busy'],
    ...figures.map(({ range, types, rows, times, busy }) => [range, whole(types), whole(rows), ms(times.p50), ms(times.p99), ms(busy)])
  ]
}
