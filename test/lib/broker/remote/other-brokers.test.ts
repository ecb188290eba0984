import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { openIntake, removeBroker, type Heard } from '../../../helpers/broker.ts'
import type { BrokerCluster } from '../../../helpers/broker-cluster.ts'
import { until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openNats, withoutNats } from '../../../helpers/nats.ts'
import { openRabbitmq, withoutRabbitmq } from '../../../helpers/rabbitmq.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { tcpProxy } from '../../../helpers/tcp-proxy.ts'

// What these two do otherwise than Mosquitto; see docs/scaling.md.

const first = 1_700_000_000_000
const timesOf = (heard: Heard[]): number[] => heard.map(({ incoming }) => (incoming?.payload as { timestamp: number }).timestamp - first)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

async function publisher (t: TestContext, port: number): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
  t.after(() => { client.end(true) })
  return client
}

async function publish (client: MqttClient, count: number, from = 0): Promise<void> {
  for (let i = 0; i < count; i++) await client.publishAsync('agent/message', reading('a', { timestamp: first + from + i }), { qos: 1 })
}

/** Breaks the worker's connection with five messages that are not settled, and sees that the flow gets none of them twice. */
async function breaks (t: TestContext, port: number): Promise<void> {
  const proxy = await tcpProxy(t, port)
  const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${proxy.port}`, { group: '' }))
  const { heard } = openIntake(t, remote.id, { timeLimit: 60_000 })
  await remote.connected()
  const client = await publisher(t, port)
  await publish(client, 5)
  await until(() => heard.length, length => length === 5)
  for (const socket of proxy.clients) socket.destroy()
  await until(() => remote.place.listener.state, state => state !== 'connected')
  await remote.connected()
  // Behind those that come again.
  await publish(client, 3, 5)
  await until(() => heard.length, length => length >= 8)
  assert.deepEqual(timesOf(heard), upTo(8))
  heard.forEach(one => { claim(one).settle() })
  await until(() => remote.place.statistics().received, received => received === 8)
  assert.deepEqual(remote.problems.map(({ code }) => code).filter(code => code !== 'BROKER_UNREACHABLE'), [])
  await removeBroker(remote.id)
}

async function cannotShare (t: TestContext, { ports: [port = 0] }: BrokerCluster): Promise<void> {
  const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`))
  openIntake(t, remote.id)
  await until(() => remote.problems.map(({ code }) => code), codes => codes.includes('BROKER_CANNOT_SHARE'))
  assert.equal(remote.place.listener.state, 'failed')
}

suite('RabbitMQ', { skip: withoutRabbitmq }, () => {
  test('version 3.1.1 by itself, new packet ids after a break, and no shared subscriptions', async t => {
    const rabbitmq = await openRabbitmq(t)
    await breaks(t, rabbitmq.ports[0] ?? 0)
    await cannotShare(t, rabbitmq)
  })
})

suite('NATS', { skip: withoutNats }, () => {
  test('version 3.1.1 by itself, messages that come again after a break and while they are on their way, and no shared subscriptions', async t => {
    const nats = await openNats(t, { mqtt: 'ack_wait: "1s"' })
    await breaks(t, nats.ports[0] ?? 0)
    await cannotShare(t, nats)
  })
})
