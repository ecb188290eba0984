import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { FaultName } from './faults.ts'
import type { Stroke } from './plan.ts'
import { between, randomOf, shuffled, type Random } from './random.ts'
import type { Outage, Worker } from './worker.ts'
import type { World } from './world.ts'

/** A fault that happened, ms since 1970. `over`: from then on nothing was in the way of getting well. */
export interface Harm { fault: FaultName, which: number, from: number, over: number }

interface Scene {
  world: World
  worker: Worker
  seconds: number
  random: Random
  /** Say that what is in the way is gone, though the work of the fault goes on. */
  over (): void
}

const minute = 60_000
/** ms in which whoever sends is cut off. */
const cutFor = 300
/** Nodes whose change restarts more or less. */
const changed = ['comment', 'metric-store', 'agent-out', 'agent-in', 'platziverse-broker', 'platziverse-database']

const doers: Record<FaultName, (scene: Scene) => Promise<unknown>> = {
  'worker-kill': async ({ worker, seconds, random, over }) => {
    const again = random() < 0.5
    if (!again) over()
    await worker.kill()
    if (again) {
      await pause(seconds * 1000)
      over()
      await worker.kill()
    }
    await worker.untilRunning()
  },
  'worker-freeze': async ({ worker, seconds }) => {
    await worker.freeze()
    await pause(seconds * 1000)
    worker.thaw()
  },
  'clock-step': async ({ worker, seconds, random }) => {
    await worker.setClock(Math.round(between(random, minute, 12 * 60 * minute)) * (random() < 0.5 ? -1 : 1))
    await pause(seconds * 1000)
    await worker.setClock(0)
  },
  'deploy-full': scene => deploy(scene, 'full'),
  'deploy-flows': scene => deploy(scene, 'flows'),
  'deploy-nodes': scene => deploy(scene, 'nodes'),
  'deploy-restart': scene => deploy(scene, 'reload'),
  'listener-gone': async ({ world, worker, seconds, over }) => {
    await worker.deploy('nodes', 'platziverse-broker', { listeners: world.broker.listeners(false) })
    await pause(seconds * 1000)
    over()
    await worker.deploy('nodes', 'platziverse-broker', { listeners: world.broker.listeners(true) })
  },
  // Mosquitto and NATS lose messages that they acknowledged when they are killed, and NATS when it is stopped, too: nobody behind them can have those.
  'broker-stop': scene => restartBroker(scene, 'stop'),
  'broker-kill': scene => restartBroker(scene, 'kill'),
  'broker-freeze': async ({ world: { broker: { server } }, seconds }) => {
    server?.freeze()
    await pause(seconds * 1000)
    server?.thaw()
  },
  'database-kill': async ({ world: { database: { server } }, seconds }) => {
    await server?.kill()
    await pause(seconds * 1000)
    await server?.start()
  },
  'database-freeze': async ({ world: { database: { server } }, seconds }) => {
    server?.freeze()
    await pause(seconds * 1000)
    server?.thaw()
  },
  'database-lock': ({ world: { database }, seconds }) => database.lock(seconds),
  'disk-full': async ({ world: { disk, database: { server } }, seconds }) => {
    await disk?.fill()
    await pause(seconds * 1000)
    disk?.free()
    // A server that cannot write its log ends.
    if (server?.isRunning() === false) await server.start()
  },
  'cut': async ({ world: { network }, random }) => {
    const fromClients = random() < 0.7
    const cut = (bytes: Buffer, receiver: Socket, client: Socket): void => {
      receiver.end(bytes.subarray(0, Math.floor(random() * bytes.length)))
      if (random() < 0.5) client.destroy()
      else client.resetAndDestroy()
    }
    if (fromClients) network.request = cut
    else network.answer = (bytes, client) => { cut(bytes, client, client) }
    await pause(cutFor)
    network.request = network.answer = undefined
  }
}

async function restartBroker ({ world: { broker: { server }, outages }, seconds, over }: Scene, how: 'stop' | 'kill'): Promise<void> {
  const outage: Outage = { from: Date.now(), to: Infinity, why: 'the broker was stopped', ofBroker: true }
  outages.push(outage)
  await server?.[how]()
  await pause(seconds * 1000)
  over()
  await server?.start()
  outage.to = Date.now()
}

async function deploy ({ worker, random, over }: Scene, kind: Parameters<Worker['deploy']>[0]): Promise<void> {
  over()
  await worker.deploy(kind, shuffled(random, changed)[0] ?? 'comment')
}

/** Make a fault happen; resolves when the next one may befall the same thing. */
export async function inflict (world: World, { fault, which, lasts, seed }: Stroke, harms: Harm[]): Promise<void> {
  const worker = world.workers[which] ?? world.workers[0]
  if (worker === undefined) throw new Error('This deployment has no Node-RED.')
  const harm: Harm = { fault, which, from: Date.now(), over: Infinity }
  harms.push(harm)
  const over = (): void => { harm.over = Math.min(harm.over, Date.now()) }
  try {
    await doers[fault]({ world, worker, seconds: lasts, random: randomOf(seed), over })
  } finally {
    over()
  }
}
