import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connectAsync } from 'mqtt'
import type { BrokerSnapshot } from '../../../../lib/broker/snapshot.ts'
import { SysTopics } from '../../../../lib/broker/watching/sys-topics.ts'
import { openBroker } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'

const startedAt = 500

function snapshot (): BrokerSnapshot {
  return {
    startedAt,
    clients: { connected: 3, byVersion: { '3.1': 0, '3.1.1': 1, '5': 2 }, maximum: 5, disconnected: 2, expired: 1, total: 5 },
    messages: { received: 100, sent: 90, publishReceived: 40, publishSent: 30, publishDropped: 7, stored: 6 },
    bytes: { received: 1000, sent: 900, publishReceived: 400, publishSent: 300 },
    retained: 4,
    subscriptions: 8,
    connections: { accepted: 9, refused: 2, sockets: 12, connects: 11 },
    refusedBy: { credentials: 2 },
    droppedBy: { rules: 5, slowReader: 2 },
    agents: 1,
    unsettled: 0,
    waiting: 0,
    rejected: 0
  }
}

/** The topics of a broker that stands where `state` says, by a clock and a timer that the test moves on. */
function watch (t: TestContext, state: BrokerSnapshot, interval = 10) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const clock = { now: startedAt }
  let told: Array<[string, string]> = []
  const publish = (topic: string, payload: string) => { told.push([topic, payload]) }
  const topics = new SysTopics(() => state, publish, 'test version 1', { interval, now: () => clock.now })
  t.after(() => { topics.stop() })
  return {
    topics,
    /** What is published while that many seconds go by; none: at the start. */
    after (seconds?: number): Record<string, string> {
      told = []
      if (seconds === undefined) {
        topics.start()
      } else {
        clock.now += seconds * 1000
        t.mock.timers.tick(seconds * 1000)
      }
      assert.equal(new Set(told.map(([topic]) => topic)).size, told.length, 'each topic once')
      return Object.fromEntries(told)
    },
    told: () => told
  }
}

const loads = [
  'connections', 'sockets', 'messages/received', 'messages/sent', 'bytes/received', 'bytes/sent',
  'publish/received', 'publish/sent', 'publish/dropped'
].flatMap(name => ['1min', '5min', '15min'].map(span => `$SYS/broker/load/${name}/${span}`))

test('all values are published at the start', t => {
  assert.deepEqual(watch(t, snapshot()).after(), {
    '$SYS/broker/version': 'test version 1',
    '$SYS/broker/uptime': '0 seconds',
    '$SYS/broker/clients/connected': '3',
    '$SYS/broker/clients/active': '3',
    '$SYS/broker/clients/disconnected': '2',
    '$SYS/broker/clients/inactive': '2',
    '$SYS/broker/clients/expired': '1',
    '$SYS/broker/clients/maximum': '5',
    '$SYS/broker/clients/total': '5',
    '$SYS/broker/clients/version/3.1': '0',
    '$SYS/broker/clients/version/3.1.1': '1',
    '$SYS/broker/clients/version/5': '2',
    '$SYS/broker/messages/received': '100',
    '$SYS/broker/messages/sent': '90',
    '$SYS/broker/messages/stored': '10',
    '$SYS/broker/store/messages/count': '10',
    '$SYS/broker/publish/messages/received': '40',
    '$SYS/broker/publish/messages/sent': '30',
    '$SYS/broker/publish/messages/dropped': '2',
    '$SYS/broker/publish/bytes/received': '400',
    '$SYS/broker/publish/bytes/sent': '300',
    '$SYS/broker/bytes/received': '1000',
    '$SYS/broker/bytes/sent': '900',
    '$SYS/broker/retained messages/count': '4',
    '$SYS/broker/subscriptions/count': '8',
    ...Object.fromEntries(loads.map(topic => [topic, '0.00']))
  })
})

test('what changed is published again, and nothing else', t => {
  const state = snapshot()
  const { after } = watch(t, state)
  after()
  assert.deepEqual(after(9), {})
  assert.deepEqual(after(1), { '$SYS/broker/uptime': '10 seconds' })
  state.clients.connected = 4
  state.droppedBy['rules'] = 6
  state.messages.publishDropped = 8
  assert.deepEqual(after(10), {
    '$SYS/broker/uptime': '20 seconds',
    '$SYS/broker/clients/connected': '4',
    '$SYS/broker/clients/active': '4'
  })
})

test('the load rises with a counter and goes down to nothing', t => {
  const state = snapshot()
  const { after } = watch(t, state, 60)
  after()
  state.bytes.received += 600
  const changed = after(60)
  assert.equal(changed['$SYS/broker/load/bytes/received/1min'], (600 * (1 - Math.exp(-1))).toFixed(2))
  assert.equal(changed['$SYS/broker/load/bytes/received/15min'], (600 * (1 - Math.exp(-1 / 15))).toFixed(2))
  const last = new Map<string, string>()
  for (let minute = 0; minute < 200; minute++) for (const [topic, value] of Object.entries(after(60))) last.set(topic, value)
  assert.equal(last.get('$SYS/broker/load/bytes/received/15min'), '0.00')
})

test('nothing is published after it stopped, and what was can be taken back', t => {
  const { topics, after, told } = watch(t, snapshot())
  const published = Object.keys(after())
  topics.stop()
  assert.deepEqual(after(60), {})
  topics.clear()
  assert.deepEqual(told(), published.map(topic => [topic, '']))
})

test('an interval that no timer can wait is a long one', t => {
  const { after } = watch(t, snapshot(), 1e9)
  after()
  assert.deepEqual(after(5), {})
})

interface Running { port: number }

const mosquitto = (t: TestContext): Promise<Running> => openMosquitto(t, 'allow_anonymous true\nuser root\nsys_interval 1')

/** A client, and what it hears of `$SYS`. */
async function listen (t: TestContext, { port }: Running) {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: 'listener', reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  const heard = new Map<string, string>()
  client.on('message', (topic, payload) => { heard.set(topic, payload.toString()) })
  return { client, heard, subscribe: () => client.subscribeAsync('$SYS/#') }
}

/** What Mosquitto 2.0 publishes and we do not. */
const leftOut: Record<string, string> = {
  '$SYS/broker/heap/current': 'the heap is that of all of Node-RED',
  '$SYS/broker/heap/maximum': 'the heap is that of all of Node-RED',
  '$SYS/broker/shared_subscriptions/count': 'shared subscriptions are not counted on their own',
  '$SYS/broker/store/messages/bytes': 'the bytes that are counted are those of topics too'
}

test('names and formats are those of Mosquitto', { skip: withoutMosquitto }, async t => {
  const { heard, subscribe } = await listen(t, await mosquitto(t))
  await subscribe()
  // The last to come: Mosquitto publishes it when there has been a client.
  await until(() => heard, () => heard.has('$SYS/broker/clients/maximum'))
  const ours: Record<string, string> = {}
  const topics = new SysTopics(snapshot, (topic, payload) => { ours[topic] = payload }, '', { interval: 10 })
  topics.start()
  topics.stop()
  const shape = (payload: string | undefined) => payload?.replace(/\d+/g, '0')
  for (const [topic, payload] of Object.entries(ours)) {
    if (topic !== '$SYS/broker/version' && !topic.startsWith('$SYS/broker/clients/version/')) assert.equal(shape(payload), shape(heard.get(topic)), topic)
  }
  const missing = [...heard.keys()].filter(topic => !(topic in ours))
  // A later one may tell more.
  if (/ 2\.0\./.test(heard.get('$SYS/broker/version') ?? '')) assert.deepEqual(missing.filter(topic => !(topic in leftOut)), [])
})

const brokers: Array<[string, string | false, (t: TestContext) => Promise<Running>]> = [
  ['the broker', false, t => openBroker(t, { sys: 1 })],
  ['Mosquitto', withoutMosquitto, mosquitto]
]

for (const [name, skip, open] of brokers) {
  test(`${name} tells the same of the same clients`, { skip }, async t => {
    const broker = await open(t)
    const away = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, { clientId: 'away', clean: false, reconnectPeriod: 0 })
    await away.subscribeAsync('a/#', { qos: 1 })
    await away.endAsync()
    const { client, heard, subscribe } = await listen(t, broker)
    // None is retained: Mosquitto 2.0.11 does not count those as received.
    for (const topic of ['a/1', 'a/2', 'a/3', 'b']) await client.publishAsync(topic, 'hello', { qos: 1 })
    await subscribe()
    const expected = {
      // a/# of the one that is away, and $SYS/# of the one that is here.
      '$SYS/broker/subscriptions/count': '2',
      '$SYS/broker/clients/connected': '1',
      '$SYS/broker/clients/active': '1',
      '$SYS/broker/clients/disconnected': '1',
      '$SYS/broker/clients/inactive': '1',
      '$SYS/broker/clients/total': '2',
      '$SYS/broker/clients/expired': '0',
      // CONNECT, SUBSCRIBE, DISCONNECT; CONNECT, four PUBLISH, SUBSCRIBE
      '$SYS/broker/messages/received': '9',
      '$SYS/broker/publish/messages/received': '4',
      '$SYS/broker/publish/bytes/received': '20',
      '$SYS/broker/publish/messages/dropped': '0',
      '$SYS/broker/bytes/received': '119'
    }
    const stored = () => Number(heard.get('$SYS/broker/messages/stored')) - Number(heard.get('$SYS/broker/retained messages/count'))
    const isExpected = () => stored() === 3 && Object.entries(expected).every(([topic, value]) => heard.get(topic) === value)
    await until(() => Object.fromEntries(heard), isExpected)
  })
}
