import type { Machine } from '../machine.ts'
import type { Percentiles } from '../percentiles.ts'
import { megabytes } from './memory.ts'
import type { ChaosReport } from './report.ts'
import { heapLimit } from './worker.ts'

/** The reports of several deployments beside each other, as Markdown for docs/reliability.md. */
export function describeChaos (reports: ChaosReport[], { cpu, cores, memory, node, nodeRed, load }: Machine, date: string): string {
  const whole = (number: number): string => number.toLocaleString('en-US')
  return [
    `${date}, ${cores} cores (${cpu}), ${memory} GiB, Node.js ${node}, Node-RED ${nodeRed}, load ${load.toFixed(1)} before the first run.`, '',
    '| deployment | minutes, seed | acknowledged | lost | doubled | faults | s to be well again: worst, median | resident, in the end and at most |',
    '|---|---|---:|---:|---:|---:|---|---|',
    ...reports.map(report => `| ${[
      report.deployment.title,
      `${(report.seconds / 60).toFixed(1)}, ${report.seed}`,
      whole(report.acknowledged),
      whole(report.lost),
      whole(report.doubled),
      sumOf(report.faults.values()),
      recoveryOf(report),
      report.memory.map(({ rssLast, rssMost }) => `${megabytes(rssLast)}, ${megabytes(rssMost)}`).join('; ')
    ].join(' | ')} |`), '',
    '| fault | ' + reports.map(({ deployment }) => deployment.title).join(' | ') + ' |',
    '|---|' + reports.map(() => '---:|').join(''),
    ...[...new Set(reports.flatMap(({ faults }) => [...faults.keys()]))].sort().map(name => `| \`${name}\` | ${reports.map(({ faults }) => faults.get(name) ?? '–').join(' | ')} |`), '',
    '| error in the log | ' + reports.map(({ deployment }) => deployment.title).join(' | ') + ' |',
    '|---|' + reports.map(() => '---:|').join(''),
    ...[...new Set(reports.flatMap(({ errors }) => [...errors.byCode.keys()]))].sort().map(code => `| \`${code}\` | ${reports.map(({ errors }) => errors.byCode.get(code) ?? '–').join(' | ')} |`),
    `| without a code | ${reports.map(({ errors }) => sumOf(errors.withoutCode.values()) || '–').join(' | ')} |`
  ].join('\n')
}

const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((sum, number) => sum + number, 0)

const seconds = (ms: number): string => (ms / 1000).toFixed(1)

function recoveryOf ({ recoveries }: ChaosReport): string {
  const sorted = recoveries.toSorted((a, b) => b.ms - a.ms)
  const [worst] = sorted
  const middle = sorted[sorted.length >> 1]
  return worst === undefined || middle === undefined ? '–' : `${seconds(worst.ms)} after \`${worst.harm.fault}\`, ${seconds(middle.ms)}`
}

const ms = ({ p50, p99, max }: Percentiles): string => [p50, p99, max].map(value => Number.isNaN(value) ? '–' : value < 10 ? value.toFixed(1) : String(Math.round(value))).join(' | ')

/** One report, with all that it takes to find out what went wrong, as Markdown. */
export function describeDeployment (report: ChaosReport): string {
  const { latency, memory, parts: { guests, storms, floods, large } } = report
  const facts: Array<[string, string | number | undefined]> = [
    ['messages sent, acknowledged, stored', `${report.sent}, ${report.acknowledged}, ${report.stored}`],
    ['messages that no outage may have cut short', report.whole],
    ['dropped because more waited for a client than may', report.deployment.broker === 'embedded' ? report.dropped : undefined],
    ...report.subscribers.map(({ clientId, received, connections, missed }): [string, string] => [clientId, `${received} received in ${connections} connections, ${missed} missed`]),
    ['storms', storms && `${storms.times.length}, ${storms.sent} messages`],
    ['subscribers that came and went', guests?.visits],
    ['2 MB messages, retained, 64 KB offline', large && `${large.unknown}, ${large.retained}, ${large.offline}; ${large.acknowledged} acknowledged`],
    ['refused upgrades left open', floods && `${floods.held} of ${floods.refused}`],
    ...memory.map(({ rssMost, heapMost, heapPerMinute, steadySeconds, loopMost }): [string, string] => [`memory at most (heap limit ${heapLimit} MB)`, `${megabytes(rssMost)} resident, ${megabytes(heapMost)} heap, ${(heapPerMinute / 1e6).toFixed(1)} MB a minute in the last ${Math.round(steadySeconds)} s; event loop late by ${Math.round(loopMost)} ms`])
  ]
  return [
    `## ${report.deployment.title}`, '',
    '| | |', '|---|---|', ...facts.filter(([, value]) => value !== undefined).map(([name, value]) => `| ${name} | ${value} |`), '',
    '| ms | p50 | p99 | worst |', '|---|---:|---:|---:|',
    `| ping | ${ms(latency.ping)} |`, `| publish, QoS 1, plain topic | ${ms(latency.publish)} |`, `| editor | ${ms(latency.editor)} |`, `| timers of the client itself | ${ms(latency.own)} |`,
    ...report.underFlood.map(({ name, ping }) => `| ping under ${name} | ${ms(ping)} |`), '',
    ...listOf('Errors without a code:', [...report.errors.withoutCode].slice(0, 10).map(([line, count]) => `${count} × ${line}`)),
    ...listOf('Counted by the broker since its last start:', report.counters),
    ...report.violations.length === 0
      ? ['Every promise was kept.']
      : ['**Broken:**', ...report.violations.flatMap(({ promise, count, examples }) => [`- ${promise}: ${count} ×`, ...examples.map(example => `  - ${example}`)]), '', ...listOf('When:', report.timeline)]
  ].join('\n')
}

function listOf (title: string, items: string[]): string[] {
  return items.length > 0 ? [title, ...items.map(item => `- ${item}`), ''] : []
}
