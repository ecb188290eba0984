import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import { startActor, type Actor } from './actor.ts'
import type { FloodsOrder, FloodsReport } from './actors/floods.ts'
import type { GuestsOrder, GuestsReport } from './actors/guests.ts'
import type { HonestOrder, HonestReport } from './actors/honest.ts'
import type { LargeOrder, LargeReport } from './actors/large.ts'
import type { PublishersOrder, PublishersReport } from './actors/publishers.ts'
import type { StormsOrder, StormsReport } from './actors/storms.ts'
import type { SubscriberReport, SubscribersOrder } from './actors/subscribers.ts'
import { checkLedgers, isDuring, missedBy, readStored, Violations, type Missed } from './audit.ts'
import type { Deployment } from './deployments.ts'
import { watchDrops } from './drops.ts'
import { errorsIn } from './errors.ts'
import type { FaultName } from './faults.ts'
import { judgeFloods, judgeLatency, judgeMemory, judgeRecoveries, latencyOf, timelineOf, underFloods, type Bounds } from './judge.ts'
import { kinds, type Kind, type KindName } from './kinds.ts'
import { operate } from './operate.ts'
import type { Part } from './parts.ts'
import type { Stroke } from './plan.ts'
import { checkGoodbyes, lastingAgents, untilAbsent, untilThere } from './presence.ts'
import type { ChaosReport } from './report.ts'
import { timeOf } from './time.ts'
import { recoveriesFrom } from './well.ts'
import { grace, startWorld, type World } from './world.ts'

export interface ChaosOptions {
  deployment: Deployment
  seconds: number
  /** Messages a second of all honest publishers. */
  rate: number
  seed: number
  parts: readonly Part[]
  plan: readonly Stroke[]
  /** For everything that is written; the caller removes it. */
  folder: string
  pace: PartsPace
  bounds: Bounds
  /** What the nodes of the flow save differently, by their types. */
  changes?: Record<string, Record<string, unknown>>
  log (line: string): void
}

/** Seconds. */
export interface PartsPace { flood: number, betweenFloods: number, stormEvery: number, storm: number, largeEvery: number }

export const usualPartsPace: PartsPace = { flood: 5, betweenFloods: 3, stormEvery: 30, storm: 1.5, largeEvery: 10 }

/** ms for what is open in the end: longer than agent-in's time limit. */
const patience = 60_000
const subscriberCount = 3
/** ms that what another broker acknowledged may be on its way into the database, and from there to a subscriber: the database may be away. */
const longestWay = 30_000

/** Run it once. Broken promises are in the report; an error is the chaos' own. */
export async function runChaos (options: ChaosOptions): Promise<ChaosReport> {
  const { deployment, folder, seed, seconds, pace, parts, bounds, log } = options
  const violations = new Violations()
  const actors: Array<Actor<unknown>> = []
  const start = <Report>(name: string, order: object): Actor<Report> => {
    const actor = startActor<Report>(name, order)
    actors.push(actor)
    return actor
  }
  const startPart = <Report>(part: Part, order: object): Actor<Report> | undefined => parts.includes(part) ? start<Report>(part, order) : undefined
  const world = await startWorld(deployment, { folder, disk: options.plan.some(({ fault }) => fault === 'disk-full'), ...options.changes === undefined ? {} : { changes: options.changes } })
  const drops = watchDrops(world.workers)
  try {
    const { broker: { ports, storedTopic, topics }, workers, outages } = world
    const isEmbedded = deployment.broker === 'embedded'
    const announces = deployment.presence === 'wills'
    const honestOnes = publishersFor(options.rate, world)
    const lasting = lastingAgents(honestOnes)
    // Where this process may not mount one there is none.
    const plan = options.plan.filter(({ fault }) => fault !== 'disk-full' || world.disk !== undefined)
    if (plan.length < options.plan.length) log('disk-full is left out: this process may not mount a tmpfs.')
    const port = ports.first
    const editor = workers[0]?.editor ?? ''
    const ledgers = { publishers: join(folder, 'publishers.ledger'), storms: join(folder, 'storms.ledger') }
    const subscribers = start<SubscriberReport[]>('subscribers', { port, topic: storedTopic, seed, count: subscriberCount } satisfies SubscribersOrder)
    // Whoever subscribes later is owed less.
    while ((await subscribers.ask()).some(({ connections }) => connections === 0)) await pause(50)
    await pause(200)

    const honest = start<HonestReport>('honest', { port, editor } satisfies HonestOrder)
    const publishers = start<PublishersReport>('publishers', { seed, ledger: ledgers.publishers, patience, announces, publishers: honestOnes } satisfies PublishersOrder)
    const guests = startPart<GuestsReport>('guests', { port, seed, count: 5 } satisfies GuestsOrder)
    const storms = startPart<StormsReport>('storms', { port, topics, seed, ledger: ledgers.storms, patience, announces, every: pace.stormEvery, length: pace.storm } satisfies StormsOrder)
    const floods = startPart<FloodsReport>('floods', { port, webSocketPort: ports.webSocket, editorPort: Number(new URL(editor).port), seed, length: pace.flood, between: pace.betweenFloods } satisfies FloodsOrder)
    const large = startPart<LargeReport>('large', { port, seed, every: pace.largeEvery } satisfies LargeOrder)

    const failed = ({ fault }: Stroke, error: Error): void => {
      violations.add(fault.startsWith('deploy') || fault === 'listener-gone' ? 'a deploy succeeds' : 'what was harmed starts again', `${fault}: ${error.message.slice(0, 300)}`)
    }
    const harms = await operate(world, { plan, seconds, actors, failed, log })

    log('ending: disturbers first, then publishers, then subscribers')
    const [guestsReport, stormsReport, floodsReport, largeReport] = await Promise.all([guests?.stop(), storms?.stop(), floods?.stop(), large?.stop()])
    const db = await world.database.connect()
    try {
      const absent = await untilThere(db, lasting, (grace + 15) * 1000)
      if (absent.length > 0) violations.add('an agent that is there is connected', absent.slice(0, 5).join(', '), absent.length)
      const [published, latencies] = await Promise.all([publishers.stop(), honest.stop()])
      const open = Object.values(published).reduce((sum, { open }) => sum + open, stormsReport?.open ?? 0)
      if (open > 0) violations.add('a message is acknowledged in the end', `${open} were not, ${patience / 1000} s after the last one was sent`, open)

      const counters = (await Promise.all(workers.map(worker => worker.counters()))).flat()
      const present = await untilAbsent(db, deployment, lasting, (grace + 15) * 1000)
      if (present.length > 0) violations.add('an agent that left is disconnected', present.slice(0, 5).join(', '), present.length)
      await untilQuiet(db, isEmbedded ? 1_000 : 15_000)
      const stored = await readStored(db)
      // A broker of its own keeps what comes while a worker is away; what a worker had stored and not yet published goes when it is killed.
      const kills = outages.filter(({ ofBroker }) => ofBroker !== true).map(outage => ({ ...outage, to: outage.from }))
      const way = isEmbedded ? { outages, after: 0 } : { outages: kills, after: longestWay }
      const ledger = await checkLedgers([ledgers.publishers, ...storms === undefined ? [] : [ledgers.storms]], stored, outages, violations, way)
      const heard = await heardInTheEnd(subscribers, report => missedBy(report, stored, ledger, outages))
      const isMissed = heard.missed.reduce((sum, { count }) => sum + count, 0) > drops.count
      const [steady] = heard.reports
      if (steady !== undefined) checkGoodbyes(steady, lasting, violations)
      for (const [i, { clientId, forgotten }] of heard.reports.entries()) {
        const { count, examples } = heard.missed[i] ?? { count: 0, examples: [] }
        if (count > 0 && isMissed) violations.add('persistent subscribers receive what is stored', `${clientId}: ${count}, such as ${examples.join('; ')}`, count)
        for (const at of forgotten) if (!isDuring(outages, at, at)) violations.add('a session outlives its connection', `${clientId} at ${timeOf(at)}`)
      }
      await subscribers.stop()

      const errors = errorsIn(workers.map(worker => worker.log()).join('\n'))
      for (const exit of workers.flatMap(({ exits }) => exits)) violations.add('nothing that comes in ends the process', exit)
      for (const [line, count] of errors.fatal) violations.add('no error is left to chance', line, count)
      if (floodsReport !== undefined) judgeFloods(floodsReport, violations)
      const latency = latencyOf(latencies, outages, harms)
      judgeLatency(latency, bounds, violations)
      const memory = workers.map(worker => worker.memory())
      judgeMemory(memory, bounds, violations)
      const recoveries = await recoveriesFrom(ledgers.publishers, harms)
      judgeRecoveries(recoveries, bounds, violations)

      return {
        deployment,
        seconds,
        seed,
        sent: Object.values(published).reduce((sum, { sent }) => sum + sent, stormsReport?.sent ?? 0),
        acknowledged: ledger.acknowledged,
        stored: [...stored.n.values()].reduce((sum, values) => sum + [...values.values()].reduce((a, b) => a + b, 0), 0),
        lost: ledger.lost,
        doubled: ledger.doubled,
        whole: ledger.whole.size,
        dropped: drops.count,
        subscribers: heard.reports.map(({ clientId, received, connections }, i) => ({ clientId, received, connections, missed: heard.missed[i]?.count ?? 0 })),
        faults: counted(harms.map(({ fault }) => fault)),
        recoveries,
        latency,
        underFlood: underFloods(floodsReport?.floods ?? [], latencies.ping),
        memory,
        parts: {
          guests: guestsReport,
          storms: stormsReport,
          floods: floodsReport && { held: floodsReport.held, refused: floodsReport.refused, lockedOut: floodsReport.lockedOut },
          large: largeReport
        },
        timeline: timelineOf(outages, harms, floodsReport?.floods ?? [], stormsReport),
        counters,
        errors,
        violations: violations.list
      }
    } finally {
      await db.destroy()
    }
  } finally {
    drops.stop()
    for (const actor of actors) actor.kill()
    await world.stop()
  }
}

/**
 * Shares of the rate: many kinds, none of them alone. The first of a kind sends to the first listener, the second through the network that
 * cuts, and the third to the listener that comes and goes.
 */
function publishersFor (rate: number, { broker: { ports, topics, server, hasQos2, readsToTheEnd }, network }: World): PublishersOrder['publishers'] {
  const shares: Record<Exclude<KindName, 'storm'>, number[]> = {
    qos0: [8], qos1: [8, 8, 8], qos2: [4, 4], bare1: [4, 4], bare2: [4, 4], moving1: [10, 10], moving2: [6, 6], repeating2: [5], pulses: [5], hasty: [2]
  }
  const places = [ports.first, network.port, ports.second]
  return (Object.keys(shares) as Array<keyof typeof shares>)
    // Another broker may give a message to several workers, and only a timestamp tells them that it is the same.
    .filter(kind => server === undefined || kinds[kind].timestamp)
    .filter(kind => hasQos2 || kinds[kind].qos < 2)
    .filter(kind => readsToTheEnd || (kinds[kind] as Kind).hasty !== true)
    .flatMap(kind => shares[kind].map((share, number) => {
      return { kind, number, rate: rate * share / 100, port: places[number] ?? ports.first, topic: topics[number % topics.length] ?? '' }
    }))
}

/**
 * What a spool or another broker acknowledged may still be on its way.
 * @param quiet ms without a new row
 */
async function untilQuiet (db: Knex, quiet: number): Promise<void> {
  for (let last = NaN; ;) {
    const rows = Number((await db('metrics').count({ n: '*' }).first())?.n)
    if (rows === last) return
    last = rows
    await pause(quiet)
  }
}

/** Ask until they have received all, or nothing more comes. */
async function heardInTheEnd (subscribers: Actor<SubscriberReport[]>, missedOf: (report: SubscriberReport) => Missed): Promise<{ reports: SubscriberReport[], missed: Missed[] }> {
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

function counted (names: FaultName[]): Map<FaultName, number> {
  const counts = new Map<FaultName, number>()
  for (const name of names.sort()) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}
