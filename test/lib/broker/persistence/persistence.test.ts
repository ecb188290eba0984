import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test, type TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Client } from 'aedes'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { connect, limits, openBroker, payloads, receive, speak } from '../../../helpers/persistent-broker.ts'

// What every persistence of aedes has to do.
const abstractTests = createRequire(createRequire(import.meta.url).resolve('aedes'))('aedes-persistence/abstract.js') as (options: object) => void
for (const kept of ['in memory', 'on disk']) {
  test(`${kept} it does what aedes asks of a persistence`, async t => {
    const running: Array<Promise<void>> = []
    abstractTests({
      test: (name: string, run: (t: TestContext) => Promise<void>) => running.push(t.test(name, run)),
      testAsync: true,
      persistence: async () => openPersistence({ folder: kept === 'on disk' ? await temporaryFolder(t) : undefined, limits })
    })
    await Promise.all(running)
  })
}

test('a clock that leaps publishes no last will of a client that is here', async t => {
  const { port } = await openBroker(t, { folder: undefined, heartbeatInterval: 20 })
  const [{ got, client }] = await Promise.all([receive(t, port, { clientId: 'reader' }), speak(t, port, 'here', { topic: 'wills', payload: Buffer.from('gone') })])
  await client.subscribeAsync(['wills', 'end'])
  const { now } = Date
  let hours = 0
  t.mock.method(Date, 'now', () => now() + 3_600_000 * hours++)
  // aedes looks for wills after four heartbeats.
  await setTimeout(200)
  await client.publishAsync('end', 'end', { qos: 1 })
  await until(() => got.length, count => count > 0)
  assert.deepEqual(payloads(got), ['end'])
})

test('a filter that is refused is not stored, although another of the same packet is granted', async t => {
  const { port, persistence } = await openBroker(t, { folder: undefined, forbidden: ['secret'] })
  const client = await connect(t, port, { clientId: 'c', clean: false })
  await assert.rejects(client.subscribeAsync(['open', 'secret', 'public'], { qos: 1 }))
  await client.endAsync()
  const publisher = await connect(t, port)
  for (const topic of ['open', 'secret', 'public']) await publisher.publishAsync(topic, 'x', { qos: 1 })
  assert.equal(persistence.counters.offline, 2)
})

test('a session that holds nothing is not kept', async t => {
  const { port, persistence } = await openBroker(t, { folder: undefined })
  const client = await connect(t, port, { clientId: 'c', clean: false })
  assert.equal(persistence.counters.sessions, 1)
  await client.endAsync()
  await until(() => persistence.counters.sessions, count => count === 0)
})

test('a message passes at once where no queue gets it and nothing before it waits for the disk', async t => {
  const persistence = await openPersistence({ folder: await temporaryFolder(t), limits })
  t.after(() => persistence.destroy())
  const packet = { cmd: 'publish', topic: 'other', payload: Buffer.from('x'), qos: 1, retain: true, dup: false, brokerId: 'b', brokerCounter: 1 } as const
  assert.equal(persistence.isPassing('t', 1), true)
  const stored = persistence.storeRetained(packet)
  assert.deepEqual([0, 1].map(qos => persistence.isPassing('t', qos)), [true, false])
  await stored
  await until(() => persistence.isPassing('t', 1), is => is)
  const client = { id: 'away', clean: false } as Client
  persistence.clientCame('away', false)
  await persistence.addSubscriptions(client, [{ topic: 't/+', qos: 1 }])
  await until(() => persistence.isPassing('t', 1), is => is)
  assert.deepEqual([0, 1].map(qos => persistence.isPassing('t/1', qos)), [true, false])
})
