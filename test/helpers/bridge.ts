import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Aedes, type AedesOptions, type AedesPublishPacket } from 'aedes'
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import { Bridge, type BridgeOptions, type LocalBroker } from '../../lib/bridge/bridge.ts'
import type { BridgeTopic } from '../../lib/bridge/topics.ts'
import { internalsOf } from '../../lib/broker/aedes/aedes-internals.ts'
import { until, waitFor } from './events.ts'

export interface Side { url: string, port: number }

interface Local extends Side, LocalBroker {
  aedes: Aedes
  cut (): void
}

/** A real aedes, as the broker that a bridge belongs to or as the other one. */
export async function aedesBroker (t: TestContext, options: AedesOptions = {}, greet: (socket: Socket) => Socket = socket => socket): Promise<Local> {
  const aedes = await Aedes.createBroker(options)
  aedes.on('clientError', () => undefined)
  aedes.on('connectionError', () => undefined)
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    aedes.handle(greet(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cut = (): void => { for (const socket of sockets) socket.destroy() }
  const publishAs = aedes.publish.bind(aedes) as (packet: object, from: object, done: (error?: Error | null) => void) => void
  t.after(async () => {
    cut()
    server.close()
    await new Promise<void>(resolve => { aedes.close(resolve) })
  })
  return {
    aedes,
    cut,
    url: `mqtt://127.0.0.1:${port}`,
    port,
    publish: ({ topic, payload, qos, retain }, origin = '') => new Promise<void>((resolve, reject) => {
      const from = { id: `\0${origin}` }
      publishAs({ cmd: 'publish', dup: false, topic, payload, qos, retain }, from, error => { if (error) reject(error); else resolve() })
    }),
    subscribe (filter, subscriber) {
      const hear = (packet: AedesPublishPacket & { clientId?: string }, done: () => void): void => {
        const { topic, qos, retain, clientId = '\0' } = packet
        const isOurs = clientId.startsWith('\0')
        const from = isOurs ? { clientId: undefined, origin: clientId.slice(1) || undefined } : { clientId, origin: undefined }
        void subscriber({ topic, qos, retain, payload: Buffer.from(packet.payload), ...from })
        done()
      }
      aedes.subscribe(filter, hear, () => undefined)
      return () => { aedes.unsubscribe(filter, hear, () => undefined) }
    },
    async * retained (filters) {
      const { persistence } = aedes as unknown as { persistence: { createRetainedStreamCombi (filters: string[]): AsyncIterable<AedesPublishPacket> } }
      for await (const { topic, payload, qos, retain } of persistence.createRetainedStreamCombi(filters)) {
        yield { topic, payload: Buffer.from(payload), qos, retain, clientId: undefined, origin: undefined }
      }
    },
    hasClient: clientId => internalsOf(aedes).clients[clientId] !== undefined
  }
}

export async function client (t: TestContext, { url }: Side, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

type Got = [topic: string, payload: string, qos: number, retain: boolean]

/** Subscribes to everything at a broker. */
export async function listen (t: TestContext, side: Side, options: IClientOptions = {}): Promise<{ got: Got[], texts: () => string[], came: (count: number) => Promise<Got[]> }> {
  const subscriber = await client(t, side, options)
  const got: Got[] = []
  subscriber.on('message', (topic: string, payload: Buffer, { qos, retain }: IPublishPacket) => { got.push([topic, payload.toString(), qos, retain]) })
  await subscriber.subscribeAsync('#', { qos: 2 })
  return { got, texts: () => got.map(([topic, payload]) => `${topic} ${payload}`), came: count => until(() => got, ({ length }) => length >= count) }
}

let bridges = 0

export function row (direction: BridgeTopic['direction'], filter: string, rest: Partial<BridgeTopic> = {}): BridgeTopic {
  return { direction, filter, localPrefix: '', remotePrefix: '', qos: 1, ...rest }
}

type Options = Partial<BridgeOptions> & Pick<BridgeOptions, 'topics'>

export function makeBridge (t: TestContext, local: LocalBroker, { url }: { url: string }, options: Options): Bridge {
  const bridge = new Bridge(local, { id: `test-${process.pid}-${++bridges}`, url, reconnect: { min: 20, max: 100 }, ...options })
  t.after(() => bridge.close(100))
  return bridge
}

/** Open, and subscribed at the other broker. */
export async function openBridge (t: TestContext, local: LocalBroker, remote: Side, options: Options): Promise<Bridge> {
  const bridge = makeBridge(t, local, remote, options)
  await open(t, bridge, remote, options)
  return bridge
}

export async function open (t: TestContext, bridge: Bridge, remote: Side, options: Options): Promise<void> {
  const ready = connected(bridge)
  bridge.open()
  await ready
  await subscribed(t, remote, bridge, options)
}

export async function connected (bridge: Bridge): Promise<void> {
  await waitFor<{ state: string }>(bridge, 'state', ({ state }) => state === 'connected')
}

/** Resolved when something that is published there comes through. */
async function subscribed (t: TestContext, remote: Side, bridge: Bridge, { topics }: Options): Promise<void> {
  const probed = topics.find(({ direction }) => direction !== 'out')
  if (probed === undefined) return
  const probe = await client(t, remote, (remote as Side & { login?: IClientOptions }).login)
  const { received } = bridge.statistics()
  const topic = probed.remotePrefix + probed.filter.replace('#', 'probe').replaceAll('+', 'probe')
  await until(async () => {
    await probe.publishAsync(topic, 'probe', { qos: 1 })
    return bridge.statistics().received
  }, now => now > received)
}

export const real = (got: string[]): string[] => got.filter(text => !text.endsWith(' probe'))
