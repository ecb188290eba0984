import type { Machine } from '../machine.ts'
import type { Options } from '../options.ts'
import { describeMachineLine, whole } from '../table.ts'
import type { AudienceResult } from './run.ts'

/** What is asked for, by the number of subscribers: messages/s beside those with none. */
const aims: Record<number, number> = { 1: 0.85, 10: 0.5 }

/** The results as Markdown, ratios first, fit for docs/performance.md. */
export function describeSubscribers (results: AudienceResult[], machine: Machine, options: Options, date: string): string {
  const [first] = results
  const rows = [
    ['subscribers of `agent/#`', 'stored messages/s beside the first', 'aim', 'stored messages/s', 'delivered/s', 'CPU µs a message', 'CPU µs a delivery', 'lost at QoS 0'],
    ['---', '---:', '---:', '---:', '---:', '---:', '---:', '---:'],
    ...results.map(({ audience: { subscribers, qos }, figures: { messagesPerSecond, cpuPerMessage, lost }, beside }) => [
      subscribers === 0 ? 'none' : `${whole(subscribers)}, QoS ${qos}`,
      `${beside.toFixed(2)} ×`,
      aims[subscribers] === undefined ? '–' : `${aims[subscribers]} ×`,
      whole(messagesPerSecond),
      subscribers === 0 ? '–' : whole(messagesPerSecond * subscribers),
      cpuPerMessage.toFixed(1),
      subscribers === 0 ? '–' : ((cpuPerMessage - (first?.figures.cpuPerMessage ?? NaN)) / subscribers).toFixed(2),
      subscribers === 0 || qos === 1 ? '–' : whole(lost)
    ])
  ]
  return `${rows.map(cells => `| ${cells.join(' | ')} |`).join('\n')}\n\n${describeMachineLine(machine, date)}. ` +
    `Medians (of the ratios too) of ${options.runs} interleaved run${options.runs === 1 ? '' : 's'}: ${options.warmUp} s to warm up, then for each row 1 s and ${options.seconds} s of full load; ` +
    `${options.agents} agents, 50 unacknowledged each, QoS 1, five metrics a message; the generator and the subscribers, on bare sockets, are on the same machine.`
}
