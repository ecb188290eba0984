import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import type { EmbeddedBrokerOptions, ListenerOptions } from '../../lib/broker/broker-options.ts'
import type { ClientEvent, ListenerState } from '../../lib/broker/broker.ts'
import { readLimits, type Limits } from '../../lib/broker/limits.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import type { IntakeHandler, Rejected, Source } from '../../lib/intake/intake-handler.ts'
import type { Intake } from '../../lib/intake/intake.ts'
import type { IntakeOptions } from '../../lib/intake/intake-options.ts'
import type { Delivery } from '../../lib/intake/pending-deliveries.ts'
import type { Message } from '../../lib/messages/parse.ts'
import type { MessageKind } from '../../lib/messages/topics.ts'
import { attachBroker, attachIntake, closeOrphanBrokers, detachBroker, detachIntake, findBroker, type RegisteredBroker } from '../../lib/registry/registry.ts'
import { waitFor } from './events.ts'

export interface TestBroker {
  id: string
  place: RegisteredBroker
  url: string
  port: number
  events: ClientEvent[]
  /** A client that does not reconnect by itself. */
  client (options?: IClientOptions): Promise<MqttClient>
}

export type TestOptions = Partial<Omit<EmbeddedBrokerOptions, 'limits'> & Pick<ListenerOptions, 'host' | 'port'> & { limits: Partial<Limits> }>

/** A broker on loopback without users, but for what `options` say. */
export function brokerOptions ({ host = '', port = 0, ...options }: TestOptions = {}): EmbeddedBrokerOptions {
  return { listeners: [{ transport: 'tcp', host, port }], anonymous: false, users: [], rules: [], folder: undefined, sys: 0, ...options, limits: { ...readLimits({}), ...options.limits } }
}

/** What a deploy does that deletes the node of a broker. */
export async function removeBroker (id: string): Promise<void> {
  detachBroker(id)
  await closeOrphanBrokers()
}

/** A real broker on a free port, closed after the test. */
export async function openBroker (t: Pick<TestContext, 'after'>, options: TestOptions = {}): Promise<TestBroker> {
  const id = randomUUID()
  const place = findBroker(id)
  const events: ClientEvent[] = []
  place.on('client', event => { events.push(event) })
  t.after(() => removeBroker(id))
  const listening = waitFor<ListenerState>(place, 'listener', ({ state }) => state === 'listening')
  await attachBroker(id, brokerOptions(options))
  const state = await listening
  const port = state.state === 'listening' ? state.port : 0
  const url = `mqtt://127.0.0.1:${port}`
  return {
    id,
    place,
    url,
    port,
    events,
    async client (options = {}) {
      const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
      client.on('error', () => undefined)
      t.after(() => { client.end(true) })
      return client
    }
  }
}

export interface Incoming { topic: string, payload: Message['payload'], delivery: Delivery, source?: Source }

export type Heard = { kind: MessageKind | 'rejected' | 'unsettled', incoming?: Incoming, rejected?: Rejected, error?: PlatziverseError }

export interface TestIntake {
  id: string
  intake: Intake
  heard: Heard[]
  /** Stand for the agent-in again, as after a deploy. */
  attach (brokerId?: string): Intake
  detach (removed?: boolean): void
}

/** An agent-in's intake that remembers what it is given. Its time limit is longer than a test waits for anything, also on a slow machine. */
export function openIntake (t: TestContext, brokerId: string, options: Partial<IntakeOptions> = {}): TestIntake {
  const id = randomUUID()
  const heard: Heard[] = []
  const handler: IntakeHandler = {
    message: ({ kind, topic, payload }, delivery, source) => { heard.push({ kind, incoming: { topic, payload, delivery, ...source && { source } } }) },
    rejected: rejected => { heard.push({ kind: 'rejected', rejected }) },
    unsettled: error => { heard.push({ kind: 'unsettled', error }) }
  }
  const attach = (to = brokerId) => attachIntake(id, to, handler, { acknowledge: 'stored', timeLimit: 60_000, clientWindow: 1000, totalWindow: 10_000, ...options })
  const detach = (removed = false): void => {
    detachIntake(id, brokerId)
    if (removed) void closeOrphanBrokers()
  }
  t.after(() => { detach(true) })
  return { id, heard, attach, detach, intake: attach() }
}
