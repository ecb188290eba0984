import type { Contestant } from './contestants/contestant.ts'
import type { Machine } from './machine.ts'
import type { Figures } from './measure.ts'
import type { Million } from './million.ts'
import type { Options } from './options.ts'
import type { Percentiles } from './percentiles.ts'

export interface Result { contestant: Pick<Contestant, 'id' | 'name' | 'acknowledges'>, figures: Figures }

/** The results as Markdown, ratios first, fit for docs/performance.md. */
export function describeResults (results: Result[], machine: Machine, options: Options, date: string): string {
  return [describeRatios(results), table(columns, results), describeRun(machine, options, date)].filter(Boolean).join('\n\n')
}

/** How this package stands beside the others; empty where one of the two did not run. */
function describeRatios (results: Result[]): string {
  const rate = (id: string): number | undefined => results.find(({ contestant }) => contestant.id === id)?.figures.messagesPerSecond
  const lines = ([['c', 'a', 'the hand-built flow'], ['c', 'b', 'the expert\'s flow'], ['c', 'd3', 'the plain script, the limit']] as const).flatMap(([one, other, name]) => {
    const [of, to] = [rate(one), rate(other)]
    return of === undefined || to === undefined ? [] : [`| ${one}/${other} | ${of / to >= 10 ? whole(of / to) : (of / to).toFixed(2)} × | ${name} |`]
  })
  return lines.length === 0 ? '' : ['| stored messages/s | this package | compared with |', '|---|---:|---|', ...lines].join('\n')
}

const columns: Array<[head: string, cell: (result: Result) => string]> = [
  ['', ({ contestant }) => `(${contestant.id}) ${contestant.name}`],
  ['PUBACK says', ({ contestant }) => ({ 'on arrival': 'arrived', 'once stored': 'stored', nothing: '–' })[contestant.acknowledges]],
  ['messages/s', ({ figures }) => whole(figures.messagesPerSecond)],
  ['metrics/s', ({ figures }) => whole(figures.metricsPerSecond)],
  ['PUBACKs/s', ({ figures }) => optional(figures.acknowledgedPerSecond, whole)],
  ['acknowledged', ({ figures }) => optional(figures.acknowledged, whole)],
  ['stored rows', ({ figures }) => optional(figures.storedRows, whole)],
  ['stored s after PUBACK', ({ figures }) => optional(figures.drain, value => value.toFixed(1))],
  ['CPU µs/message', ({ figures }) => whole(figures.cpuPerMessage)],
  ['peak MB', ({ figures }) => whole(figures.peakMemory / 1e6)],
  ['loop delay p99 ms', ({ figures }) => milliseconds(figures.loopDelayP99)],
  ['PUBACK ms at full load p50/p95/p99', ({ figures }) => optional(figures.fullLatency, latency)],
  ['PUBACK ms at the steady rate p50/p95/p99', ({ figures }) => optional(figures.steadyLatency, latency)],
  ['generator busy', ({ figures }) => optional(figures.generatorBusy, value => `${whole(value * 100)} %`)],
  ['cores busy with something else', ({ figures }) => optional(figures.elsewhere, value => value.toFixed(1))]
]

/** The contestants side by side as columns: there are more questions than contestants. */
function table (rows: typeof columns, results: Result[]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  return rows.flatMap(([head, cell], i) => [
    line([head, ...results.map(cell)]),
    ...i === 0 ? [line(['---', ...results.map(() => '---:')])] : []
  ]).join('\n')
}

/** Without the full stop. */
export function describeMachineLine (machine: Machine, date: string): string {
  return `${date}. ${machine.cpu}, ${machine.cores} cores, ${machine.memory} GiB, Node.js ${machine.node}, Node-RED ${machine.nodeRed}, ` +
    `load average ${machine.load.toFixed(1)} before the first run`
}

function describeRun (machine: Machine, { runs, seconds, warmUp, agents, steadyRate, nodeFlags }: Options, date: string): string {
  return `${describeMachineLine(machine, date)}, fdatasync ${machine.fsync.toFixed(2)} ms. ` +
    `Medians of ${runs} interleaved run${runs === 1 ? '' : 's'}: ${warmUp} s to warm up, ${seconds} s of full load, ${seconds} s at ${whole(steadyRate)} messages/s; ` +
    `${agents} agents, 50 unacknowledged each, QoS 1, five metrics a message, the generator on the same machine; ` +
    `${nodeFlags.length === 0 ? 'V8 as it comes' : `each started with ${nodeFlags.join(' ')}, as by npm start`}. ` +
    'Rates count a message when it is stored (d1: when it is acknowledged); what acknowledges on arrival is timed until its last row is there.'
}

export function describeMillion ({ messages, seconds, start, quarters, peak, rows }: Million): string {
  const mb = (bytes: number): string => whole(bytes / 1e6)
  return `A million messages into (c): ${whole(messages)} acknowledged, ${whole(rows)} rows stored, ${whole(messages / seconds)} messages/s. ` +
    `Memory ${mb(start)} MB before, medians of its four quarters ${quarters.map(mb).join(', ')} MB, peak ${mb(peak)} MB.`
}

export function latency ({ p50, p95, p99 }: Percentiles): string {
  return [p50, p95, p99].map(milliseconds).join(' / ')
}

export function optional<Value> (value: Value | undefined, show: (value: Value) => string): string {
  return value === undefined ? '–' : show(value)
}

export function milliseconds (value: number): string {
  return value >= 100 ? whole(value) : value.toFixed(1)
}

export function whole (value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
