import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { register } from 'prom-client'
import type { BrokerSnapshot } from '../../../../lib/broker/snapshot.ts'
import { BrokerMetrics } from '../../../../lib/broker/watching/prometheus.ts'
import { openBroker } from '../../../helpers/broker.ts'

function snapshot (changes: Partial<BrokerSnapshot> = {}): BrokerSnapshot {
  return {
    startedAt: 500,
    clients: { connected: 3, byVersion: { '3.1': 0, '3.1.1': 1, '5': 2 }, maximum: 5, disconnected: 2, expired: 1, total: 5 },
    messages: { received: 100, sent: 90, publishReceived: 40, publishSent: 30, publishDropped: 7, stored: 6 },
    bytes: { received: 1000, sent: 900, publishReceived: 400, publishSent: 300 },
    retained: 4,
    subscriptions: 8,
    connections: { accepted: 9, refused: 2, sockets: 0, connects: 0 },
    refusedBy: { credentials: 2, subscriptionsPerClient: 1 },
    droppedBy: { rules: 5, slowReader: 2 },
    agents: 11,
    unsettled: 12,
    waiting: 13,
    rejected: 14,
    ...changes
  }
}

const metrics = new BrokerMetrics()

/** The samples of the text, by their series. */
async function samples (...brokers: Array<[string, string, BrokerSnapshot]>): Promise<Record<string, string>> {
  const text = await metrics.collect(brokers.map(([id, name, snapshot]) => ({ id, name, snapshot })))
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]))
}

test('every number of the snapshot has its series', async () => {
  const { 'platziverse_broker_start_time_seconds{broker="Hall"}': started, ...rest } = await samples(['id1', 'Hall', snapshot()])
  assert.equal(Number(started), (performance.timeOrigin + 500) / 1000)
  assert.deepEqual(rest, {
    'platziverse_broker_clients_connected{broker="Hall"}': '3',
    'platziverse_broker_clients_by_version{broker="Hall",version="3.1"}': '0',
    'platziverse_broker_clients_by_version{broker="Hall",version="3.1.1"}': '1',
    'platziverse_broker_clients_by_version{broker="Hall",version="5"}': '2',
    'platziverse_broker_clients_maximum{broker="Hall"}': '5',
    'platziverse_broker_clients_disconnected{broker="Hall"}': '2',
    'platziverse_broker_clients_expired_total{broker="Hall"}': '1',
    'platziverse_broker_messages_received_total{broker="Hall"}': '100',
    'platziverse_broker_messages_sent_total{broker="Hall"}': '90',
    'platziverse_broker_messages_queued{broker="Hall"}': '6',
    'platziverse_broker_messages_retained{broker="Hall"}': '4',
    'platziverse_broker_publish_messages_received_total{broker="Hall"}': '40',
    'platziverse_broker_publish_messages_sent_total{broker="Hall"}': '30',
    'platziverse_broker_bytes_received_total{broker="Hall"}': '1000',
    'platziverse_broker_bytes_sent_total{broker="Hall"}': '900',
    'platziverse_broker_publish_bytes_received_total{broker="Hall"}': '400',
    'platziverse_broker_publish_bytes_sent_total{broker="Hall"}': '300',
    'platziverse_broker_subscriptions{broker="Hall"}': '8',
    'platziverse_broker_connections_accepted_total{broker="Hall"}': '9',
    'platziverse_broker_connections_refused_total{broker="Hall"}': '2',
    'platziverse_broker_refused_total{broker="Hall",reason="credentials"}': '2',
    'platziverse_broker_refused_total{broker="Hall",reason="subscriptionsPerClient"}': '1',
    'platziverse_broker_dropped_total{broker="Hall",reason="rules"}': '5',
    'platziverse_broker_dropped_total{broker="Hall",reason="slowReader"}': '2',
    'platziverse_agents_connected{broker="Hall"}': '11',
    'platziverse_deliveries_unsettled{broker="Hall"}': '12',
    'platziverse_deliveries_waiting{broker="Hall"}': '13',
    'platziverse_messages_rejected_total{broker="Hall"}': '14'
  })
})

test('every metric has a description, and the names of counters end in _total', async () => {
  const lines = (await metrics.collect([{ id: 'id1', name: '', snapshot: snapshot() }])).split('\n')
  const names = new Set(lines.filter(line => /^\w/.test(line)).map(line => line.replace(/\{.*/, '')))
  assert.equal(names.size, 25)
  for (const name of names) {
    assert.equal(lines.filter(line => line === `# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}`).length, 1, name)
    assert.equal(lines.filter(line => line.startsWith(`# HELP ${name} `) && line.endsWith('.')).length, 1, name)
  }
  assert.equal(metrics.contentType, 'text/plain; version=0.0.4; charset=utf-8')
})

test('a broker is labelled with its name, and also with its id where the name is not unique', async () => {
  const state = snapshot()
  const all = await samples(['id1', 'Hall', state], ['id2', '', state], ['id3', 'Cellar', state], ['id4', 'Cellar', state])
  const connected = Object.keys(all).filter(series => series.startsWith('platziverse_broker_clients_connected'))
  assert.deepEqual(connected, ['Hall', 'id2', 'id3', 'id4'].map(label => `platziverse_broker_clients_connected{broker="${label}"}`))
})

test('a name with quotes, backslashes and lines stays one label', async () => {
  const all = await samples(['id1', 'a"b\\c\nd", reason="x', snapshot()])
  assert.equal(all['platziverse_broker_clients_connected{broker="a\\"b\\\\c\\nd\\", reason=\\"x"}'], '3')
  assert.equal(Object.keys(all).length, 29)
})

test('each call tells of now: a counter that began anew, and no broker that went', async () => {
  await samples(['id1', 'Hall', snapshot()], ['id2', 'Cellar', snapshot()])
  const all = await samples(['id1', 'Hall', snapshot({ connections: { accepted: 1, refused: 0, sockets: 0, connects: 0 }, refusedBy: {} })])
  assert.equal(all['platziverse_broker_connections_accepted_total{broker="Hall"}'], '1')
  assert.equal(all['platziverse_broker_connections_refused_total{broker="Hall"}'], '0')
  assert.deepEqual(Object.keys(all).filter(series => /refused_total.*reason|Cellar/.test(series)), [])
})

test('two calls at one time do not mix', async () => {
  const both = await Promise.all([1, 2].map(agents => samples(['id1', 'Hall', snapshot({ agents })])))
  assert.deepEqual(both.map(all => all['platziverse_agents_connected{broker="Hall"}']), ['1', '2'])
})

test('without brokers there are no samples, and other users of prom-client see nothing of ours', async () => {
  assert.deepEqual(await samples(), {})
  assert.deepEqual(register.getMetricsAsArray(), [])
})

test('a real broker can be watched', async (t: TestContext) => {
  const broker = await openBroker(t)
  await broker.client()
  const now = broker.place.snapshot()
  assert.ok(now !== undefined)
  const all = await samples([broker.id, '', now])
  assert.equal(all[`platziverse_broker_clients_connected{broker="${broker.id}"}`], '1')
  const started = Number(all[`platziverse_broker_start_time_seconds{broker="${broker.id}"}`])
  assert.ok(Math.abs(started - Date.now() / 1000) < 10, `${started}`)
})
