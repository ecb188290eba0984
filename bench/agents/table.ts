import type { Machine } from '../machine.ts'
import type { Options } from '../options.ts'
import { describeMachineLine, whole } from '../table.ts'
import { rare, windowOf, type CrewResult } from './run.ts'

/** The results as Markdown, ratios first, fit for docs/performance.md. */
export function describeAgents (results: CrewResult[], machine: Machine, options: Options, date: string): string {
  const [first] = results
  const storing = ({ stored, plain }: CrewResult): number => stored.cpuPerMessage - (plain?.cpuPerMessage ?? NaN)
  const against = (value: (result: CrewResult) => number): Cell => result => result === first || first === undefined || result.crew === 'rare' ? '' : `${(value(result) / value(first)).toFixed(2)} ×`
  const rows: Array<[head: string, cell: Cell]> = [
    ['', ({ crew }) => crew === 'rare' ? `${rare.agents}, rarely` : `${whole(crew)} agents`],
    ['unacknowledged, each', ({ crew }) => crew === 'rare' ? '–' : whole(windowOf(crew))],
    ['stored messages/s, beside the first', against(({ stored }) => stored.messagesPerSecond)],
    ['CPU of storing, beside the first', against(storing)],
    ['messages/s, the last quarter beside the first', ({ crew, stored }) => crew === 'rare' ? '–' : `${stored.lastToFirst.toFixed(2)} ×`],
    ['stored messages/s', ({ stored }) => whole(stored.messagesPerSecond)],
    ['bytes written a metric', ({ stored }) => whole(stored.writtenPerMetric)],
    ['… until the process ended', ({ stored }) => whole(stored.writtenInAll)],
    ['GB written a day', ({ crew, stored }) => crew === 'rare' ? (stored.writtenInAll * rare.rate * rare.metrics * 86_400 / 1e9).toFixed(2) : '–'],
    ['CPU µs a message', ({ crew, stored }) => crew === 'rare' ? '–' : stored.cpuPerMessage.toFixed(1)],
    ['… of the database server', ({ crew, stored }) => crew === 'rare' || stored.serverCpuPerMessage === undefined ? '–' : stored.serverCpuPerMessage.toFixed(1)],
    ['a plain topic, nothing stored: messages/s', ({ plain }) => plain === undefined ? '–' : whole(plain.messagesPerSecond)],
    ['… CPU µs a message', ({ plain }) => plain === undefined ? '–' : plain.cpuPerMessage.toFixed(1)],
    ['CPU µs of storing a message: the difference', result => result.plain === undefined ? '–' : storing(result).toFixed(1)],
    ['rows', ({ stored }) => whole(stored.rows)],
    ['MB of the file', ({ stored }) => (stored.fileSize / 1e6).toFixed(1)],
    ['bytes of the file a metric', ({ stored }) => whole(stored.fileSize / stored.rows)]
  ]
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  const table = rows.flatMap(([head, cell], i) => [line([head, ...results.map(cell)]), ...i === 0 ? [line(['---', ...results.map(() => '---:')])] : []]).join('\n')
  return `${table}\n\n${describeMachineLine(machine, date)}, fdatasync ${machine.fsync.toFixed(2)} ms. ` +
    `Medians of ${options.runs} interleaved run${options.runs === 1 ? '' : 's'}: 3 s to warm up and one more for 500 agents, ${options.seconds} s of full load; five metrics a message, QoS 1; ` +
    `rarely: ${rare.rate} messages/s of ${rare.metrics} metrics for ${rare.seconds} s. The generator is on the same machine. Bytes written are \`write_bytes\` in /proc/<pid>/io${results.some(({ stored }) => stored.serverCpuPerMessage !== undefined) ? ' of the database server' : ''}.`
}

type Cell = (result: CrewResult) => string
