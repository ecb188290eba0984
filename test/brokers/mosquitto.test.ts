import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Packet } from 'mqtt-packet'
import { until } from '../helpers/events.ts'
import { manualClient, type ManualClientOptions } from '../helpers/manual-client.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { freePort } from '../helpers/node-red.ts'
import { outline, payloads } from '../helpers/outline.ts'

// What docs/scaling.md says of Mosquitto 2.0 towards a worker that holds back its acknowledgements.

const versions = { '3.1.1': { protocolVersion: 4 }, 5: { protocolVersion: 5 } } as const
const kept = { '3.1.1': { clean: false, protocolVersion: 4 }, 5: { clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 60 } } } as const

test('Mosquitto', { skip: withoutMosquitto }, async t => {
  const broker = await openMosquitto(t, 'allow_anonymous true\nlog_dest topic\nlog_dest stderr\nlog_type information\nlog_type notice\nlog_type error')

  /** Publishes `count` messages of QoS 1, a hundred at a time, and resolves when all of them are acknowledged. */
  async function publish (topic: string, count: number): Promise<void> {
    const publisher = await manualClient(t, broker.port, `publisher of ${topic}`)
    for (let sent = 0; sent < count;) {
      for (const end = Math.min(sent + 100, count); sent < end; sent++) {
        publisher.send({ cmd: 'publish', topic, payload: `m${sent}`, qos: 1, messageId: sent + 1, dup: false, retain: false } as Packet)
      }
      await until(() => publisher.packets.filter(({ cmd }) => cmd === 'puback').length, acknowledged => acknowledged >= sent)
    }
    await publisher.end()
  }

  for (const version of ['3.1.1', 5] as const) {
    await t.test(`gives a kept session what it did not acknowledge before it subscribes again, in order and with the same packet ids (MQTT ${version})`, async t => {
      const topic = `kept/${version}`
      const worker = await manualClient(t, broker.port, topic, kept[version])
      await worker.subscribe(topic)
      await publish(topic, 4)
      await worker.atLeast(4)
      worker.acknowledge(2)
      await worker.settled()
      worker.cut()
      await publish(topic, 1)
      const again = await manualClient(t, broker.port, topic, kept[version])
      assert.equal(again.connack.sessionPresent, true)
      assert.deepEqual(outline(await again.atLeast(4)), ['m0 #1 again', 'm2 #3 again', 'm3 #4 again', 'm0 #5'])
      await again.subscribe(topic)
      assert.equal((await again.settled()).length, 4)
    })
  }

  for (const [title, options, window] of [
    ['20 to a client of MQTT 3.1.1', kept['3.1.1'], 20],
    ['20 to a client of MQTT 5 that does not say how many it receives', kept[5], 20],
    ['as many to a client of MQTT 5 as it receives', { ...kept[5], properties: { ...kept[5].properties, receiveMaximum: 300 } }, 300]
  ] satisfies Array<[string, ManualClientOptions, number]>) {
    await t.test(`gives ${title}, and one more for each acknowledgement, in whatever order`, async t => {
      const topic = `window/${title}`
      const worker = await manualClient(t, broker.port, topic, options)
      await worker.subscribe(topic)
      await publish(topic, window * 2 + 10)
      assert.equal((await worker.settled()).length, window)
      worker.acknowledge(window)
      worker.acknowledge(2, 2, 60_000)
      // It sends more than that for an acknowledgement out of order, never less.
      assert.ok((await worker.atLeast(window + 2)).length >= window + 2)
      assert.equal(worker.closed, false)
    })
  }

  await t.test('drops what is over max_queued_messages, having acknowledged it to the publisher', async t => {
    const worker = await manualClient(t, broker.port, 'queue', kept['3.1.1'])
    await worker.subscribe('queue')
    worker.cut()
    await publish('queue', 1_200)
    const again = await manualClient(t, broker.port, 'queue', { ...kept['3.1.1'], acknowledges: true })
    await again.atLeast(1_000)
    assert.equal(payloads(await again.settled()).at(-1), 'm999')
  })

  for (const version of ['3.1.1', 5] as const) {
    await t.test(`goes on giving a member of a shared subscription that is away its share, if its session is kept (MQTT ${version})`, async t => {
      const filter = `$share/workers/shared/${version}`
      const here = await manualClient(t, broker.port, `here ${version}`, { ...kept[version], acknowledges: true })
      const away = await manualClient(t, broker.port, `away ${version}`, kept[version])
      for (const worker of [here, away]) await worker.subscribe(filter)
      await publish(`shared/${version}`, 6)
      await away.atLeast(3)
      away.cut()
      await publish(`shared/${version}`, 6)
      await here.atLeast(6)
      const back = await manualClient(t, broker.port, `away ${version}`, kept[version])
      assert.deepEqual(outline(await back.atLeast(6)).filter(text => text.endsWith('again')).length, 3)
      assert.equal((await here.settled()).length + (await back.settled()).length, 12)
    })
  }

  await t.test('loses what a member of a shared subscription had not acknowledged, if its session is not kept', async t => {
    const here = await manualClient(t, broker.port, 'here', { acknowledges: true })
    const away = await manualClient(t, broker.port, 'away')
    for (const worker of [here, away]) await worker.subscribe('$share/workers/lost')
    await publish('lost', 6)
    await away.atLeast(3)
    away.cut()
    await publish('lost', 6)
    await here.atLeast(9)
    assert.equal((await here.settled()).length, 9)
  })

  await t.test('tells in its log, as messages, of clients that come, leave, are cut off and are pushed out', async t => {
    const watcher = await manualClient(t, broker.port, 'watcher')
    await watcher.subscribe('$SYS/broker/log/#', 0)
    const [four, five] = [versions['3.1.1'], versions[5]]
    const leaves = await manualClient(t, broker.port, 'leaves', { ...five, keepalive: 60, username: 'anna', password: Buffer.from('secret') })
    await leaves.end()
    const cut = await manualClient(t, broker.port, 'cut', four)
    cut.cut()
    for (let i = 0; i < 2; i++) await manualClient(t, broker.port, 'twice', four)
    const wrong = await manualClient(t, broker.port, 'wrong', four)
    wrong.send({ cmd: 'publish', topic: 'not/#', payload: '', qos: 0, dup: false, retain: false } as Packet)
    const texts = await until(() => watcher.received.map(({ topic, payload, retain }) => `${topic} ${String(payload)}${retain ? ' (retained)' : ''}`), texts => texts.some(text => text.includes('error')))
    const about = (clientId: string) => texts.filter(text => text.includes(` ${clientId} `)).map(text => text.replace(/\d{10}:/, 'TIME:').replace(/127.0.0.1:\d+/, 'ADDRESS'))
    assert.deepEqual(about('leaves'), [
      "$SYS/broker/log/N TIME: New client connected from ADDRESS as leaves (p5, c1, k60, u'anna').",
      '$SYS/broker/log/N TIME: Client leaves disconnected.'
    ])
    assert.deepEqual(about('cut'), ['$SYS/broker/log/N TIME: New client connected from ADDRESS as cut (p2, c1, k0).', '$SYS/broker/log/N TIME: Client cut closed its connection.'])
    assert.deepEqual(about('twice'), [
      '$SYS/broker/log/N TIME: New client connected from ADDRESS as twice (p2, c1, k0).',
      '$SYS/broker/log/E TIME: Client twice already connected, closing old connection.',
      '$SYS/broker/log/N TIME: New client connected from ADDRESS as twice (p2, c1, k0).'
    ])
    assert.equal(about('wrong').at(-1), '$SYS/broker/log/N TIME: Client wrong disconnected due to protocol error.')
  })

  await t.test('forgets a kept session, and what it acknowledged for it, when it is killed', async t => {
    const mortal = await openMosquitto(t, 'allow_anonymous true\npersistence true\npersistence_location FOLDER/')
    const worker = await manualClient(t, mortal.port, 'worker', kept['3.1.1'])
    await worker.subscribe('mortal')
    worker.cut()
    const publisher = await manualClient(t, mortal.port, 'publisher')
    assert.equal(await publisher.publish('mortal', 'before'), true)
    await mortal.stop()
    await mortal.start()
    const again = await manualClient(t, mortal.port, 'worker', kept['3.1.1'])
    assert.deepEqual(payloads(await again.atLeast(1)), ['before'], 'an orderly stop keeps it')
    await mortal.kill()
    await mortal.start()
    // The file of the orderly stop is still there: what came after it is gone.
    const last = await manualClient(t, mortal.port, 'worker', kept['3.1.1'])
    assert.deepEqual(payloads(await last.atLeast(1)), ['before'])
    const second = await manualClient(t, mortal.port, 'publisher')
    assert.equal(await second.publish('mortal', 'after'), true)
    await mortal.kill()
    await mortal.start()
    const end = await manualClient(t, mortal.port, 'worker', kept['3.1.1'])
    await end.atLeast(1)
    assert.deepEqual(payloads(await end.settled()), ['before'])
  })

  await t.test('gives a session to whoever has its client id, and forgets what that user may not read; not through a listener with use_username_as_clientid', async t => {
    const salt = randomBytes(12)
    const users = ['worker', 'agent'].map(name => `${name}:$7$101$${salt.toString('base64')}$${pbkdf2Sync('secret', salt, 101, 64, 'sha512').toString('base64')}\n`).join('')
    const acl = 'user worker\ntopic readwrite #\n\nuser agent\ntopic write agent/+\n'
    const safe = await freePort()
    const { port } = await openMosquitto(t, `allow_anonymous false\npassword_file FOLDER/users\nacl_file FOLDER/acl\nlistener ${safe} 127.0.0.1\nuse_username_as_clientid true`, { users, acl })
    const worker = { ...kept['3.1.1'], username: 'worker', password: Buffer.from('secret') }
    const agent = { ...kept['3.1.1'], username: 'agent', password: Buffer.from('secret') }
    for (const [at, left] of [[safe, ['before']], [port, []]] as const) {
      const id = `worker ${at}`
      const first = await manualClient(t, port, id, worker)
      await first.subscribe('agent/+')
      await first.end()
      const publisher = await manualClient(t, port, 'publisher', { ...agent, clean: true })
      assert.equal(await publisher.publish('agent/message', 'before'), true)
      await publisher.end()
      await (await manualClient(t, at, id, agent)).end()
      const again = await manualClient(t, port, id, worker)
      assert.deepEqual(payloads(await again.settled()), left, `through port ${at === safe ? 'with' : 'without'} it`)
      await again.end()
    }
  })
})
