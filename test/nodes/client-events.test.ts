import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { Aedes } from 'aedes'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { databases, type OpenDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { reading } from '../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { rawClient } from '../helpers/raw-client.ts'

const load = useNodeRed()

/** How two workers share what agents publish, and where an agent publishes it. */
const ways = {
  '$share': { broker: () => ({ group: 'platziverse', shards: '' }), topicOf: () => 'agent/message' },
  shards: { broker: (i: number) => ({ group: '', shards: `shard-${i}` }), topicOf: (uuid: string) => `agent/shard-${uuid.length % 2}/message` }
} as const
type Way = keyof typeof ways

interface Platform {
  /** How often each agent was said to be gone, by both workers together. */
  goodbyes (): Record<string, number>
  /** Publish a reading of an agent, by its own client; resolves once it is stored. */
  speak (client: MqttClient, uuid: string): Promise<void>
  connected (): Promise<string[]>
  /** What nodes complained about. */
  complaints (): string[]
}

/** Two workers with all their nodes on one broker elsewhere, and one database. */
async function openPlatform (url: string, clientEvents: string, way: Way, database: OpenDatabase): Promise<Platform> {
  const { options } = database
  const saved = options.client === 'sqlite' ? options : { ...options, host: String(options.host), port: String(options.port), database: String(options.database), hasLogin: true }
  const nodes = [0, 1].flatMap(i => [
    { id: `broker-${i}`, type: 'platziverse-broker', mode: 'elsewhere', url, clientId: `worker-${i}`, clientEvents, ...ways[way].broker(i), wires: [[], []] },
    { id: `in-${i}`, type: 'agent-in', broker: `broker-${i}`, wires: [[`store-${i}`], [`store-${i}`], [`store-${i}`], []] },
    { id: `store-${i}`, type: 'metric-store', database: `database-${i}`, wires: [[`stored-${i}`]] },
    { id: `stored-${i}`, type: 'helper' }
  ]).map(node => ({ ...node, z: 'tab', x: 1, y: 1 }))
  const login = 'user' in options ? { user: options.user, password: options.password } : {}
  const flow: TestFlow = await load([
    { id: 'tab', type: 'tab' },
    ...[0, 1].map(i => ({ id: `database-${i}`, type: 'platziverse-database', ...saved })),
    ...nodes
  ], Object.fromEntries([0, 1].map(i => [`database-${i}`, login])))
  await until(() => [0, 1].map(i => flow.status(`broker-${i}`)?.fill), fills => fills.every(fill => fill === 'green'), 30_000)
  const stored = () => [0, 1].flatMap(i => flow.received<{ topic: string, payload: { agent: { uuid: string } } }>(`stored-${i}`))
  const uuidsOf = (topic: string): string[] => stored().filter(message => message.topic === topic).map(({ payload }) => payload.agent.uuid)
  return {
    goodbyes () {
      const counts: Record<string, number> = {}
      for (const uuid of uuidsOf('agent/disconnected')) counts[uuid] = (counts[uuid] ?? 0) + 1
      return counts
    },
    async speak (client, uuid) {
      await client.publishAsync(ways[way].topicOf(uuid), reading(uuid), { qos: 1 })
      await until(() => uuidsOf('agent/message').includes(uuid), Boolean, 20_000)
    },
    connected: async () => await database.query('agents').where('connected', true).orderBy('uuid').pluck('uuid'),
    // With SQLite both workers are on this machine.
    complaints: () => flow.log().filter(line => /\([A-Z]+_[A-Z_]+\)$/.test(line) && !line.endsWith('(BROKER_WORKER_ALONE)'))
  }
}

const passwords = (() => {
  const salt = randomBytes(12)
  return `ana:$7$101$${salt.toString('base64')}$${pbkdf2Sync('right', salt, 101, 64, 'sha512').toString('base64')}\n`
})()

const runs: Array<[Way, string]> = [['$share', 'SQLite'], ['shards', 'PostgreSQL']]

describe('what a broker elsewhere says of its clients, with all nodes', () => {
  for (const [way, name] of runs) {
    const chosen = databases.find(database => database.name === name)
    test(`Mosquitto, two workers by ${way}, ${name}: each agent whose client went is said to be gone once, and no other`, { timeout: 120_000, skip: withoutMosquitto || (chosen?.without ?? false) }, async t => {
      const { port } = await openMosquitto(t, 'allow_anonymous true\npassword_file FOLDER/passwords\nlog_dest topic\nlog_dest stderr\nlog_type information\nlog_type notice\nlog_type error', { passwords })
      const url = `mqtt://127.0.0.1:${port}`
      const database = await chosen?.open(t) ?? assert.fail()
      const { goodbyes, speak, connected, complaints } = await openPlatform(url, 'mosquitto', way, database)
      const connect = async (clientId: string, options: IClientOptions = {}): Promise<MqttClient> => {
        const client = await connectAsync(url, { clientId, reconnectPeriod: 0, ...options })
        client.on('error', () => undefined)
        t.after(() => { client.end(true) })
        return client
      }
      const lines: string[] = []
      const observer = await connect('observer')
      observer.on('message', (_topic, payload) => { lines.push(payload.toString()) })
      await observer.subscribeAsync('$SYS/broker/log/#')

      const agent = async (uuid: string, prefix = ''): Promise<MqttClient> => {
        const client = await connect(`${prefix}${uuid}`)
        await speak(client, uuid)
        return client
      }
      await agent('stays')
      const refused = await agent('refused')
      await assert.rejects(connectAsync(url, { clientId: 'refused', username: 'ana', password: 'wrong', reconnectPeriod: 0 }))
      assert.ok(refused.connected)
      await agent('taken')
      await connect('taken')
      const back = await agent('back', 'platziverse-')
      await back.endAsync()
      await connect('platziverse-back')
      await (await agent('leaves', 'platziverse-')).endAsync()
      ;(await agent('cut off')).stream.destroy()
      const wrong = await agent('breaks the protocol')
      wrong.stream.write(Buffer.from([0xF0, 0]))
      const other = await connect('writer')
      await speak(other, 'silent')
      await rawClient(t, port, 'silent', { keepalive: 1 })

      const gone = ['leaves', 'cut off', 'breaks the protocol', 'silent']
      await until(goodbyes, said => gone.every(uuid => uuid in said), 30_000)
      await (await agent('last')).endAsync()
      await until(goodbyes, said => 'last' in said, 30_000)
      assert.deepEqual(goodbyes(), Object.fromEntries([...gone, 'last'].map(uuid => [uuid, 1])))
      assert.deepEqual(await connected(), ['back', 'refused', 'stays', 'taken'])
      assert.deepEqual(complaints(), [])
      // Each kind of line was there, as 2.0 or as 2.1 writes it.
      for (const line of [
        /: New client connected from \S+ as stays \(p\d, c1, k60\)\.$/, /: Client platziverse-leaves (?:|\[\S+\] )disconnected\.$/, /: Client cut off (?:closed its |\[\S+\] disconnected: )connection/,
        /: Client breaks the protocol .*disconnected.* (?:protocol error|malformed packet)\.$/, /: Client silent .*exceeded timeout/, /: Client taken (?:already connected|\[\S+\] disconnected: session taken over)/
      ]) assert.ok(lines.some(said => line.test(said)), `${line}\n${lines.join('\n')}`)
    })
  }

  test('EMQX, two workers by shards, SQLite: as its documentation has the payloads, published on a real broker', { timeout: 120_000 }, async t => {
    // Mosquitto lets no client publish on $SYS.
    const broker = await Aedes.createBroker({
      authorizePublish: (_client, _packet, done) => { done(null) },
      authorizeSubscribe: (_client, subscription, done) => { done(null, subscription) }
    })
    const server = createServer(broker.handle).listen(0, '127.0.0.1')
    t.after(() => { server.close(); broker.close() })
    await once(server, 'listening')
    const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`
    const database = await databases[0]?.open(t) ?? assert.fail()
    const { goodbyes, speak, connected, complaints } = await openPlatform(url, 'emqx', 'shards', database)
    const client = await connectAsync(url)
    t.after(() => { client.end(true) })
    const say = async (clientid: string, event: 'connected' | 'disconnected', payload: object): Promise<void> => {
      const common = { username: 'foo', ts: 1625572213873, sockport: 1883, proto_ver: 4, proto_name: 'MQTT', ipaddress: '127.0.0.1', clientid }
      await client.publishAsync(`$SYS/brokers/emqx@127.0.0.1/clients/${clientid}/${event}`, JSON.stringify({ ...common, ...payload }), { qos: 1 })
    }
    const came = (clientid: string) => say(clientid, 'connected', { keepalive: 60, expiry_interval: 0, connected_at: 1625572213873, connack: 0, clean_start: true })
    const left = (clientid: string, reason: string) => say(clientid, 'disconnected', { reason, disconnected_at: 1625572213873 })
    const reasons = { leaves: 'normal', cut: 'tcp_closed', silent: 'keepalive_timeout', kicked: 'kicked', taken: 'takenover', anew: 'discarded', back: 'normal', stays: '' }
    for (const [uuid, reason] of Object.entries(reasons)) {
      await came(`platziverse-${uuid}`)
      await speak(client, uuid)
      if (reason !== '') await left(`platziverse-${uuid}`, reason)
    }
    await came('platziverse-back')
    await client.publishAsync('$SYS/brokers/emqx@127.0.0.1/clients/platziverse-stays/disconnected', 'no JSON', { qos: 1 })
    const gone = ['leaves', 'cut', 'silent', 'kicked']
    await until(goodbyes, said => gone.every(uuid => uuid in said), 30_000)
    await speak(client, 'last')
    await left('platziverse-last', 'normal')
    await until(goodbyes, said => 'last' in said, 30_000)
    assert.deepEqual(goodbyes(), Object.fromEntries([...gone, 'last'].map(uuid => [uuid, 1])))
    assert.deepEqual(await connected(), ['anew', 'back', 'stays', 'taken'])
    assert.deepEqual(complaints(), [])
  })
})
