import type { Machine } from '../machine.ts'
import type { Options } from '../options.ts'
import { describeMachineLine, whole } from '../table.ts'
import type { AdditionResult } from './run.ts'

const names = { topics: 'rows of "Other topics", messages through the last', alerts: 'rules of metric-alert' } as const

/** The results as Markdown, ratios first, fit for docs/performance.md. */
export function describeAdditions (results: AdditionResult[], machine: Machine, options: Options, date: string): string {
  const rows = [
    ['agents', 'metrics a message', 'added to the main flow', 'messages/s beside it', 'CPU beside it', 'CPU µs more a message', 'messages/s', 'CPU µs a message'],
    ['---:', '---:', '---', '---:', '---:', '---:', '---:', '---:'],
    ...results.map(({ agents, metrics, addition, beside, cpuBeside, cpuMore, figures: { messagesPerSecond, cpuPerMessage } }) => [
      whole(agents), whole(metrics),
      addition === undefined ? 'nothing' : `${addition.count} ${names[addition.what]}`,
      addition === undefined ? '1' : `${beside.toFixed(2)} ×`,
      addition === undefined ? '1' : `${cpuBeside.toFixed(2)} ×`,
      addition === undefined ? '–' : cpuMore.toFixed(1),
      whole(messagesPerSecond), cpuPerMessage.toFixed(1)
    ])
  ]
  return `${rows.map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n\n${describeMachineLine(machine, date)}. ` +
    `Medians (of the ratios too) of ${options.runs} interleaved run${options.runs === 1 ? '' : 's'}, each flow in a process of its own: ${options.warmUp} s to warm up, then 1 s and ${options.seconds} s of full load; ` +
    '50 unacknowledged messages an agent, QoS 1; the generator is on the same machine.'
}
