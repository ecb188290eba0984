import type { TestContext } from 'node:test'
import type { BrokerCluster } from '../../test/helpers/broker-cluster.ts'
import { openMosquitto, type Mosquitto } from '../../test/helpers/mosquitto.ts'
import { openNats } from '../../test/helpers/nats.ts'
import { freePort } from '../../test/helpers/node-red.ts'
import { openRabbitmq } from '../../test/helpers/rabbitmq.ts'
import type { BrokerKind, Deployment } from './deployments.ts'

/** The broker of a deployment, as its nodes and as clients see it. */
export interface Broker {
  /** Its first listener, one that comes and goes, and one for WebSocket; all the same where it has only one. */
  ports: { first: number, second: number, webSocket: number }
  /** What the nodes of one Node-RED save, by their types. */
  saved (worker: number): Record<string, Record<string, unknown>>
  /** Where agents publish, one topic for each that are not taken by the same Node-RED. */
  topics: string[]
  /** Its listeners beside the first, with or without the one that comes and goes. */
  listeners (second: boolean): object[]
  /** What those subscribe to who are to receive all that is stored. */
  storedTopic: string
  /** RabbitMQ answers a PUBLISH of QoS 2 with PUBACK, and NATS hangs up on it. */
  hasQos2: boolean
  /** RabbitMQ may forget what comes in one go with the end of its connection. */
  readsToTheEnd: boolean
  /** Absent where it is inside Node-RED. */
  server: BrokerServer | undefined
}

export type BrokerServer = Omit<Mosquitto, 'port'> & { port: number }

export function startBroker (deployment: Deployment, t: Pick<TestContext, 'after'>): Promise<Broker> {
  return deployment.broker === 'embedded' ? insideNodeRed() : elsewhere(deployment, servers[deployment.broker], t)
}

async function insideNodeRed (): Promise<Broker> {
  const ports = { first: await freePort(), second: await freePort(), webSocket: await freePort() }
  const listeners = (second: boolean): object[] => [
    { transport: 'ws', host: '', port: ports.webSocket, path: '', certificates: 'none' },
    { transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' },
    ...second ? [{ transport: 'tcp', host: '', port: ports.second, path: '', certificates: 'none' }] : []
  ]
  return {
    ports,
    saved: () => ({
      'platziverse-broker': {
        port: ports.first,
        // What a kill takes from memory is owed to nobody, nor is what a limit drops: a subscriber that comes back after a storm is to stay within it.
        persistence: 'disk',
        limits: { offlineMessages: 100_000 },
        prometheus: true,
        listeners: listeners(true)
      }
    }),
    topics: ['agent/message'],
    listeners,
    storedTopic: 'agent/#',
    hasQos2: true,
    readsToTheEnd: true,
    server: undefined
  }
}

const mosquittoLines = [
  'allow_anonymous true',
  // What it keeps it writes when it is stopped in an orderly way.
  'persistence true', 'persistence_location FOLDER/',
  'max_queued_messages 0', 'max_inflight_messages 1000',
  // It says who comes and goes.
  'log_dest stderr', 'log_dest topic', 'log_type notice', 'log_type error', 'log_type information'
]

type Start = (t: Pick<TestContext, 'after'>) => Promise<BrokerServer>

const servers: Record<Exclude<BrokerKind, 'embedded'>, Start> = {
  mosquitto: t => openMosquitto(t, mosquittoLines.join('\n')),
  rabbitmq: async t => singleOf(await openRabbitmq(t, { configuration: 'mqtt.prefetch = 1000' })),
  // What was not acknowledged comes again that soon, instead of after 30 s: also while the database is away.
  nats: async t => singleOf(await openNats(t, { mqtt: 'ack_wait: "10s"\nmax_ack_pending: 1000' }))
}

function singleOf ({ ports: [port = 0], kill, restart, freeze, thaw }: BrokerCluster): BrokerServer {
  return { port, stop: () => kill(0, 'SIGTERM'), kill: () => kill(0), start: () => restart(0), freeze: () => { freeze(0) }, thaw: () => { thaw(0) } }
}

async function elsewhere ({ broker, split, workers, presence }: Deployment, start: Start, t: Pick<TestContext, 'after'>): Promise<Broker> {
  const server = await start(t)
  return {
    ports: { first: server.port, second: server.port, webSocket: server.port },
    saved: worker => ({
      'platziverse-broker': { mode: 'elsewhere', url: `mqtt://127.0.0.1:${server.port}`, ...split === 'shards' ? { shards: String(worker), group: '' } : { group: 'chaos' }, ...presence === 'client events' ? { clientEvents: 'mosquitto' } : {} },
      // On their own topics agent-in would get them again.
      'agent-out': { topic: 'stored/{kind}/{uuid}' }
    }),
    topics: split === 'shards' ? Array.from({ length: workers }, (_, worker) => `agent/${worker}/message`) : ['agent/message'],
    listeners: () => [],
    storedTopic: 'stored/#',
    hasQos2: broker === 'mosquitto',
    readsToTheEnd: broker !== 'rabbitmq',
    server
  }
}
