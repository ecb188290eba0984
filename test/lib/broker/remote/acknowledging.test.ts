import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import type { Delivered } from '../../../../lib/broker/publication.ts'
import { claimDelivery } from '../../../../lib/intake/pending-deliveries.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'
import { openIntake, removeBroker, type Heard } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openMosquitto, withoutMosquitto, type Mosquitto } from '../../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { tcpProxy } from '../../../helpers/tcp-proxy.ts'

const first = 1_700_000_000_000

async function publisher (t: TestContext, { port }: Mosquitto): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
  t.after(() => { client.end(true) })
  return client
}

/** Readings that are told apart by their time, from `from` on, all acknowledged by the broker. */
async function publish (client: MqttClient, count: number, from = 0): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => client.publishAsync('agent/message', reading('a', { timestamp: first + from + i }), { qos: 1 })))
}

function timesOf (heard: Heard[]): number[] {
  return heard.map(({ incoming }) => (incoming?.payload as { timestamp: number }).timestamp - first)
}

/** Settles what was heard since the last call. @returns how many were settled in all, with the first `done` */
function settler (heard: Heard[], done = 0): () => number {
  return () => {
    while (done < heard.length) claim(heard[done++]).settle()
    return done
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

for (const version of ['5', '3.1.1'] as const) {
  suite(`a broker elsewhere, MQTT ${version}`, { skip: withoutMosquitto }, () => {
    test('a delivery and a message to this process have what their publisher said, with MQTT 5', async t => {
      const mosquitto = await openMosquitto(t)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { version }))
      const { heard } = openIntake(t, remote.id, { acknowledge: 'arrival' })
      const here: Delivered[] = []
      t.after(remote.place.subscribe('other', message => { here.push(message) }))
      await remote.connected()
      const client = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`, { protocolVersion: 5 })
      t.after(() => { client.end(true) })
      const properties = { contentType: 'application/json', correlationData: Buffer.of(1), payloadFormatIndicator: true, userProperties: { a: ['1', '2'] } }
      // Retained, because nobody says when the subscription of this process is there.
      await client.publishAsync('other', 'x', { qos: 1, retain: true, properties })
      await client.publishAsync('agent/message', reading('a'), { qos: 1, properties })
      await until(() => heard.length > 0 && here.length > 0, Boolean)
      const expected = { contentType: 'application/json', correlationData: Buffer.of(1), isText: true, userProperties: [['a', '1'], ['a', '2']] }
      for (const said of [heard[0]?.incoming?.delivery.properties, here[0]?.properties]) assert.deepEqual(said, version === '5' ? expected : undefined)
    })

    test('what was not settled comes again to the worker that comes back, in order, and what was does not', async t => {
      const mosquitto = await openMosquitto(t)
      const options = remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { version })
      const remote = await openRemote(t, options)
      const { heard } = openIntake(t, remote.id)
      await remote.connected()
      await publish(await publisher(t, mosquitto), 10)
      await until(() => heard.length, length => length === 10)
      // The third one stays: what comes behind it is not acknowledged before it.
      for (const [i, one] of heard.entries()) if (i !== 2) claim(one).settle()
      await removeBroker(remote.id)

      const again = await openRemote(t, options)
      const second = openIntake(t, again.id)
      await until(() => second.heard.length, length => length === 8)
      assert.deepEqual(timesOf(second.heard), [2, 3, 4, 5, 6, 7, 8, 9])
      second.heard.forEach(one => { claim(one).settle() })
      assert.deepEqual(again.problems, [])
    })

    test('what is published while no worker is there waits for the one whose session it is', async t => {
      const mosquitto = await openMosquitto(t)
      const options = remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { version })
      const remote = await openRemote(t, options)
      openIntake(t, remote.id)
      await remote.connected()
      await removeBroker(remote.id)
      await publish(await publisher(t, mosquitto), 5)
      const again = await openRemote(t, options)
      const { heard } = openIntake(t, again.id)
      await until(() => heard.length, length => length === 5)
      assert.deepEqual(timesOf(heard), upTo(5))
    })

    test('a connection that breaks gives nothing to the flow twice, and what is settled meanwhile is acknowledged on the next one', async t => {
      const mosquitto = await openMosquitto(t)
      const proxy = await tcpProxy(t, mosquitto.port)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${proxy.port}`, { version }))
      const { heard } = openIntake(t, remote.id)
      await remote.connected()
      const client = await publisher(t, mosquitto)
      await publish(client, 15)
      await until(() => heard.length, length => length === 15)
      for (const socket of proxy.clients) socket.destroy()
      await until(() => remote.place.listener.state, state => state !== 'connected')
      for (const one of heard.slice(0, 8)) claim(one).settle()
      await until(() => remote.place.listener.state, state => state === 'connected')
      for (const one of heard.slice(8)) claim(one).settle()
      // With a window of 20 the last of these come only when the 15 are acknowledged.
      const settle = settler(heard, 15)
      await publish(client, 30, 15)
      await until(settle, count => count === 45)
      assert.deepEqual(timesOf(heard), upTo(45))
      assert.equal(remote.place.statistics().connections, 2)
    })

    test('messages that are rejected, or that nobody takes, keep no place in the window', async t => {
      const mosquitto = await openMosquitto(t)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { version, receiveMaximum: 20 }))
      const { heard } = openIntake(t, remote.id)
      await remote.connected()
      const client = await publisher(t, mosquitto)
      for (let i = 0; i < 50; i++) await client.publishAsync(i % 2 === 0 ? 'agent/message' : 'agent/other', '{', { qos: 1 })
      await publish(client, 1)
      await until(() => heard.length, length => length === 26)
      assert.deepEqual(heard.map(({ kind }) => kind), [...Array.from({ length: 25 }, () => 'rejected'), 'message'])
    })

    test('two workers of a group share the messages, and two groups get them all', async t => {
      const mosquitto = await openMosquitto(t)
      const url = `mqtt://127.0.0.1:${mosquitto.port}`
      const workers = await Promise.all(['one', 'one', 'two'].map(async group => {
        const remote = await openRemote(t, remoteOptions(url, { version, group }))
        const { heard } = openIntake(t, remote.id)
        await remote.connected()
        return heard
      }))
      await publish(await publisher(t, mosquitto), 40)
      const [a = [], b = []] = workers
      const settlers = workers.map(heard => settler(heard))
      await until(() => settlers.map(settle => settle()), ([ofA = 0, ofB = 0, ofC]) => ofA + ofB === 40 && ofC === 40)
      assert.ok(a.length > 0 && b.length > 0, `${a.length} and ${b.length}`)
      assert.deepEqual([...timesOf(a), ...timesOf(b)].sort((x, y) => x - y), upTo(40))
    })
  })
}

suite('a broker elsewhere', { skip: withoutMosquitto }, () => {
  test('with MQTT 5 as many messages are on their way as the worker asks for, and no more', async t => {
    const mosquitto = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { receiveMaximum: 300 }))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    const client = await publisher(t, mosquitto)
    await publish(client, 400)
    await until(() => heard.length, length => length === 300)
    // Mosquitto 2.0 gives more than that at once after an acknowledgement; the worker reads them, and then no more.
    for (const one of heard.slice(0, 300)) claim(one).settle()
    await until(settler(heard, 300), count => count === 400)
    assert.deepEqual(timesOf(heard), upTo(400))
  })

  test('a message that is too large is acknowledged and counted, and the next one comes', async t => {
    const mosquitto = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { version: '3.1.1' }))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    const client = await publisher(t, mosquitto)
    await client.publishAsync('agent/message', Buffer.alloc(3_000_000, 32), { qos: 1 })
    await publish(client, 1)
    await until(() => heard.length, length => length === 1)
    assert.deepEqual(remote.problems.map(({ code }) => code), ['BROKER_PACKET_TOO_LARGE'])
    assert.deepEqual(remote.place.statistics().droppedBy, { packetBytes: 1 })
    claim(heard[0]).settle()
  })

  test('another group or shard takes the place of the first in the same session, and nothing that it had is lost or comes twice', async t => {
    const mosquitto = await openMosquitto(t)
    const options = remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { group: 'one', shards: ['a'] })
    const remote = await openRemote(t, options)
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    const client = await publisher(t, mosquitto)
    await client.publishAsync('agent/a/message', reading('a', { timestamp: first }), { qos: 1 })
    await until(() => heard.length, length => length === 1)
    await attachBroker(remote.id, { ...options, group: 'other', shards: ['b'] })
    await remote.connected()
    // The first one, which was not settled, is given again; what comes now to the old shard is not.
    await until(() => heard.length, length => length === 2)
    await client.publishAsync('agent/a/message', reading('a', { timestamp: first + 1 }), { qos: 1 })
    for (const i of [2, 3]) await client.publishAsync('agent/b/message', reading('b', { timestamp: first + i }), { qos: 1 })
    await until(() => heard.length, length => length === 4)
    assert.deepEqual(timesOf(heard), [0, 0, 2, 3])
    heard.forEach(one => { claimDelivery(one.incoming?.delivery.id)?.settle() })
  })

  test('an agent-in that is removed leaves no subscription behind', async t => {
    const mosquitto = await openMosquitto(t)
    const options = remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { clientId: `worker-${randomUUID()}` })
    const remote = await openRemote(t, options)
    const { detach } = openIntake(t, remote.id)
    await remote.connected()
    const client = await publisher(t, mosquitto)
    detach(true)
    await publish(client, 3)
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    await publish(client, 1, 3)
    await until(() => heard.length, length => length > 0)
    assert.deepEqual(timesOf(heard), [3])
  })
})
