import type { TestContext } from 'node:test'
import { openMosquitto, type Mosquitto } from '../../test/helpers/mosquitto.ts'
import { freePort } from '../../test/helpers/node-red.ts'
import type { Deployment } from './deployments.ts'

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
  /** Absent where it is inside Node-RED. */
  server: Mosquitto | undefined
}

export function startBroker (deployment: Deployment, t: Pick<TestContext, 'after'>): Promise<Broker> {
  return deployment.broker === 'embedded' ? insideNodeRed() : onMosquitto(deployment, t)
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
    server: undefined
  }
}

/** What it keeps it writes when it is stopped in an orderly way. */
const configuration = 'allow_anonymous true\npersistence true\npersistence_location FOLDER/\nmax_queued_messages 0\nmax_inflight_messages 1000'

async function onMosquitto ({ split, workers }: Deployment, t: Pick<TestContext, 'after'>): Promise<Broker> {
  const server = await openMosquitto(t, configuration)
  return {
    ports: { first: server.port, second: server.port, webSocket: server.port },
    saved: worker => ({
      'platziverse-broker': { mode: 'elsewhere', url: `mqtt://127.0.0.1:${server.port}`, ...split === 'shards' ? { shards: String(worker), group: '' } : { group: 'chaos' } },
      // On their own topics agent-in would get them again.
      'agent-out': { topic: 'stored/{uuid}' }
    }),
    topics: split === 'shards' ? Array.from({ length: workers }, (_, worker) => `agent/${worker}/message`) : ['agent/message'],
    listeners: () => [],
    storedTopic: 'stored/#',
    server
  }
}
