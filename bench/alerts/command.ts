import { parseArgs } from 'node:util'
import { measureStates } from './states.ts'
import { judgeFolder } from './windows.ts'

// node --expose-gc bench/alerts/command.ts [--states 100000] [--series <folder>]
// What alerts cost with so many states; and how many labelled windows a simple rule finds in the series of a folder, such as those of the Numenta Anomaly Benchmark.

const { values: { states = '100000', series } } = parseArgs({ options: { states: { type: 'string' }, series: { type: 'string' } } })

if (series === undefined) console.log(await measureStates(Number(states)))
else {
  const judged = judgeFolder(series)
  const sum = (field: 'windows' | 'found' | 'falseAlarms' | 'days'): number => judged.reduce((all, one) => all + one[field], 0)
  console.table(judged.map(({ series, days, windows, found, falseAlarms }) => ({ series, days: days.toFixed(1), windows, found, falseAlarms, 'a day': (falseAlarms / days).toFixed(2) })))
  console.log(`${sum('found')} of ${sum('windows')} windows, ${(sum('falseAlarms') / sum('days')).toFixed(2)} false alarms a day and series`)
}
