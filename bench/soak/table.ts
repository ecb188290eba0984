import type { Percentiles } from '../percentiles.ts'
import { megabytes } from './memory.ts'
import type { SoakReport } from './run.ts'
import { heapLimit } from './target.ts'

const ms = ({ p50, p99, max }: Percentiles): string => [p50, p99, max].map(value => Number.isNaN(value) ? '–' : value < 10 ? value.toFixed(1) : String(Math.round(value))).join(' | ')

/** The report as Markdown. */
export function describeSoak (report: SoakReport): string {
  const { latency, memory } = report
  const facts: Array<[string, string | number | undefined]> = [
    ['minutes, seed', `${(report.seconds / 60).toFixed(1)}, ${report.seed}`],
    ['at once', report.parts.join(', ')],
    ['messages sent, acknowledged, stored', `${report.sent}, ${report.acknowledged}, ${report.stored}`],
    ...report.subscribers.map(({ clientId, received, connections, missed }): [string, string] => [clientId, `${received} received in ${connections} connections, ${missed} missed`]),
    ['deploys', report.deploys],
    ['database locked', report.locks && `${report.locks.length} times, ${Math.round(report.locks.reduce((sum, { from, to }) => sum + (to - from) / 1000, 0))} s`],
    ['storms', report.storms && `${report.storms.times.length}, ${report.storms.sent} messages`],
    ['subscribers that came and went', report.guests?.visits],
    ['2 MB messages, retained, 64 KB offline', report.large && `${report.large.unknown}, ${report.large.retained}, ${report.large.offline}; ${report.large.acknowledged} acknowledged`],
    ['refused upgrades left open', report.floods && `${report.floods.held} of ${report.floods.refused}`],
    ['Node-RED ended', report.outages.map(({ why }) => why).join(', ') || 'never'],
    [`memory at most (heap limit ${heapLimit} MB)`, `${megabytes(memory.rssMost)} resident, ${megabytes(memory.heapMost)} heap, ${(memory.heapPerMinute / 1e6).toFixed(1)} MB a minute at the end`],
    ['event loop late at most', `${Math.round(memory.loopMost)} ms`]
  ]
  return [
    '| | |', '|---|---|', ...facts.filter(([, value]) => value !== undefined).map(([name, value]) => `| ${name} | ${value} |`), '',
    '| ms | p50 | p99 | worst |', '|---|---:|---:|---:|',
    `| ping | ${ms(latency.ping)} |`, `| publish, QoS 1, plain topic | ${ms(latency.publish)} |`, `| editor | ${ms(latency.editor)} |`, `| timers of the client itself | ${ms(latency.own)} |`,
    ...report.underFlood.map(({ name, ping }) => `| ping under ${name} | ${ms(ping)} |`), '',
    ...report.errors.length > 0 ? ['Errors in the log:', ...report.errors.slice(0, 10).map(([line, count]) => `- ${count} × ${line}`), ''] : [],
    ...report.counters.length > 0 ? ['Counted by the broker since its last start:', ...report.counters.map(line => `- ${line}`), ''] : [],
    ...report.violations.length === 0
      ? ['Every promise was kept.']
      : ['**Broken:**', ...report.violations.flatMap(({ promise, count, examples }) => [`- ${promise}: ${count} ×`, ...examples.map(example => `  - ${example}`)]), '', 'When:', ...report.timeline.map(line => `- ${line}`)]
  ].join('\n')
}
