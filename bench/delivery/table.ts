import type { Machine } from '../machine.ts'
import { median } from '../percentiles.ts'
import { describeMachineLine, milliseconds, optional, whole } from '../table.ts'
import { mosquittoVersion } from './contestants/mosquitto.ts'
import type { DeliveryFigures } from './measure.ts'
import { idleConnections, type DeliveryOptions, type DeliveryResults } from './run.ts'

/** What is asked for: this package beside bare aedes, by shape, and MQTT 5 beside 3.1.1. */
const aims = { delivery: 1.3, ingest: 0.95, version5: 0.9, idleBytes: 20_000 }

type Measure = 'deliveredPerSecond' | 'cpuPerDelivery'
const ratioColumns: Array<[of: string, to: string, head: string, measure: Measure]> = [
  ['p', 'e', 'p/e (bare aedes)', 'deliveredPerSecond'],
  ['p', 'm', 'p/m (Mosquitto)', 'deliveredPerSecond'],
  ['n', 'e', 'n/e (in Node-RED)', 'deliveredPerSecond'],
  ['e', 'p', 'CPU a message, e/p', 'cpuPerDelivery'],
  ['p5', 'p', `p5/p (MQTT 5 beside 3.1.1, aim ${aims.version5} ×)`, 'deliveredPerSecond'],
  ['n5', 'n', `n5/n (in Node-RED, aim ${aims.version5} ×)`, 'deliveredPerSecond'],
  ['p', 'p5', 'CPU a message, p/p5', 'cpuPerDelivery'],
  ['n', 'n5', 'CPU a message, n/n5', 'cpuPerDelivery'],
  ['p5', 'm5', 'p5/m5 (Mosquitto, MQTT 5)', 'deliveredPerSecond'],
  ['m5', 'm', 'm5/m (Mosquitto)', 'deliveredPerSecond']
]

/** The results as Markdown, ratios first, fit for docs/performance.md. */
export function describeDelivery (results: DeliveryResults, machine: Machine, options: DeliveryOptions, date: string): string {
  return [ratios(results), figures(results), idle(results), footer(results, machine, options, date)].filter(Boolean).join('\n\n')
}

/** How this package stands beside the others, more than 1 being better; empty where one of the two did not run. */
function ratios ({ shapes, brokers }: DeliveryResults): string {
  const ids: string[] = brokers.map(({ id }) => id)
  const there = ratioColumns.filter(([of, to]) => ids.includes(of) && ids.includes(to))
  if (there.length === 0 || shapes.length === 0) return ''
  const withAim = there.some(([of, to]) => of === 'p' && to === 'e')
  return table([
    ['messages/s', ...there.map(([, , head]) => head), ...withAim ? ['aim for p/e'] : []],
    ...shapes.map(({ shape, runs }) => [
      shape.name,
      ...there.map(([of, to, , measure]) => `${ratio(runs[of], runs[to], measure).toFixed(2)} ×`),
      ...withAim ? [`${shape.receivers === 0 ? aims.ingest : aims.delivery} ×`] : []
    ])
  ])
}

/** The median of the rounds' ratios: what else the machine does differs less within a round. */
function ratio (of: DeliveryFigures[] = [], to: DeliveryFigures[] = [], measure: Measure): number {
  return median(of.map((figures, round) => figures[measure] / (to[round]?.[measure] ?? NaN)))
}

const questions: Array<[head: string, cell: (figures: DeliveryFigures) => string]> = [
  ['messages/s', figures => whole(figures.deliveredPerSecond)],
  ['CPU µs/message', figures => figures.cpuPerDelivery.toFixed(1)],
  ['ms at the steady rate p50/p99', ({ latency }) => `${milliseconds(latency.p50)} / ${milliseconds(latency.p99)}`],
  ['lost at QoS 0', figures => whole(figures.lost)],
  ['broker busy', figures => `${whole(figures.brokerBusy * 100)} %`],
  ['generator busy', figures => `${whole(figures.generatorBusy * 100)} %`],
  ['cores busy with something else', figures => figures.elsewhere.toFixed(1)]
]

function figures ({ shapes, brokers }: DeliveryResults): string {
  if (shapes.length === 0) return ''
  return table([
    ['', '', ...brokers.map(({ id, name }) => `(${id}) ${name}`)],
    ...shapes.flatMap(({ shape, medians }) => questions.map(([head, cell], i) =>
      [i === 0 ? shape.name : '', head, ...brokers.map(({ id }) => optional(medians[id], cell))]))
  ])
}

function idle ({ idle, brokers }: DeliveryResults): string {
  if (idle === undefined) return ''
  return table([
    ['memory', ...brokers.map(({ id, name }) => `(${id}) ${name}`), 'aim'],
    [`kB for each of ${whole(idleConnections)} idle connections`, ...brokers.map(({ id }) => ((idle.medians[id] ?? NaN) / 1000).toFixed(1)), `≤ ${aims.idleBytes / 1000}`]
  ])
}

function footer ({ brokers }: DeliveryResults, machine: Machine, { runs, seconds, steadyRate, nodeFlags }: DeliveryOptions, date: string): string {
  const mosquitto = brokers.some(({ id }) => id === 'm') ? `, Mosquitto ${mosquittoVersion()}` : ''
  return `${describeMachineLine(machine, date)}${mosquitto}. ` +
    `Medians (of the ratios too) of ${runs} interleaved run${runs === 1 ? '' : 's'}: ${seconds / 2} s to warm up, ${seconds} s of full load, ${seconds / 2} s at ${whole(steadyRate)} deliveries/s; ` +
    '300 bytes of payload, raw sockets, the generator on the same machine; ' +
    `Node.js ${nodeFlags.length === 0 ? 'as it comes' : `started with ${nodeFlags.join(' ')}, as by npm start`}. ` +
    'Messages count when a receiver has them (without receivers: when they are acknowledged), and CPU is the broker\'s for each of these.'
}

/** The first column on the left, the others on the right. */
function table ([head = [], ...rows]: string[][]): string {
  return [head, head.map((_, i) => i === 0 ? '---' : '---:'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
