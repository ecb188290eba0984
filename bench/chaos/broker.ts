import type { TestContext } from 'node:test'
import { openMosquitto, type Mosquitto } from '../../test/helpers/mosquitto.ts'
import { freePort } from '../../test/helpers/node-red.ts'
import type { BrokerKind } from './deployments.ts'

/** The broker of a deployment, as its nodes and as clients see it. */
export interface Broker {
  /** Its first listener, one that comes and goes, and one for WebSocket; all the same where it has only one. */
  ports: { first: number, second: number, webSocket: number }
  /** What its nodes save, by their types; the same in every Node-RED. */
  saved: Record<string, Record<string, unknown>>
  /** Its listeners beside the first, with or without the one that comes and goes. */
  listeners (second: boolean): object[]
  /** What those subscribe to who are to receive all that is stored. */
  storedTopic: string
  /** Absent where it is inside Node-RED. */
  server: Mosquitto | undefined
}

export function startBroker (kind: BrokerKind, t: Pick<TestContext, 'after'>): Promise<Broker> {
  return kind === 'embedded' ? insideNodeRed() : onMosquitto(t)
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
    saved: {
      'platziverse-broker': {
        port: ports.first,
        // What a limit drops is owed to nobody: a subscriber that comes back after a storm is to stay within it.
        limits: { offlineMessages: 100_000 },
        prometheus: true,
        listeners: listeners(true)
      }
    },
    listeners,
    storedTopic: 'agent/#',
    server: undefined
  }
}

/** What it keeps it writes when it is stopped in an orderly way. */
const configuration = 'allow_anonymous true\npersistence true\npersistence_location FOLDER/\nmax_queued_messages 0\nmax_inflight_messages 1000'

async function onMosquitto (t: Pick<TestContext, 'after'>): Promise<Broker> {
  const server = await openMosquitto(t, configuration)
  return {
    ports: { first: server.port, second: server.port, webSocket: server.port },
    saved: {
      'platziverse-broker': { mode: 'elsewhere', url: `mqtt://127.0.0.1:${server.port}`, group: 'chaos' },
      // On their own topics agent-in would get them again.
      'agent-out': { topic: 'stored/{uuid}' }
    },
    listeners: () => [],
    storedTopic: 'stored/#',
    server
  }
}
