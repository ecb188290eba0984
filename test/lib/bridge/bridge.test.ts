import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { Aedes, type AedesOptions, type AedesPublishPacket } from 'aedes'
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import mqttPacket from 'mqtt-packet'
import { Bridge, type BridgeOptions, type LocalBroker } from '../../../lib/bridge/bridge.ts'
import { BridgeBuffer } from '../../../lib/bridge/buffer.ts'
import { LoopGuard } from '../../../lib/bridge/loops.ts'
import { BridgeTopics, type BridgeTopic } from '../../../lib/bridge/topics.ts'
import { internalsOf } from '../../../lib/broker/aedes/aedes-internals.ts'
import { PlatziverseError } from '../../../lib/errors.ts'
import { makeAuthority, withoutOpenssl } from '../../helpers/certificates.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { openMosquitto, withoutMosquitto, type Mosquitto } from '../../helpers/mosquitto.ts'
import { freePort } from '../../helpers/node-red.ts'

interface Side { url: string, port: number }

/** A real Mosquitto that keeps sessions. */
async function mosquitto (t: TestContext, config = 'allow_anonymous true', scheme = 'mqtt', users = ''): Promise<Mosquitto & Side> {
  const remote = await openMosquitto(t, `max_queued_messages 0\npersistence true\npersistence_location FOLDER/\n${config}`, { users })
  return { ...remote, url: `${scheme}://127.0.0.1:${remote.port}` }
}

/** As mosquitto_passwd writes it. */
function hashed (password: string): string {
  const salt = randomBytes(12)
  return `$7$101$${salt.toString('base64')}$${pbkdf2Sync(password, salt, 101, 64, 'sha512').toString('base64')}`
}

interface Local extends Side, LocalBroker {
  aedes: Aedes
  cut (): void
}

/** A real aedes, as the broker that a bridge belongs to or as the other one. */
async function aedesBroker (t: TestContext, options: AedesOptions = {}, greet: (socket: Socket) => Socket = socket => socket): Promise<Local> {
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
    publish: (publication, origin = '') => new Promise<void>((resolve, reject) => {
      const from = { id: `\0${origin}` }
      publishAs({ cmd: 'publish', dup: false, ...publication }, from, error => { if (error) reject(error); else resolve() })
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
      for await (const packet of persistence.createRetainedStreamCombi(filters)) {
        yield { ...packet, payload: Buffer.from(packet.payload), clientId: undefined, origin: undefined }
      }
    },
    hasClient: clientId => internalsOf(aedes).clients[clientId] !== undefined
  }
}

async function client (t: TestContext, { url }: Side, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

type Got = [topic: string, payload: string, qos: number, retain: boolean]

/** Subscribes to everything at a broker. */
async function listen (t: TestContext, side: Side, options: IClientOptions = {}): Promise<{ got: Got[], texts: () => string[], came: (count: number) => Promise<Got[]> }> {
  const subscriber = await client(t, side, options)
  const got: Got[] = []
  subscriber.on('message', (topic: string, payload: Buffer, { qos, retain }: IPublishPacket) => { got.push([topic, payload.toString(), qos, retain]) })
  await subscriber.subscribeAsync('#', { qos: 2 })
  return { got, texts: () => got.map(([topic, payload]) => `${topic} ${payload}`), came: count => until(() => got, ({ length }) => length >= count) }
}

let bridges = 0

function row (direction: BridgeTopic['direction'], filter: string, rest: Partial<BridgeTopic> = {}): BridgeTopic {
  return { direction, filter, localPrefix: '', remotePrefix: '', qos: 1, ...rest }
}

type Options = Partial<BridgeOptions> & Pick<BridgeOptions, 'topics'>

function makeBridge (t: TestContext, local: LocalBroker, { url }: { url: string }, options: Options): Bridge {
  const bridge = new Bridge(local, { id: `test-${process.pid}-${++bridges}`, url, reconnect: { min: 20, max: 100 }, ...options })
  t.after(() => bridge.close(100))
  return bridge
}

/** Open, and subscribed at the other broker. */
async function openBridge (t: TestContext, local: LocalBroker, remote: Side, options: Options): Promise<Bridge> {
  const bridge = makeBridge(t, local, remote, options)
  await open(t, bridge, remote, options)
  return bridge
}

async function open (t: TestContext, bridge: Bridge, remote: Side, options: Options): Promise<void> {
  const ready = connected(bridge)
  bridge.open()
  await ready
  await subscribed(t, remote, bridge, options)
}

async function connected (bridge: Bridge): Promise<void> {
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

const real = (got: string[]): string[] => got.filter(text => !text.endsWith(' probe'))

describe('with Mosquitto', { skip: withoutMosquitto }, () => {
  test('what is published here comes out there, each message once', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const there = await listen(t, remote)
    const bridge = await openBridge(t, local, remote, { topics: [row('out', 'a/#')] })
    const publisher = await client(t, local)
    for (let i = 0; i < 50; i++) await publisher.publishAsync('a/b', String(i), { qos: 1 })
    await publisher.publishAsync('c', 'other', { qos: 1 })
    await publisher.publishAsync('a', 'last', { qos: 2 })
    await there.came(51)
    assert.deepEqual(there.texts(), [...Array.from({ length: 50 }, (_, i) => `a/b ${i}`), 'a last'])
    await until(() => bridge.statistics(), ({ sent }) => sent === 51)
    assert.deepEqual(bridge.statistics(), { connected: true, sent: 51, received: 0, buffered: 0, bufferedBytes: 0, dropped: 0, loops: 0, reconnects: 0 })
  })

  test('what is published there comes out here', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const here = await listen(t, local)
    const bridge = await openBridge(t, local, remote, { topics: [row('in', 'a/#')] })
    const publisher = await client(t, remote)
    await publisher.publishAsync('c', 'other', { qos: 1 })
    for (let i = 0; i < 50; i++) await publisher.publishAsync('a/b', String(i), { qos: 1 })
    await until(() => real(here.texts()), ({ length }) => length >= 50)
    assert.deepEqual(real(here.texts()), Array.from({ length: 50 }, (_, i) => `a/b ${i}`))
    assert.equal(bridge.statistics().received, here.got.length)
  })

  test('prefixes are exchanged, and may be whole topics', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const [here, there] = [await listen(t, local), await listen(t, remote)]
    await openBridge(t, local, remote, { topics: [
      row('both', '#', { localPrefix: 'plant/', remotePrefix: 'cloud/7/' }),
      row('out', '', { localPrefix: 'alarm', remotePrefix: 'bell/ring' })
    ] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    await a.publishAsync('plant/x/y', '1', { qos: 1 })
    await a.publishAsync('alarm', '2', { qos: 1 })
    await b.publishAsync('cloud/7/z', '3', { qos: 1 })
    await until(() => real(there.texts()), ({ length }) => length >= 3)
    await until(() => real(here.texts()), ({ length }) => length >= 3)
    assert.deepEqual(real(there.texts()).sort(), ['bell/ring 2', 'cloud/7/x/y 1', 'cloud/7/z 3'])
    assert.deepEqual(real(here.texts()).sort(), ['alarm 2', 'plant/x/y 1', 'plant/z 3'])
  })

  test('the same topics in both directions: each message crosses once, and nothing is taken for an echo', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const [here, there] = [await listen(t, local), await listen(t, remote)]
    const bridge = await openBridge(t, local, remote, { topics: [row('both', '#')] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    // The same text from both sides is no echo.
    await a.publishAsync('light', 'on', { qos: 1 })
    await until(() => there.texts(), texts => texts.includes('light on'))
    await b.publishAsync('light', 'on', { qos: 1 })
    await a.publishAsync('end', 'a', { qos: 1 })
    await b.publishAsync('end', 'b', { qos: 1 })
    for (const side of [here, there]) {
      await until(() => side.texts(), texts => texts.includes('end a') && texts.includes('end b'))
      assert.deepEqual(real(side.texts()).sort(), ['end a', 'end b', 'light on', 'light on'])
    }
    assert.equal(bridge.statistics().loops, 0)
  })

  test('messages are retained on the other side, and cleared', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    await openBridge(t, local, remote, { topics: [row('both', '#')] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    await a.publishAsync('out', 'kept', { qos: 1, retain: true })
    await b.publishAsync('in', 'kept', { qos: 1, retain: true })
    const retained = async (side: Side): Promise<string[]> => {
      const subscriber = await listen(t, side)
      const marker = await client(t, side)
      await marker.publishAsync('marker', '', { qos: 1 })
      const got = await until(() => subscriber.got, got => got.some(([topic]) => topic === 'marker'))
      return got.filter(([, , , retain]) => retain).map(([topic, payload]) => `${topic} ${payload}`).sort()
    }
    for (const side of [local, remote]) assert.deepEqual(await until(() => retained(side), ({ length }) => length === 2), ['in kept', 'out kept'])
    await a.publishAsync('out', '', { qos: 1, retain: true })
    assert.deepEqual(await until(() => retained(remote), ({ length }) => length === 1), ['in kept'])
  })

  test('a message crosses with the lower of its own QoS and that of the row', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const there = await listen(t, remote)
    await openBridge(t, local, remote, { topics: [row('out', 'two', { qos: 2 }), row('out', 'none', { qos: 0 })] })
    const a = await client(t, local)
    for (const qos of [0, 1, 2] as const) for (const topic of ['two', 'none']) await a.publishAsync(topic, String(qos), { qos })
    await there.came(6)
    assert.deepEqual(there.got.filter(([topic]) => topic === 'two').map(([, text, qos]) => [text, qos]), [['0', 0], ['1', 1], ['2', 2]])
    assert.deepEqual(there.got.filter(([topic]) => topic === 'none').map(([, , qos]) => qos), [0, 0, 0])
  })

  test('what is published here while the other broker is away gets there in order, none of it lost', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const bridge = await openBridge(t, local, remote, { topics: [row('out', 'a', { qos: 2 })] })
    const there = await listen(t, remote, { clientId: 'listener', clean: false, reconnectPeriod: 20 })
    const a = await client(t, local)
    let n = 0
    const publish = async (count: number): Promise<void> => { for (let i = 0; i < count; i++) await a.publishAsync('a', String(n++), { qos: i % 2 === 0 ? 1 : 2 }) }
    await publish(20)
    const stopping = remote.stop()
    await publish(200)
    await stopping
    await publish(200)
    assert.equal(bridge.statistics().connected, false)
    const { buffered, bufferedBytes } = bridge.statistics()
    assert.ok(buffered >= 200 && bufferedBytes > buffered, `${buffered} ${bufferedBytes}`)
    const again = connected(bridge)
    await remote.start()
    await again
    await publish(20)
    await until(() => bridge.statistics(), ({ buffered }) => buffered === 0)
    // With QoS 1 a message may come again whose acknowledgement was lost; with QoS 2 it may not. The order is that of each QoS.
    await until(() => new Set(there.texts()).size, size => size >= n)
    const numbers = (level: number): number[] => there.got.filter(([, , qos]) => qos === level).map(([, text]) => Number(text))
    const all = Array.from({ length: n }, (_, i) => i)
    assert.deepEqual([...new Set(numbers(1))], all.filter(i => i % 2 === 0))
    assert.deepEqual(numbers(2), all.filter(i => i % 2 === 1))
    assert.equal(bridge.statistics().reconnects, 1)
    assert.equal(bridge.statistics().dropped, 0)
  })

  test('what is published there while this one is away comes when it is back', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const topics = [row('in', 'a/#')]
    const here = await listen(t, local)
    const first = await openBridge(t, local, remote, { id: `back-${process.pid}`, topics })
    assert.deepEqual(await first.close(), [])
    const b = await client(t, remote)
    for (let i = 0; i < 100; i++) await b.publishAsync('a/b', String(i), { qos: 1 })
    makeBridge(t, local, remote, { id: `back-${process.pid}`, topics }).open()
    await until(() => real(here.texts()), ({ length }) => length >= 100)
    assert.deepEqual(real(here.texts()), Array.from({ length: 100 }, (_, i) => `a/b ${i}`))
  })

  test('the other broker gets its acknowledgement only when this one took the message', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const taken: string[] = []
    let away = true
    const slow: LocalBroker = {
      ...local,
      async publish (publication, origin) {
        taken.push(String(publication.payload))
        if (away) throw new PlatziverseError('BROKER_MISSING', 'The broker is not there.')
        await local.publish(publication, origin)
      }
    }
    const here = await listen(t, local)
    const id = `slow-${process.pid}`
    const first = makeBridge(t, slow, remote, { id, topics: [row('in', 'a', { qos: 2 })] })
    first.open()
    await connected(first)
    const b = await client(t, remote)
    const problem = waitFor<PlatziverseError>(first, 'problem')
    await until(async () => {
      await b.publishAsync('a', 'first', { qos: 1 })
      return taken
    }, ({ length }) => length > 0)
    assert.equal((await problem).code, 'BROKER_MISSING')
    assert.equal(first.statistics().received, 0)
    // Nobody took it here, so that another bridge of this session gets it again.
    await first.close(50)
    away = false
    const second = makeBridge(t, slow, remote, { id, topics: [row('in', 'a', { qos: 2 })] })
    second.open()
    await here.came(1)
    assert.deepEqual(here.got[0]?.slice(0, 2), ['a', 'first'])
  })

  test('wrong credentials are told once, and right ones let it in', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t, 'allow_anonymous false\npassword_file FOLDER/users', 'mqtt', `ana:${hashed('secret')}\n`)]
    const bridge = makeBridge(t, local, remote, { topics: [row('out', 'a')], username: 'ana', password: 'no secret' })
    const problems: PlatziverseError[] = []
    bridge.on('problem', problem => { problems.push(problem) })
    let attempts = 0
    bridge.on('state', ({ state }) => { if (state === 'connecting') attempts++ })
    bridge.open()
    await until(() => attempts, n => n > 3)
    assert.deepEqual(problems.map(({ code }) => code), ['BRIDGE_REFUSED'])
    assert.doesNotMatch(problems[0]?.message ?? '', /no secret/)
    assert.deepEqual(bridge.state.state, 'connecting')
    const right = makeBridge(t, local, remote, { topics: [row('out', 'a')], username: 'ana', password: 'secret' })
    const ready = connected(right)
    right.open()
    await ready
  })

  test('TLS: the authority of the tls options is believed, and no other', { skip: withoutOpenssl }, async t => {
    const folder = await temporaryFolder(t)
    const authority = makeAuthority(folder)
    const pair = authority.issue('server')
    for (const [name, text] of Object.entries({ 'ca.pem': authority.cert, 'server.pem': pair.cert, 'server-key.pem': pair.key })) await writeFile(join(folder, name), text, { mode: 0o644 })
    await chmod(folder, 0o755)
    const remote = await mosquitto(t, `allow_anonymous true\nuser root\ncafile ${folder}/ca.pem\ncertfile ${folder}/server.pem\nkeyfile ${folder}/server-key.pem\nrequire_certificate true`, 'mqtts')
    const local = await aedesBroker(t)
    const mine = authority.issue('bridge')
    const bridge = makeBridge(t, local, remote, { topics: [row('out', 'a')], tls: { ca: authority.cert, ...mine } })
    const ready = connected(bridge)
    bridge.open()
    await ready
    const there = await listen(t, remote, { ca: authority.cert, ...mine })
    await (await client(t, local)).publishAsync('a', 'secret', { qos: 1 })
    await there.came(1)

    const distrustful = makeBridge(t, local, remote, { topics: [row('out', 'a')], tls: mine })
    const problem = waitFor<PlatziverseError>(distrustful, 'problem')
    distrustful.open()
    assert.equal((await problem).code, 'BRIDGE_CERTIFICATE_REFUSED')
  })
})

test('a topic that the other broker does not let it hear is told, and the others come', async t => {
  const local = await aedesBroker(t)
  const refusing = await aedesBroker(t, { authorizeSubscribe: (_client, subscription, done) => { done(null, subscription.topic === 'no' ? null : subscription) } })
  const here = await listen(t, local)
  const bridge = makeBridge(t, local, refusing, { topics: [row('in', 'no'), row('in', 'yes')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  const { code, detail } = await problem
  assert.equal(code, 'BRIDGE_SUBSCRIPTION_REFUSED')
  assert.match(detail, /: no\./)
  const b = await client(t, refusing)
  await b.publishAsync('no', '1', { qos: 1 })
  await b.publishAsync('yes', '2', { qos: 1 })
  await here.came(1)
  assert.deepEqual(here.texts(), ['yes 2'])
})

/** A broker that knows no bridges: it answers protocol level 0x84 with CONNACK 1, as HiveMQ does, or hangs up. */
function withoutBridges (answer: boolean): (socket: Socket) => Socket {
  return socket => {
    const read = socket.read.bind(socket)
    let isFirst = true
    socket.read = size => {
      const chunk = read(size) as Buffer | null
      if (chunk === null || !isFirst) return chunk
      isFirst = false
      if (chunk[8] !== 0x84) return chunk
      if (answer) socket.end(mqttPacket.generate({ cmd: 'connack', returnCode: 1, sessionPresent: false }))
      else socket.destroy()
      return null
    }
    return socket
  }
}

for (const [name, answer] of [['refuses', true], ['hangs up on', false]] as const) {
  test(`with a broker that ${name} bridges, each message still crosses once: its echo is dropped`, async t => {
    const [local, remote] = [await aedesBroker(t), await aedesBroker(t, {}, withoutBridges(answer))]
    const [here, there] = [await listen(t, local), await listen(t, remote)]
    const bridge = await openBridge(t, local, remote, { topics: [row('both', '#')] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    for (let i = 0; i < 20; i++) await a.publishAsync('same', 'text', { qos: 1 })
    await until(() => bridge.statistics(), ({ loops }) => loops === 20)
    await b.publishAsync('same', 'text', { qos: 1 })
    await b.publishAsync('end', '', { qos: 1 })
    for (const side of [here, there]) {
      await until(() => side.texts(), texts => texts.includes('end '))
      assert.equal(side.texts().filter(text => text === 'same text').length, 21)
    }
  })
}

test('two bridges between the same brokers carry each message once each, and no more', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const [here, there] = [await listen(t, local), await listen(t, remote)]
  for (let i = 0; i < 2; i++) await openBridge(t, local, remote, { topics: [row('both', 'a')] })
  const publisher = await client(t, local)
  await publisher.publishAsync('a', 'x', { qos: 1 })
  const copies = ({ texts }: typeof here): number => texts().filter(text => text === 'a x').length
  await until(() => [copies(here), copies(there)], ([a, b]) => a === 3 && b === 2)
  // The two copies there come back, each by the bridge that did not bring it, and go no further.
  await publisher.publishAsync('a', 'end', { qos: 1 })
  await until(() => here.texts().filter(text => text === 'a end').length, n => n === 3)
  assert.deepEqual([copies(here), copies(there)], [3, 2])
})

test('brokers that bridge to each other do not send a message round for ever, and say so', async t => {
  const [one, other] = [await aedesBroker(t), await aedesBroker(t)]
  // aedes hangs up on a session that subscribes while something is published to it.
  const options = { topics: [row('out', 'a/#'), row('both', 'b')], clean: true }
  const there = await listen(t, other)
  const bridges = [makeBridge(t, one, other, options), makeBridge(t, other, one, options)] as const
  // It is said once, and what probes whether a bridge has subscribed may come round often enough.
  const problem = Promise.race(bridges.map(bridge => waitFor<PlatziverseError>(bridge, 'problem')))
  await open(t, bridges[0], other, options)
  await open(t, bridges[1], one, options)
  const publisher = await client(t, one)
  await publisher.publishAsync('a/b', 'round', { qos: 1 })
  await publisher.publishAsync('b', 'round', { qos: 1 })
  const { code, message } = await problem
  assert.equal(code, 'BRIDGE_LOOP', message)
  // Nothing moves any more once nothing was counted for a while.
  const sum = (): string => bridges.map(bridge => JSON.stringify(bridge.statistics())).join()
  let before = ''
  await until(async () => {
    before = sum()
    await new Promise(resolve => { setTimeout(resolve, 200) })
    return sum()
  }, after => after === before)
  assert.ok(there.got.length < 200, `${there.got.length}`)
})

test('a bridge to the broker that it belongs to gives up and says so', async t => {
  const local = await aedesBroker(t)
  const bridge = makeBridge(t, local, local, { topics: [row('both', '#')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  bridge.open()
  assert.equal((await problem).code, 'BRIDGE_TO_ITSELF')
  assert.equal(bridge.state.state, 'closed')
})

test('the buffer is bounded: what comes beyond is dropped, counted and told once', async t => {
  const local = await aedesBroker(t)
  const remote = { url: `mqtt://127.0.0.1:${await freePort()}` }
  const bridge = makeBridge(t, local, remote, { topics: [row('out', 'a')], buffer: { messages: 10 } })
  const problems: string[] = []
  bridge.on('problem', ({ code }) => { problems.push(code) })
  bridge.open()
  const a = await client(t, local)
  for (let i = 0; i < 15; i++) await a.publishAsync('a', String(i), { qos: 1 })
  await a.publishAsync('a', 'QoS 0 does not wait', { qos: 0 })
  await until(() => bridge.statistics(), ({ dropped }) => dropped === 6)
  await until(() => problems, ({ length }) => length === 2)
  assert.deepEqual(problems.sort(), ['BRIDGE_BUFFER_FULL', 'BRIDGE_UNREACHABLE'])
  const left = await bridge.close()
  assert.deepEqual(left.map(({ payload }) => String(payload)), Array.from({ length: 10 }, (_, i) => String(i)))
  // What was left goes with the next bridge.
  const other = await aedesBroker(t)
  const there = await listen(t, other)
  const next = new Bridge(local, { id: 'next', url: other.url, topics: [row('out', 'a')] }, left)
  t.after(() => next.close(100))
  next.open()
  await there.came(10)
  assert.deepEqual(there.texts(), left.map(({ payload }) => `a ${String(payload)}`))
})

test('a connection that breaks again and again loses nothing of QoS 1', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const got: Record<'here' | 'there', Set<string>> = { here: new Set(), there: new Set() }
  local.subscribe('in', ({ payload }) => { if (String(payload) !== 'probe') got.here.add(String(payload)) })
  remote.subscribe('out', ({ payload }) => { got.there.add(String(payload)) })
  await openBridge(t, local, remote, { topics: [row('in', 'in'), row('out', 'out')] })
  for (let i = 0; i < 500; i++) {
    await Promise.all([
      local.publish({ topic: 'out', payload: String(i), qos: 1, retain: false }),
      remote.publish({ topic: 'in', payload: String(i), qos: 1, retain: false })
    ])
    if (i % 50 === 25) remote.cut()
    if (i % 5 === 0) await new Promise(resolve => { setTimeout(resolve, 5) })
  }
  await until(() => [got.here.size, got.there.size], ([here, there]) => here === 500 && there === 500)
  const order = Array.from({ length: 500 }, (_, i) => String(i))
  assert.deepEqual([...got.there], order)
  // aedes sends what waited for a session between what is new.
  assert.deepEqual([...got.here].sort((a, b) => Number(a) - Number(b)), order)
})

test('what this broker refuses is dropped and told, and what follows comes', async t => {
  const [local, remote] = [await aedesBroker(t), await aedesBroker(t)]
  const here: string[] = []
  const refusing: LocalBroker = {
    ...local,
    async publish ({ payload }) {
      if (String(payload) === 'bad') throw new PlatziverseError('PUBLISH_FAILED', 'It was refused.')
      here.push(String(payload))
    }
  }
  const bridge = await openBridge(t, refusing, remote, { topics: [row('in', 'a')] })
  const problem = waitFor<PlatziverseError>(bridge, 'problem')
  const b = await client(t, remote)
  await b.publishAsync('a', 'bad', { qos: 1 })
  await b.publishAsync('a', 'good', { qos: 1 })
  assert.equal((await problem).code, 'BRIDGE_LOCAL_REFUSED')
  await until(() => here, texts => texts.includes('good'))
  assert.equal(bridge.statistics().dropped, 1)
})

for (const [name, options] of Object.entries({
  'no address': { url: 'nowhere' },
  'an address of another protocol': { url: 'http://192.0.2.1' },
  'no topics': { topics: [] },
  'a wrong filter': { topics: [row('in', 'a#')] },
  'an empty topic': { topics: [row('in', '')] },
  'a wildcard in a prefix': { topics: [row('in', 'a', { localPrefix: '+/' })] },
  'a wrong QoS': { topics: [row('in', 'a', { qos: 3 as never })] },
  'a wrong buffer': { buffer: { messages: 0 } },
  'a certificate that is none': { url: 'mqtts://192.0.2.1', tls: { cert: 'none', key: 'none' } }
})) {
  test(`${name} is an error that names it`, () => {
    const local: LocalBroker = { publish: async () => undefined, subscribe: () => () => undefined, async * retained () {} }
    assert.throws(() => new Bridge(local, { id: 'a', url: 'mqtt://192.0.2.1', topics: [row('in', 'a')], ...options }), { code: 'BRIDGE_OPTION_INVALID' })
  })
}

test('of several rows the first that matches decides, and nothing is subscribed to twice', () => {
  const topics = new BridgeTopics([
    row('out', 'a/b', { remotePrefix: 'first/' }), row('out', 'a/#', { remotePrefix: 'second/', qos: 2 }), row('both', '+/b', { qos: 0 })
  ])
  assert.deepEqual(topics.outward('a/b'), { topic: 'first/a/b', qos: 1 })
  assert.deepEqual(topics.outward('a/c'), { topic: 'second/a/c', qos: 2 })
  assert.deepEqual(topics.outward('c/b'), { topic: 'c/b', qos: 0 })
  assert.equal(topics.outward('c'), undefined)
  assert.deepEqual(topics.local, [{ filter: 'a/#', qos: 2 }, { filter: '+/b', qos: 1 }])
  assert.deepEqual(topics.remote, [{ filter: '+/b', qos: 0 }])
  assert.deepEqual([topics.isFirst(0, 'a/b'), topics.isFirst(1, 'a/b'), topics.isFirst(1, 'c/b')], [true, false, true])
})

test('the buffer keeps its order, also of what is put back', () => {
  const buffer = new BridgeBuffer({ messages: 5000, bytes: 1e6 }, 2)
  const message = (i: number) => ({ topic: String(i), payload: Buffer.from('x'), qos: 1 as const, retain: false })
  for (let i = 0; i < 3000; i++) assert.ok(buffer.add(message(i)))
  for (let i = 0; i < 2000; i++) buffer.remove(buffer.take()!)
  const taken = buffer.take()!
  buffer.putBack(taken)
  assert.deepEqual(buffer.all().map(({ topic }) => topic), Array.from({ length: 1000 }, (_, i) => String(2000 + i)))
  assert.equal(buffer.take(), taken)
  assert.ok(buffer.take())
  assert.equal(buffer.take(), undefined, 'the window is full')
  assert.equal(buffer.bytes, 5000)
  assert.equal(buffer.add({ ...message(1), payload: Buffer.alloc(1e6) }), false)
})

test('many publishers of the same text are no loop, and what is forgotten is no echo', () => {
  let now = 0
  const guard = new LoopGuard(() => now)
  const text = Buffer.from('on')
  for (; now < 60_000; now += 600) for (const publisher of ['a', 'b']) assert.equal(guard.leaves('t', text, publisher), false)
  guard.echoes('t', text)
  assert.equal(guard.returns('t', text), true)
  assert.equal(guard.returns('t', text), false)
  guard.echoes('t', text)
  now += 10_000
  assert.equal(guard.returns('t', text), false)
})
