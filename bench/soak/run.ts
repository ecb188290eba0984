import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { DeployType } from '../../test/helpers/node-red.ts'
import { percentiles, type Percentiles } from '../percentiles.ts'
import { checkLedgers, isDuring, missedBy, readConnected, readStored, Violations, type Missed, type Violation } from './audit.ts'
import { kinds, type KindName } from './kinds.ts'
import { megabytes, memoryOf, type MemoryReport } from './memory.ts'
import type { SoakPart } from './parts.ts'
import { between, randomOf } from './random.ts'
import { isFatal, startTarget, type Outage, type Target } from './target.ts'
import { timeOf } from './time.ts'
import { startWorker, type Worker } from './worker.ts'
import type { FloodReport, FloodsOrder, FloodsReport } from './workers/floods.ts'
import type { GuestsOrder, GuestsReport } from './workers/guests.ts'
import type { HonestOrder, HonestReport, Latency } from './workers/honest.ts'
import type { LargeOrder, LargeReport } from './workers/large.ts'
import type { LockerOrder, LockerReport } from './workers/locker.ts'
import type { PublishersOrder, PublishersReport } from './workers/publishers.ts'
import type { StormsOrder, StormsReport } from './workers/storms.ts'
import type { SubscriberReport, SubscribersOrder } from './workers/subscribers.ts'

export interface SoakOptions {
  seconds: number
  /** Messages a second of all honest publishers. */
  rate: number
  seed: number
  parts: readonly SoakPart[]
  /** For everything that is written; the caller removes it. */
  folder: string
  pace: SoakPace
  bounds: SoakBounds
  log (line: string): void
}

/** Seconds; pairs are least and most. */
export interface SoakPace {
  deploys: [number, number]
  lockEvery: number
  lock: [number, number]
  flood: number
  betweenFloods: number
  stormEvery: number
  storm: number
  largeEvery: number
  kills: number
}

/** What is too much. Latencies are of an honest client, in ms, times of outages left out; the machine's own lateness is taken off. */
export interface SoakBounds { pingP99: number, publishP99: number, editorP99: number, worst: number, rss: number, heapPerMinute: number }

export const soakPace: SoakPace = { deploys: [20, 40], lockEvery: 60, lock: [5, 15], flood: 5, betweenFloods: 3, stormEvery: 30, storm: 1.5, largeEvery: 10, kills: 5 }
export const soakBounds: SoakBounds = { pingP99: 250, publishP99: 500, editorP99: 1_500, worst: 8_000, rss: 1e9, heapPerMinute: 5e6 }

export interface SoakReport {
  seconds: number
  seed: number
  parts: readonly SoakPart[]
  sent: number
  acknowledged: number
  stored: number
  subscribers: Array<{ clientId: string, received: number, connections: number, missed: number }>
  latency: Record<'ping' | 'publish' | 'editor' | 'own', Percentiles & { count: number }>
  /** Of the ping, while each flood was under way. */
  underFlood: Array<{ name: string, sent: number, ping: Percentiles }>
  memory: MemoryReport
  guests?: GuestsReport
  storms?: StormsReport
  floods?: Omit<FloodsReport, 'floods'>
  large?: LargeReport
  locks?: LockerReport
  deploys: number
  outages: readonly Outage[]
  /** What happened when, to look for what went wrong at that time. */
  timeline: string[]
  counters: string[]
  errors: Array<[string, number]>
  violations: Violation[]
}

/** ms for what is open in the end: longer than agent-in's time limit. */
const patience = 60_000
const subscriberCount = 3

const deployTypes: Array<[DeployType, string]> = [
  ['full', 'comment'], ['nodes', 'metric-store'], ['flows', 'agent-out'], ['nodes', 'agent-in'], ['nodes', 'agent-out'],
  ['full', 'platziverse-broker'], ['nodes', 'platziverse-database'], ['flows', 'agent-in'], ['nodes', 'platziverse-broker']
]

/** Run it once. Broken promises are in the report; an error is the soak's own. */
export async function runSoak (options: SoakOptions): Promise<SoakReport> {
  const { folder, seed, seconds, pace, log } = options
  await mkdir(join(folder, 'node-red'), { recursive: true })
  const with_ = (part: SoakPart): boolean => options.parts.includes(part)
  const violations = new Violations()
  const workers: Array<Worker<unknown>> = []
  const start = <Report>(name: string, order: object): Worker<Report> => {
    const worker = startWorker<Report>(name, order)
    workers.push(worker)
    return worker
  }
  const target = await startTarget(folder)
  try {
    const { port, webSocketPort, editorPort } = target
    const ledgers = { publishers: join(folder, 'publishers.ledger'), storms: join(folder, 'storms.ledger') }
    const subscribers = start<SubscriberReport[]>('subscribers', { port, seed, count: subscriberCount } satisfies SubscribersOrder)
    // Whoever subscribes later is owed less.
    while ((await subscribers.ask()).some(({ connections }) => connections === 0)) await pause(50)
    await pause(200)

    const honest = start<HonestReport>('honest', { port, editor: target.editor } satisfies HonestOrder)
    const publishers = start<PublishersReport>('publishers', { port, seed, ledger: ledgers.publishers, patience, publishers: publishersFor(options.rate) } satisfies PublishersOrder)
    const guests = with_('guests') ? start<GuestsReport>('guests', { port, seed, count: 5 } satisfies GuestsOrder) : undefined
    const storms = with_('storms') ? start<StormsReport>('storms', { port, seed, ledger: ledgers.storms, patience, every: pace.stormEvery, length: pace.storm } satisfies StormsOrder) : undefined
    const floods = with_('floods') ? start<FloodsReport>('floods', { port, webSocketPort, editorPort, seed, length: pace.flood, between: pace.betweenFloods } satisfies FloodsOrder) : undefined
    const large = with_('large') ? start<LargeReport>('large', { port, seed, every: pace.largeEvery } satisfies LargeOrder) : undefined
    const locker = with_('lock') ? start<LockerReport>('locker', { database: target.database, seed, every: pace.lockEvery, least: pace.lock[0], most: pace.lock[1] } satisfies LockerOrder) : undefined

    await operate(options, target, workers, violations)

    log('ending: disturbers first, then publishers, then subscribers')
    const [guestsReport, stormsReport, floodsReport, largeReport, locks] = await Promise.all([guests, storms, floods, large, locker].map(worker => worker?.stop())) as
      [GuestsReport | undefined, StormsReport | undefined, FloodsReport | undefined, LargeReport | undefined, LockerReport | undefined]
    const [published, latencies] = await Promise.all([publishers.stop(), honest.stop()])
    const open = Object.values(published).reduce((sum, { open }) => sum + open, stormsReport?.open ?? 0)
    if (open > 0) violations.add('a message is acknowledged in the end', `${open} were not, ${patience / 1000} s after the last one was sent`, open)

    const counters = await target.counters()
    const absent = await untilAbsent(target.database)
    if (absent.length > 0) violations.add('an agent that left is disconnected', absent.slice(0, 5).join(', '), absent.length)
    const stored = await readStored(target.database)
    const ledger = await checkLedgers([ledgers.publishers, ...storms === undefined ? [] : [ledgers.storms]], stored, target.outages, violations)
    const heard = await heardInTheEnd(subscribers, report => missedBy(report, stored, ledger, target.outages))
    for (const [i, { clientId, forgotten }] of heard.reports.entries()) {
      const { count, examples } = heard.missed[i] ?? { count: 0, examples: [] }
      if (count > 0) violations.add('persistent subscribers receive what is stored', `${clientId}: ${count}, such as ${examples.join('; ')}`, count)
      for (const at of forgotten) if (!isDuring(target.outages, at, at)) violations.add('a session outlives its connection', `${clientId} at ${timeOf(at)}`)
    }
    await subscribers.stop()

    for (const exit of target.exits) violations.add('nothing that comes in ends the process', exit)
    const errors = [...target.errors()].sort((a, b) => b[1] - a[1])
    for (const [line, count] of errors) if (isFatal(line)) violations.add('no error is left to chance', line, count)
    if (floodsReport !== undefined) checkFloods(floodsReport, violations)
    const latency = latencyOf(latencies, target.outages)
    checkLatency(latency, options.bounds, violations)
    const memory = memoryOf(target.memory, target.outages)
    if (memory.rssMost > options.bounds.rss) violations.add('memory is bounded', `resident ${megabytes(memory.rssMost)} at most, ${megabytes(options.bounds.rss)} allowed`)
    if (memory.heapPerMinute > options.bounds.heapPerMinute && seconds >= 600) violations.add('memory is bounded', `the heap grew by ${megabytes(memory.heapPerMinute)} a minute`)

    return {
      seconds,
      seed,
      parts: options.parts,
      sent: Object.values(published).reduce((sum, { sent }) => sum + sent, stormsReport?.sent ?? 0),
      acknowledged: ledger.acknowledged,
      stored: [...stored.n.values()].reduce((sum, values) => sum + [...values.values()].reduce((a, b) => a + b, 0), 0),
      subscribers: heard.reports.map(({ clientId, received, connections }, i) => ({ clientId, received, connections, missed: heard.missed[i]?.count ?? 0 })),
      latency,
      underFlood: (floodsReport?.floods ?? []).filter(({ times }) => times.length > 0).map(flood => {
        const ping = latencies.ping.filter(({ at }) => isUnder(flood, at)).map(({ ms }) => ms)
        return { name: flood.name, sent: flood.sent, ping: percentiles(ping) }
      }),
      memory,
      ...guestsReport === undefined ? {} : { guests: guestsReport },
      ...stormsReport === undefined ? {} : { storms: stormsReport },
      ...floodsReport === undefined ? {} : { floods: { held: floodsReport.held, refused: floodsReport.refused, lockedOut: floodsReport.lockedOut } },
      ...largeReport === undefined ? {} : { large: largeReport },
      ...locks === undefined ? {} : { locks },
      deploys: target.deploys.length,
      outages: target.outages,
      timeline: timelineOf(target, locks, floodsReport, stormsReport),
      counters,
      errors,
      violations: violations.list
    }
  } finally {
    for (const worker of workers) worker.kill()
    await target.stop()
  }
}

/** Deploys and kills, one after another, until the time is over. */
async function operate ({ seconds, seed, pace, parts, log }: SoakOptions, target: Target, workers: Array<Worker<unknown>>, violations: Violations): Promise<void> {
  const random = randomOf(seed)
  const start = Date.now()
  const end = start + seconds * 1000
  const killEvery = parts.includes('kill') ? seconds * 1000 / (pace.kills + 1) : Infinity
  let nextKill = start + killEvery
  let kills = 0
  let nextDeploy = parts.includes('deploys') ? start + between(random, ...pace.deploys) * 1000 : Infinity
  let nextLine = start + 60_000
  while (Date.now() < end) {
    await pause(Math.min(500, Math.max(0, end - Date.now())))
    for (const worker of workers) worker.check()
    if (kills < pace.kills && Date.now() > nextKill) {
      nextKill += killEvery
      kills++
      await target.kill()
    }
    if (Date.now() > nextDeploy) {
      nextDeploy = Date.now() + between(random, ...pace.deploys) * 1000
      const [kind, type] = deployTypes[target.deploys.length % deployTypes.length] ?? ['full', 'comment']
      await target.deploy(kind, type).catch((error: Error) => { violations.add('a deploy succeeds', `${kind}, ${type}: ${error.message.slice(0, 300)}`) })
    }
    if (Date.now() > nextLine) {
      nextLine += 60_000
      log(`${Math.round((Date.now() - start) / 60_000)} min: ${target.deploys.length} deploys, ${target.exits.length} exits`)
    }
  }
}

/** Shares of the rate: many kinds, none of them alone. */
function publishersFor (rate: number): PublishersOrder['publishers'] {
  const shares: Record<Exclude<KindName, 'storm'>, number[]> = {
    qos0: [8], qos1: [12, 12], qos2: [8], bare1: [8], bare2: [8], moving1: [10, 10], moving2: [6, 6], repeating2: [5], pulses: [5], hasty: [1, 1]
  }
  return Object.entries(shares).flatMap(([kind, rates]) => rates.map((share, number) => ({ kind: kind as keyof typeof kinds, number, rate: rate * share / 100 })))
}

/** The agents that stay connected in the database although nobody is there any more; agents of a crash have their grace. */
async function untilAbsent (database: string): Promise<string[]> {
  for (const deadline = Date.now() + 75_000; ;) {
    const connected = await readConnected(database)
    if (connected.length === 0 || Date.now() > deadline) return connected
    await pause(1_000)
  }
}

/** Ask until they have received all, or nothing more comes. */
async function heardInTheEnd (subscribers: Worker<SubscriberReport[]>, missedOf: (report: SubscriberReport) => Missed): Promise<{ reports: SubscriberReport[], missed: Missed[] }> {
  let received = -1
  for (;;) {
    const reports = await subscribers.ask()
    const missed = reports.map(missedOf)
    const now = reports.reduce((sum, report) => sum + report.received, 0)
    if (missed.every(({ count }) => count === 0) || now === received) return { reports, missed }
    received = now
    await pause(3_000)
  }
}

function timelineOf (target: Target, locks: LockerReport = [], floods?: FloodsReport, storms?: StormsReport): string[] {
  const events: Array<{ from: number, to: number, what: string }> = [
    ...target.deploys,
    ...target.outages.map(({ from, to, why }) => ({ from, to, what: `Node-RED ${why}` })),
    ...locks.map(lock => ({ ...lock, what: 'database locked' })),
    ...(floods?.floods ?? []).flatMap(({ name, times }) => times.map(time => ({ ...time, what: `flood of ${name}` }))),
    ...(storms?.times ?? []).map(time => ({ ...time, what: 'storm' }))
  ]
  return events.sort((a, b) => a.from - b.from).map(({ from, to, what }) => `${timeOf(from)}–${Number.isFinite(to) ? timeOf(to) : ''} ${what}`)
}

function isUnder ({ times }: FloodReport, at: number): boolean {
  return times.some(({ from, to }) => at >= from && at <= to)
}

function checkFloods ({ held, refused, lockedOut }: FloodsReport, violations: Violations): void {
  if (held > 0) violations.add('a refused upgrade is closed', `${held} of ${refused} sockets were open after 16 s`, held)
  for (const name of lockedOut) violations.add('a flood locks no address out for good', name)
}

function latencyOf (latencies: HonestReport, outages: readonly Outage[]): SoakReport['latency'] {
  const of = (values: Latency[]): Percentiles & { count: number } => {
    const counted = values.filter(({ at, ms }) => !isDuring(outages, at, at + ms)).map(({ ms }) => ms)
    return { ...percentiles(counted), count: counted.length }
  }
  return { ping: of(latencies.ping), publish: of(latencies.publish), editor: of(latencies.editor), own: of(latencies.own) }
}

function checkLatency (latency: SoakReport['latency'], bounds: SoakBounds, violations: Violations): void {
  for (const [what, most] of [['ping', bounds.pingP99], ['publish', bounds.publishP99], ['editor', bounds.editorP99]] as const) {
    const { p99, max } = latency[what]
    const machine = latency.own.p99
    if (p99 - machine > most) violations.add('an honest client does not wait', `${what}: p99 ${Math.round(p99)} ms, of which ${Math.round(machine)} ms are the machine's; ${most} ms allowed`)
    if (max - latency.own.max > bounds.worst) violations.add('an honest client does not wait', `${what}: ${Math.round(max)} ms at worst, ${bounds.worst} ms allowed`)
  }
}
