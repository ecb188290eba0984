import { describeMachineLine, latency } from '../table.ts'
import type { Machine } from '../machine.ts'
import type { Options } from '../options.ts'
import type { RemoteResult } from './run.ts'

/** The results as Markdown, ratios first. */
export function describeRemote (results: RemoteResult[], machine: Machine, { runs, seconds, steadyRate }: Options, date: string): string {
  const rate = (id: string): number | undefined => results.find(({ deployment }) => deployment.id === id)?.figures.messagesPerSecond
  const ratios = ([['ms', 'es', 'a worker on Mosquitto beside the embedded broker, SQLite (aim: 0.5)'], ['mq', 'es', '… without agent-out: the embedded broker knows that nobody subscribed, and gets nothing from it'], ['mp', 'ep', '… PostgreSQL'], ['mp2', 'mp', 'two workers beside one (aim: 1.6, or the machine is the limit)']] as const)
    .flatMap(([one, other, name]) => {
      const [of, to] = [rate(one), rate(other)]
      return of === undefined || to === undefined ? [] : [`| ${(of / to).toFixed(2)} × | ${name} |`]
    })
  return [
    ...ratios.length > 0 ? ['| stored messages/s | |\n|---:|---|', ...ratios, ''] : [],
    '| | messages/s | metrics/s | CPU µs/message: workers, broker, database | cores busy, of the machine | bytes/metric on disk | PUBACK ms at the steady rate p50/p95/p99 |\n|---|---:|---:|---:|---:|---:|---:|',
    ...results.map(({ deployment, figures: { messagesPerSecond, cores, cpu, bytesPerMetric, steady } }) => {
      const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
      return `| ${deployment.title} | ${whole(messagesPerSecond)} | ${whole(messagesPerSecond * 5)} | ${[cpu.worker, cpu.broker, cpu.database].map(whole).join(', ')} | ${cores.toFixed(2)} | ${whole(bytesPerMetric)} | ${steady === undefined ? '–' : latency(steady)} |`
    }),
    '',
    `${describeMachineLine(machine, date)}. Medians of ${runs} interleaved runs of ${seconds} s of full load, and of ${seconds} s at ${steadyRate} messages/s.`
  ].join('\n')
}
