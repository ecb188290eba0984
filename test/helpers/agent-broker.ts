import { EventEmitter, once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Aedes, type AedesOptions } from 'aedes'
import { Agent, type AgentOptions, type PlatziverseError } from '../../lib/agent/agent.ts'

export interface Arrival {
  connection: number
  topic: string
  payload: Record<string, unknown> & { agent: { uuid: string }, timestamp?: number, seq?: number, metrics?: { type: string, value: unknown }[] }
}

export interface TestBroker {
  url: string
  port: number
  /** What arrived and was neither ours nor $SYS, wills too, acknowledged or not. */
  arrivals: Arrival[]
  /** Decides what to do with a publish: acknowledge (undefined), refuse (an error) or hold (a promise). */
  settle: (arrival: Arrival) => undefined | Error | Promise<undefined | Error>
  /** Resolves when `count` messages of `topic` have arrived. */
  arrived (topic: string, count?: number): Promise<Arrival[]>
  /** Destroy every socket, as a power cut does. */
  cut (): void
  stop (): Promise<void>
}

/** A real aedes on a real socket; closed after the test. */
export async function startBroker (t: TestContext, options: AedesOptions = {}, port = 0): Promise<TestBroker> {
  const events = new EventEmitter()
  const sockets = new Set<Socket>()
  const connections = new Map<unknown, number>()
  const aedes = await Aedes.createBroker({
    ...options,
    authorizePublish (client, packet, callback) {
      if (!connections.has(client)) connections.set(client, connections.size)
      const arrival = { connection: connections.get(client)!, topic: packet.topic, payload: JSON.parse(packet.payload.toString()) }
      broker.arrivals.push(arrival)
      events.emit('arrival')
      Promise.resolve(broker.settle(arrival)).then(error => callback(error ?? null))
    }
  })
  aedes.on('clientError', () => {})
  const server = createServer(socket => {
    sockets.add(socket.once('close', () => sockets.delete(socket)))
    aedes.handle(socket)
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: given } = server.address() as AddressInfo

  let stopping: Promise<void> | undefined
  const broker: TestBroker = {
    url: `mqtt://127.0.0.1:${given}`,
    port: given,
    arrivals: [],
    settle: () => undefined,
    async arrived (topic, count = 1) {
      const signal = AbortSignal.timeout(30_000)
      for (;;) {
        const found = broker.arrivals.filter(arrival => arrival.topic === topic)
        if (found.length >= count) return found
        await once(events, 'arrival', { signal })
      }
    },
    cut () {
      for (const socket of sockets) socket.destroy()
    },
    stop: () => stopping ??= (async () => {
      broker.cut()
      server.close()
      await once(server, 'close')
      await new Promise<void>(resolve => aedes.close(resolve))
    })()
  }
  t.after(() => broker.stop())
  return broker
}

let agents = 0

/** An agent with a uuid of its own that tries again quickly; disconnected after the test. */
export function makeAgent (t: TestContext, options: AgentOptions = {}): Agent {
  const agent = new Agent({ uuid: `test-${++agents}`, reconnect: { min: 10, max: 50 }, ...options })
  t.after(() => agent.disconnect(100))
  return agent
}

/** The next `problem` with this code. */
export async function problem (agent: Agent, code: string): Promise<PlatziverseError> {
  const signal = AbortSignal.timeout(30_000)
  for (;;) {
    const [error] = await once(agent, 'problem', { signal }) as [PlatziverseError]
    if (error.code === code) return error
  }
}

export function next (agent: Agent, event: string): Promise<unknown[]> {
  return once(agent, event, { signal: AbortSignal.timeout(30_000) })
}
