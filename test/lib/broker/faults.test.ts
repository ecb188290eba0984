import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import type { Broker, Taker } from '../../../lib/broker/broker.ts'
import { openEmbeddedBroker } from '../../../lib/broker/embedded.ts'
import { brokerOptions, type TestOptions } from '../../helpers/broker.ts'
import { until } from '../../helpers/events.ts'

const fault = (): never => { throw new Error('a fault of ours') }

/** A broker whose parts fail at the topic or filter `fault`. */
async function open (t: TestContext, taker: Partial<Taker>, options: TestOptions = {}): Promise<{ broker: Broker, come (clientId: string): Promise<MqttClient> }> {
  const broker = await openEmbeddedBroker({ takes: () => false, take: fault, gone: () => undefined, ...taker }, brokerOptions(options))
  t.after(() => broker.close())
  const [state] = await until(() => [...broker.listenerStates], ([state]) => state?.state === 'listening')
  return {
    broker,
    async come (clientId) {
      const client = await connectAsync(`mqtt://127.0.0.1:${state?.state === 'listening' ? state.port : 0}`, { clientId, reconnectPeriod: 0 })
      client.on('error', () => undefined)
      t.after(() => { client.end(true) })
      return client
    }
  }
}

async function liveOn (...clients: MqttClient[]): Promise<void> {
  for (const client of clients) await client.publishAsync('other', 'x', { qos: 1 })
}

for (const [name, taker] of [
  ['asking who takes a message', { takes: (topic: string) => topic === 'fault' && fault() }],
  ['taking a message', { takes: (topic: string) => topic === 'fault' }]
] as const) {
  for (const qos of [0, 1, 2] as const) {
    test(`a fault in ${name} of QoS ${qos} ends the connection of its publisher alone`, async t => {
      const { come } = await open(t, taker)
      const [one, other] = [await come('one'), await come('other')]
      const closed = once(one as never, 'close')
      one.publish('fault', 'x', { qos }, () => undefined)
      await closed
      await liveOn(other)
    })
  }

  test(`a fault in ${name} that waited for its turn ends the connection of its publisher alone`, async t => {
    const { broker, come } = await open(t, taker, { limits: { messageRate: 1 } })
    const [one, other] = [await come('one'), await come('other')]
    for (let i = 0; i < 5; i++) one.publish(i === 4 ? 'fault' : 'other', 'x')
    await once(one as never, 'close')
    assert.equal(broker.statistics().clients, 1)
    await liveOn(other)
  })
}

test('a fault of a subscriber in this process keeps nobody else from a message', async t => {
  const { broker, come } = await open(t, {})
  t.after(broker.subscribe('a', fault))
  const [one, other] = [await come('one'), await come('other')]
  await other.subscribeAsync('a')
  const heard = once(other as never, 'message')
  await one.publishAsync('a', 'x', { qos: 1 })
  await heard
  assert.equal(broker.statistics().droppedBy['subscriber'], 1)
})
