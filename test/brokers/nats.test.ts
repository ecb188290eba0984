import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { underFire } from '../helpers/cluster-under-fire.ts'
import { closing, until } from '../helpers/events.ts'
import { manualClient, type ManualClient } from '../helpers/manual-client.ts'
import { openNats, withoutNats } from '../helpers/nats.ts'
import { outline, payloads } from '../helpers/outline.ts'
import { openRemote, remoteOptions } from '../helpers/remote-broker.ts'
import { rawSocket } from '../helpers/raw-client.ts'

// What docs/scaling.md says of NATS 2.9, as a cluster of three with JetStream, towards a worker that holds back its acknowledgements.

const kept = { clean: false }

test('NATS', { skip: withoutNats }, async t => {
  const cluster = await openNats(t, { nodes: 3, mqtt: 'ack_wait: "2s", max_ack_pending: 30' })
  const port = (node: number): number => cluster.ports[node] as number

  async function publish (t: TestContext, topic: string, ...texts: string[]): Promise<void> {
    const publisher = await manualClient(t, port(0), `publisher of ${topic}`)
    for (const text of texts) assert.equal(await publisher.publish(topic, text), true)
    await publisher.end()
  }

  /** While a leader is elected, other nodes hang up. */
  async function patiently<T> (attempt: () => Promise<T>): Promise<T> {
    let result: T | undefined
    await until(async () => { result = await attempt().catch(() => undefined) }, () => result !== undefined)
    return result as T
  }

  await t.test('gives what is not acknowledged within ack_wait again on the same connection, under the same packet ids', async t => {
    const worker = await manualClient(t, port(0), 'waits', kept)
    await worker.subscribe('waits')
    await publish(t, 'waits', 'm0', 'm1', 'm2')
    await worker.atLeast(3)
    worker.acknowledge(2)
    assert.deepEqual(outline(await worker.atLeast(5)), ['m0 #1', 'm1 #2', 'm2 #3', 'm0 #1 again', 'm2 #3 again'])
  })

  await t.test('gives a kept session what is new before what it had before', async t => {
    const worker = await manualClient(t, port(0), 'kept', kept)
    await worker.subscribe('kept')
    await publish(t, 'kept', 'm0', 'm1')
    await worker.atLeast(2)
    await worker.end()
    await publish(t, 'kept', 'm2')
    const again = await manualClient(t, port(0), 'kept', kept)
    assert.equal(again.connack.sessionPresent, true)
    assert.deepEqual(outline(await again.atLeast(3)), ['m2 #3', 'm0 #1 again', 'm1 #2 again'])
  })

  await t.test('gives max_ack_pending at one time, and one more for each acknowledgement, in whatever order', async t => {
    const worker = await manualClient(t, port(0), 'window', kept)
    await worker.subscribe('window')
    await publish(t, 'window', ...Array.from({ length: 35 }, (_, i) => `m${i}`))
    const different = (): number => new Set(payloads(worker.received)).size
    await until(different, count => count >= 30)
    await worker.settled()
    assert.equal(different(), 30)
    worker.acknowledge(30, 2, 2, 60_000)
    await until(different, count => count >= 32)
    await worker.settled()
    assert.equal(different(), 32)
    assert.equal(worker.closed, false)
    worker.cut()
  })

  await t.test('takes $share for a topic like any other, and says nothing of it', async t => {
    const worker = await manualClient(t, port(0), 'share')
    assert.deepEqual((await worker.subscribe('$share/workers/agent/+'))?.granted, [1])
    await publish(t, 'agent/message', 'shared')
    await publish(t, '$share/workers/agent/message', 'literal')
    assert.deepEqual(payloads(await worker.atLeast(1)), ['literal'])
  })

  await t.test('hangs up on those that publish to a topic with a dot or a space, or with QoS 2, and refuses a subscription to such a topic', async t => {
    for (const topic of ['config_change/a.b', 'config_change/a b']) {
      const client = await manualClient(t, port(0), 'dots')
      assert.deepEqual((await client.subscribe(topic))?.granted, [0x80])
      assert.equal(await client.publish(topic, ''), false)
    }
    const client = await manualClient(t, port(0), 'two')
    assert.deepEqual((await client.subscribe('two', 2))?.granted, [1])
    assert.equal(await client.publish('two', '', { qos: 2 }), false)
  })

  await t.test('hangs up on a worker too, which gives that message up and sends those behind it', async t => {
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port(0)}`, { group: '', version: '3.1.1' }))
    await remote.connected()
    const watcher = await manualClient(t, port(0), 'behind')
    await watcher.subscribe('behind')
    const publish = (topic: string): Promise<unknown> => remote.place.publish({ topic, payload: Buffer.from(topic), qos: 1, retain: false })
    await Promise.all([
      assert.rejects(publish('config_change/a.b'), { code: 'PUBLISH_FAILED', message: /^PUBLISH_FAILED: The broker ended the connection each time that it was given a message on "config_change\/a\.b"\./ }),
      publish('behind')
    ])
    assert.ok(payloads(await watcher.atLeast(1)).includes('behind'))
  })

  await t.test('refuses MQTT 5 with code 1 of MQTT 3.1.1', async t => {
    const socket = await rawSocket(t, port(0))
    socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'five', clean: true, keepalive: 0 } as Packet, { protocolVersion: 5 }))
    const [answer] = await once(socket, 'data') as [Buffer]
    assert.equal(answer.toString('hex'), '20020001')
    await closing(socket)
  })

  await t.test('gives the messages of a worker on another node when its own dies, the unacknowledged last', async t => {
    const worker = await manualClient(t, port(1), 'worker', kept)
    await worker.subscribe('cluster')
    await publish(t, 'cluster', 'm0', 'm1')
    await worker.atLeast(2)
    worker.acknowledge(1)
    await worker.settled()
    await cluster.kill(1)
    await until(() => worker.closed, Boolean)
    await patiently(() => publish(t, 'cluster', 'm2').then(() => true))
    const again: ManualClient = await patiently(() => manualClient(t, port(2), 'worker', kept))
    assert.equal(again.connack.sessionPresent, true)
    await until(() => new Set(payloads(again.received)).size, count => count >= 2)
    assert.ok(payloads(again.received).includes('m1'))
    assert.ok(!payloads(again.received).includes('m0'))
    await cluster.restart(1)
  })

  await t.test('loses nothing of a worker whose node dies under load', async t => {
    const { acknowledged, connections } = await underFire(t, cluster, [1])
    // With the first address it found out that MQTT 5 is not spoken here, and went on with the second.
    assert.equal(connections, 2)
    t.diagnostic(`${acknowledged} messages`)
  })
})
