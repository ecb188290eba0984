/** What one message, and what a day of metrics, costs: from the tables of `--remote` in docs/scaling.md. */
export interface Costs {
  /** Microseconds of CPU a message, of a worker, the broker and the database. */
  cpu: { worker: number, broker: number, database: number }
  /** Bytes of a metric in the database, with indexes. */
  bytesPerMetric: number
  /** Bytes a message that the database gives to the disk, its log and what it changes. */
  written: number
  /** Messages a second that one worker stores at full load. */
  workerRate: number
}

/** What is assumed where nothing was measured. */
export interface Assumptions {
  metricsPerMessage: number
  /** Seconds between two messages of an agent. */
  every: number
  /** The share of what a part can do that it is used for, so that it catches up after an outage. */
  load: number
  /** Connections of a node of the broker's cluster. */
  connections: number
  /** Metrics a second of one database server. */
  databaseRate: number
  /** Days of metrics that are kept; totals by hour and day are small beside them. */
  days: number
  /** US dollars a month: a core with its memory, and a gigabyte of disk that is kept twice. */
  price: { core: number, gigabyte: number }
}

export interface Needs {
  agents: number
  messagesPerSecond: number
  metricsPerSecond: number
  brokers: number
  workers: number
  databases: number
  cores: number
  gigabytes: number
  /** Bytes a second that the databases give to the disk, all together. */
  writtenPerSecond: number
  dollars: number
}

/** What so many agents need, by multiplication: every cost grows with the messages, and connections with the agents. */
export function needsOf (agents: number, { cpu, bytesPerMetric, written, workerRate }: Costs, assumed: Assumptions): Needs {
  const { metricsPerMessage, every, load, connections, databaseRate, days, price } = assumed
  const messagesPerSecond = agents / every
  const metricsPerSecond = messagesPerSecond * metricsPerMessage
  const cores = messagesPerSecond * (cpu.worker + cpu.broker + cpu.database) / 1e6 / load
  const gigabytes = metricsPerSecond * 86_400 * days * bytesPerMetric / 1e9
  return {
    agents,
    messagesPerSecond,
    metricsPerSecond,
    brokers: Math.ceil(agents / connections),
    workers: Math.ceil(messagesPerSecond / workerRate / load),
    databases: Math.ceil(metricsPerSecond / databaseRate / load),
    cores: Math.max(1, Math.ceil(cores)),
    gigabytes: Math.max(1, Math.ceil(gigabytes)),
    writtenPerSecond: messagesPerSecond * written,
    dollars: Math.max(1, Math.ceil(cores)) * price.core + Math.max(1, Math.ceil(gigabytes)) * price.gigabyte
  }
}

export function describeNeeds (needs: readonly Needs[]): string {
  const whole = (value: number): string => Math.ceil(value).toLocaleString('en-US')
  const rows: Array<[string, (need: Needs) => number]> = [
    ['messages/s', ({ messagesPerSecond }) => messagesPerSecond],
    ['metrics/s', ({ metricsPerSecond }) => metricsPerSecond],
    ['nodes of the broker', ({ brokers }) => brokers],
    ['workers', ({ workers }) => workers],
    ['database servers', ({ databases }) => databases],
    ['cores, all together', ({ cores }) => cores],
    ['MB/s to the disks of the databases', ({ writtenPerSecond }) => writtenPerSecond / 1e6],
    ['GB of metrics', ({ gigabytes }) => gigabytes],
    ['US dollars a month', ({ dollars }) => dollars]
  ]
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(['agents', ...needs.map(({ agents }) => whole(agents))]),
    line(['---', ...needs.map(() => '---:')]),
    ...rows.map(([name, of]) => line([name, ...needs.map(need => whole(of(need)))]))
  ].join('\n')
}

/**
 * One worker on Mosquitto, PostgreSQL, in the tables of docs/scaling.md; for each message the database needs
 * 5.9 times as much with 10,000 agents as with 20.
 */
export const measured: Costs = { cpu: { worker: 46, broker: 19, database: 24 * 5.9 }, bytesPerMetric: 133, written: 13_316, workerRate: 16_070 }
export const assumed: Assumptions = {
  metricsPerMessage: 5, every: 60, load: 0.5, connections: 250_000, databaseRate: 100_000, days: 30, price: { core: 25, gigabyte: 0.2 }
}
export const crowds = [10_000, 1_000_000, 100_000_000]
