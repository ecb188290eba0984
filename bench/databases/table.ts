import type { Machine } from '../machine.ts'
import { median } from '../percentiles.ts'
import { describeMachineLine, milliseconds, whole } from '../table.ts'
import { axesTables } from './axes-table.ts'
import { dashboardEvery, dashboardRate, dashboardSeries, runsOfQuery, type DashboardFigures, type QueryResults } from './queries.ts'
import { oldDays, retentionAim, type RetentionResult } from './retention.ts'
import type { DatabasesOptions, DatabasesResults } from './run.ts'
import { inFlight, packageName, type WriterResult } from './writers.ts'
import { metricsPerMessage } from './messages.ts'

/** What the issue on the store asks for. */
const aims = { writer: 0.7, loss: 0.1 }

/** The results as Markdown, fit for docs/performance.md. */
export function describeDatabases (results: DatabasesResults, machine: Machine, options: DatabasesOptions, date: string): string {
  const aboutQueries = results.queries === undefined ? [] : [queries(results.queries), dashboard(results.queries)]
  const aboutAxes = axesTables(results.axes, { rate: options.steadyRate }, ms).map(table)
  const parts = [ratios(results.writers), writers(results.writers), ...aboutQueries, retention(results.retention, options), ...aboutAxes]
  return [...parts, footer(results, machine, options, date)].filter(Boolean).join('\n\n')
}

function verdict (reached: boolean): string {
  return reached ? 'reached' : '**missed**'
}

function ratios (results: WriterResult[]): string {
  if (results.length === 0) return ''
  return table([
    ['stored rows/s', 'package/best', 'aim', '', 'the best'],
    ...results.map(({ name, ratio, best }) => [name, `${ratio.toFixed(2)} ×`, `≥ ${aims.writer} ×`, verdict(ratio >= aims.writer), best])
  ])
}

function writers (results: WriterResult[]): string {
  if (results.length === 0) return ''
  return table([
    ['writer', '', 'rows/s', 'rows a batch', 'CPU µs/row of the writing process'],
    ...results.flatMap(({ name, contestants }) => contestants.map(({ name: contestant, figures }) => [
      contestant === packageName ? name : '',
      contestant,
      whole(figures.rowsPerSecond),
      whole(figures.messagesPerBatch * metricsPerMessage),
      figures.cpuPerRow.toFixed(2)
    ]))
  ])
}

function queries ({ rows, size, queries, rollUp }: QueryResults): string {
  const lines = queries.map(({ name, aim, times }) => [name, ms(times.p50), ms(times.p99), `< ${aim} ms`, verdict(times.p50 < aim), verdict(times.p99 < aim)])
  return `${table([[`SQLite, ${whole(rows)} rows, ${whole(size / 1e6)} MB`, 'p50 ms', 'p99 ms', 'aim', 'by p50', 'by p99'], ...lines])}\n\n` +
    `${runsOfQuery} runs of each. Rolling all of it up took ${whole(rollUp)} s.`
}

function dashboard ({ without, with: beside }: QueryResults): string {
  const loss = (rate: (figures: DashboardFigures) => number): number => median(without.map((figures, i) => 1 - rate(beside[i] as DashboardFigures) / rate(figures)))
  const middle = (all: DashboardFigures[], number: (figures: DashboardFigures) => number): number => median(all.map(number))
  const line = (name: string, show: (value: number) => string, number: (figures: DashboardFigures) => number): string[] =>
    [name, show(middle(without, number)), show(middle(beside, number)), '']
  const steadyLoss = loss(({ steady }) => steady.messagesPerSecond)
  const fullLoss = loss(({ full }) => full)
  const metrics = ({ steady }: DashboardFigures): number => steady.messagesPerSecond * metricsPerMessage
  return table([
    ['SQLite, the writer', 'alone', `beside a dashboard, ${dashboardSeries} series by hour over a day every ${dashboardEvery} ms`, 'loss'],
    [...line(`metrics/s of ${whole(dashboardRate * metricsPerMessage)}`, whole, metrics).slice(0, 3), `${percent(steadyLoss)}, aim < ${percent(aims.loss)}, ${verdict(steadyLoss < aims.loss)}`],
    line('… ms to commit p50', ms, ({ steady }) => steady.latency.p50),
    line('… ms to commit p99', ms, ({ steady }) => steady.latency.p99),
    [...line('metrics/s at full load', whole, ({ full }) => full).slice(0, 3), percent(fullLoss)],
    ['ms of the dashboard p50/p99', '–', `${ms(middle(beside, ({ looks }) => looks.p50))} / ${ms(middle(beside, ({ looks }) => looks.p99))}`, '']
  ])
}

function retention (results: RetentionResult[], { steadyRate }: DatabasesOptions): string {
  if (results.length === 0) return ''
  const latency = ({ latency: { p50, p99, max } }: RetentionResult['with']): string => [p50, p99, max].map(ms).join(' / ')
  return table([
    [`${oldDays} days deleted at ${whole(steadyRate)} messages/s`, 'rows deleted', 'of', 'in s', 'longest slice ms', 'ms to commit alone p50/p99/max', '… beside the deletion', 'aim p99', ''],
    ...results.map(result => [
      result.name, whole(result.deleted), whole(result.old), whole(result.took), ms(result.longestSlice), latency(result.without), latency(result.with),
      `< ${retentionAim} ms`, verdict(result.with.latency.p99 < retentionAim)
    ])
  ])
}

function footer ({ without, loadAfter }: DatabasesResults, machine: Machine, { runs, seconds, warmUp, nodeFlags }: DatabasesOptions, date: string): string {
  const missing = without.map(({ name, reason }) => `${name} was not measured: ${reason}. `).join('')
  return `${missing}${describeMachineLine(machine, date)} and ${loadAfter.toFixed(1)} after the last, fdatasync ${machine.fsync.toFixed(2)} ms. ` +
    `Medians (of the ratios too) of ${runs} interleaved run${runs === 1 ? '' : 's'}: ${warmUp} s to warm up, ${seconds} s of full load, ${whole(inFlight)} messages of five metrics in flight, 20 agents; ` +
    'the rivals insert the same metrics with batches of the same size into the same table of the same server, and nothing else. ' +
    `Every commit is on the disk. Each in its own process, ${nodeFlags.length === 0 ? 'V8 as it comes' : `started with ${nodeFlags.join(' ')}, as by npm start`}.`
}

function ms (value: number): string {
  return value < 10 ? value.toFixed(2) : milliseconds(value)
}

function percent (share: number): string {
  return `${(share * 100).toFixed(share === 0.1 ? 0 : 1)} %`
}

/** The first column on the left, the others on the right. */
function table ([head = [], ...rows]: string[][]): string {
  return [head, head.map((_, i) => i === 0 ? '---' : '---:'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
