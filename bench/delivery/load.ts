import { answer, fail } from './generator.ts'
import type { Version } from '../packets.ts'
import { percentiles, type Percentiles } from '../percentiles.ts'
import { openPublisher, type Publisher } from './publisher.ts'
import { openReceiver, type Receiver } from './receiver.ts'
import type { Shape } from './shapes.ts'

/**
 * Publishers and receivers of one shape, in a process of their own: `node load.ts '<LoadOrder as JSON>'`. It says `ready`
 * once all are connected, and answers each Phase with a PhaseReport.
 */

export interface LoadOrder { port: number, version: Version, shape: Shape }

export interface Phase {
  seconds: number
  /** Messages delivered a second in all; absent: as many as the windows let through. */
  rate?: number
}

export interface PhaseReport {
  /** Messages that arrived at a receiver; without receivers: that were acknowledged. */
  delivered: number
  /** Messages at QoS 0 that did not arrive. At QoS 1 there is no report then. */
  lost: number
  /** From the first publish to the last arrival. */
  seconds: number
  /** ms from publish to arrival; without receivers to PUBACK. At a rate only. */
  latency: Percentiles
  /** Seconds of user and system time of this process. */
  cpu: number
}

/**
 * ms for which this process does not even look at its sockets at full load, so that it reads many messages at once: a
 * broker that writes each by itself would keep it as busy as itself, and make it the bottleneck.
 */
const nap = 0.2
const never = new Int32Array(new SharedArrayBuffer(4))
/** Seconds that the last messages of a phase may take. */
const patience = 5
const { port, version, shape } = JSON.parse(process.argv[2] ?? '') as LoadOrder
const publishers: Publisher[] = []
const receivers: Receiver[] = []
let latencies: number[] | undefined
let publishing = false
let filling = false
let lastAt = 0

function arrived (time: number): void {
  latencies?.push(performance.now() - time)
}

/** One fill for all that one turn of the event loop read. */
function read (): void {
  lastAt = performance.now()
  if (!publishing || filling) return
  filling = true
  setImmediate(fill)
}

function fill (): void {
  filling = false
  if (!publishing) return
  const now = performance.now()
  for (const [index, publisher] of publishers.entries()) {
    const room = shape.window - Math.max(publisher.unacknowledged, publisher.sent - slowest(index))
    if (room > 0) publisher.send(room, now)
  }
  Atomics.wait(never, 0, 0, nap)
}

/** How many messages of a publisher every receiver has. */
function slowest (publisher: number): number {
  let least = Infinity
  for (const { next } of receivers) least = Math.min(least, next[publisher] ?? 0)
  return least
}

const count = (): number => (receivers.length > 0 ? receivers : publishers).reduce((sum, each) => sum + ('received' in each ? each.received : each.acknowledged), 0)
const lostSoFar = (): number => receivers.reduce((sum, { lost }) => sum + lost, 0)

async function run ({ seconds, rate }: Phase): Promise<PhaseReport> {
  const before = { delivered: count(), lost: lostSoFar() }
  const cpu = process.cpuUsage()
  const start = performance.now()
  if (rate === undefined) {
    publishing = true
    fill()
    await pause(seconds * 1000)
    publishing = false
  } else {
    latencies = []
    await steadily(rate / Math.max(1, receivers.length), seconds)
  }
  await settled()
  const { user, system } = process.cpuUsage(cpu)
  const latency = percentiles(latencies ?? [])
  latencies = undefined
  return { delivered: count() - before.delivered, lost: lostSoFar() - before.lost, seconds: (lastAt - start) / 1000, latency, cpu: (user + system) / 1e6 }
}

/** Send so many messages a second, by the publishers in turn, whatever the broker does. */
async function steadily (rate: number, seconds: number): Promise<void> {
  const start = performance.now()
  for (let issued = 0, now = start; now < start + seconds * 1000; now = performance.now()) {
    for (const due = (now - start) / 1000 * rate; issued < due; issued++) publishers[issued % publishers.length]?.send(1, performance.now())
    await pause(1)
  }
}

/** Wait until all that was sent is there. */
async function settled (): Promise<void> {
  const late = (): number => publishers.reduce((sum, { sent, unacknowledged }, index) =>
    sum + unacknowledged + receivers.reduce((missing, { next }) => missing + sent - (next[index] ?? 0), 0), 0)
  const deadline = performance.now() + patience * 1000
  while (late() > 0) {
    if (performance.now() > deadline) {
      if (shape.qos === 1) return fail(new Error(`${late()} messages were not delivered or not acknowledged within ${patience} s.`))
      for (const receiver of receivers) {
        for (const [index, { sent }] of publishers.entries()) {
          receiver.lost += sent - (receiver.next[index] ?? 0)
          receiver.next[index] = sent
        }
      }
      return
    }
    await pause(2)
  }
}

function pause (ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

for (let index = 0; index < shape.receivers; index++) receivers.push(await openReceiver(index, port, version, shape, arrived, read, fail))
for (let index = 0; index < shape.publishers; index++) {
  publishers.push(await openPublisher(index, port, version, shape, time => {
    if (shape.receivers === 0) arrived(time)
    read()
  }, fail))
}
process.on('message', (phase: Phase) => { run(phase).then(report => { answer({ report }) }, fail) })
process.on('disconnect', () => process.exit(0))
answer({ ready: true })
