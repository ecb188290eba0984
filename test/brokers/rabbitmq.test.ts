import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { underFire } from '../helpers/cluster-under-fire.ts'
import { closing, until } from '../helpers/events.ts'
import { manualClient, type ManualClient } from '../helpers/manual-client.ts'
import { outline, payloads } from '../helpers/outline.ts'
import { openRabbitmq, withoutRabbitmq } from '../helpers/rabbitmq.ts'
import { rawSocket } from '../helpers/raw-client.ts'

// What docs/scaling.md says of RabbitMQ 3.10, as a cluster of three with quorum queues, towards a worker that holds back its acknowledgements.

const kept = { clean: false }

test('RabbitMQ', { skip: withoutRabbitmq }, async t => {
  const cluster = await openRabbitmq(t, { nodes: 3, configuration: 'mqtt.prefetch = 100' })
  const port = (node: number): number => cluster.ports[node] as number

  async function publish (t: TestContext, topic: string, ...texts: string[]): Promise<void> {
    const publisher = await manualClient(t, port(0), `publisher of ${topic}`)
    for (const text of texts) assert.equal(await publisher.publish(topic, text), true)
    await publisher.end()
  }

  await t.test('gives a kept session what it did not acknowledge before it subscribes again, in order, on any node, under new packet ids', async t => {
    const worker = await manualClient(t, port(0), 'kept', kept)
    await worker.subscribe('kept')
    await publish(t, 'kept', 'm0', 'm1', 'm2', 'm3')
    await worker.atLeast(4)
    worker.acknowledge(1, 3)
    await worker.settled()
    worker.cut()
    const again = await manualClient(t, port(1), 'kept', kept)
    assert.equal(again.connack.sessionPresent, true)
    assert.deepEqual(outline(await again.atLeast(2)), ['m1 #1 again', 'm3 #2 again'])
  })

  await t.test('gives mqtt.prefetch at one time, and one more for each acknowledgement, in whatever order', async t => {
    const worker = await manualClient(t, port(0), 'window', kept)
    await worker.subscribe('window')
    await publish(t, 'window', ...Array.from({ length: 105 }, (_, i) => `m${i}`))
    await worker.atLeast(100)
    assert.equal((await worker.settled()).length, 100)
    worker.acknowledge(100, 2, 2, 60_000)
    assert.equal((await worker.atLeast(102)).length, 102)
    assert.equal((await worker.settled()).length, 102)
    assert.equal(worker.closed, false)
  })

  await t.test('takes $share for a topic like any other, and says nothing of it', async t => {
    const worker = await manualClient(t, port(0), 'share')
    assert.deepEqual((await worker.subscribe('$share/workers/agent/+'))?.granted, [1])
    await publish(t, 'agent/message', 'shared')
    await publish(t, '$share/workers/agent/message', 'literal')
    assert.deepEqual(payloads(await worker.atLeast(1)), ['literal'])
  })

  await t.test('makes a level of each dot in a topic', async t => {
    const watcher = await manualClient(t, port(0), 'dots')
    await watcher.subscribe('config_change/#')
    await watcher.subscribe('other/+')
    await publish(t, 'other/a.b', 'unseen')
    await publish(t, 'config_change/a.b', 'seen')
    assert.deepEqual((await watcher.atLeast(1)).map(({ topic }) => topic), ['config_change/a/b'])
  })

  await t.test('gives what is retained to those that subscribe to its very topic only', async t => {
    const publisher = await manualClient(t, port(0), 'retains')
    await publisher.publish('retained/a', 'state', { retain: true })
    const watcher = await manualClient(t, port(0), 'watches')
    await watcher.subscribe('retained/+')
    await watcher.subscribe('retained/a')
    const [message] = await watcher.atLeast(1)
    assert.equal(message?.retain, true)
    assert.equal((await watcher.settled()).length, 1)
  })

  await t.test('answers QoS 2 as if it were QoS 1', async t => {
    const client = await manualClient(t, port(0), 'two')
    assert.deepEqual((await client.subscribe('two', 2))?.granted, [1])
    client.send({ cmd: 'publish', topic: 'two', payload: '', qos: 2, messageId: 7, dup: false, retain: false } as Packet)
    await until(() => client.packets.some(({ cmd, messageId }) => cmd === 'puback' && messageId === 7), Boolean)
  })

  await t.test('hangs up on MQTT 5 without an answer', async t => {
    const socket = await rawSocket(t, port(0))
    let bytes = 0
    socket.on('data', ({ length }) => { bytes += length })
    socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clientId: 'five', clean: true, keepalive: 0 } as Packet, { protocolVersion: 5 }))
    await closing(socket)
    assert.equal(bytes, 0)
  })

  await t.test('gives the messages of a worker on another node when its own dies, and leaves the workers of others connected', async t => {
    const workers = await Promise.all([0, 1].map(async node => {
      const worker = await manualClient(t, port(node), `worker ${node}`, kept)
      await worker.subscribe('cluster')
      return worker
    }))
    const [stays, moves] = workers as [ManualClient, ManualClient]
    await publish(t, 'cluster', 'm0', 'm1')
    for (const worker of workers) await worker.atLeast(2)
    moves.acknowledge(1)
    await moves.settled()
    await cluster.kill(1)
    await until(() => moves.closed, Boolean)
    // The cluster may hang up on a publisher at this moment.
    await until(() => publish(t, 'cluster', 'm2').then(() => true, () => false), Boolean)
    assert.equal(payloads(await stays.atLeast(3)).at(2), 'm2')
    assert.equal(stays.closed, false)
    const again = await manualClient(t, port(2), 'worker 1', kept)
    assert.equal(again.connack.sessionPresent, true)
    assert.deepEqual(payloads(await again.atLeast(2)).slice(0, 2), ['m1', 'm2'])
    await cluster.restart(1)
  })

  await t.test('loses nothing of a worker whose node dies under load', async t => {
    const { acknowledged, connections } = await underFire(t, cluster, [1])
    // With the first address it found out that MQTT 5 is not spoken here, and went on with the second.
    assert.equal(connections, 2)
    t.diagnostic(`${acknowledged} messages`)
  })
})
