import type { Machine } from '../machine.ts'
import type { Options } from '../options.ts'
import { describeMachineLine, whole } from '../table.ts'
import type { Axis, AxisResult } from './axes.ts'

const names: Record<Axis, (value: number, bytes: number) => string> = {
  agents: value => `${whole(value)} agents`,
  metrics: (value, bytes) => `${whole(value)} metric${value === 1 ? '' : 's'} a message, ${whole(bytes)} bytes`,
  payload: (_, bytes) => `${whole(bytes)} bytes a message, of which the store reads the usual part`,
  window: value => `${whole(value)} messages in flight`,
  workers: value => `${whole(value)} workers`
}

/** The results as Markdown, for docs/scaling.md. */
export function describeAxes (results: AxisResult[], machine: Machine, { runs, seconds }: Options, date: string): string {
  return [
    '| | messages/s | metrics/s | CPU µs/message: workers, Mosquitto, PostgreSQL | bytes written/message | syncs/s | messages a sync |\n|---|---:|---:|---:|---:|---:|---:|',
    ...results.map(({ axis, point, bytes, figures: { messagesPerSecond, cpu, written, syncsPerSecond } }) => {
      const name = axis === undefined
        ? `${names.agents(point.agents, bytes)}, ${names.metrics(point.metrics, bytes)}, ${names.window(point.window, bytes)}, ${point.workers} worker`
        : names[axis](point[axis], bytes)
      const costs = [cpu.workers, cpu.broker, cpu.database].map(whole).join(', ')
      return `| ${[name, whole(messagesPerSecond), whole(messagesPerSecond * point.metrics), costs, whole(written), whole(syncsPerSecond), whole(messagesPerSecond / syncsPerSecond)].join(' | ')} |`
    }),
    '',
    `${describeMachineLine(machine, date)}. Medians of ${runs} interleaved runs of ${seconds} s of full load.`
  ].join('\n')
}
