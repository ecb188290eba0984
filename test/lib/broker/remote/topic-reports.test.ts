import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { presets } from '../../../../lib/mapping/presets/presets.ts'
import { RuleTable } from '../../../../lib/mapping/rules/rule-table.ts'
import { openIntake, removeBroker, type Heard } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker } from '../../../helpers/scripted-broker.ts'
import { tcpProxy } from '../../../helpers/tcp-proxy.ts'

// What people reported of devices and brokers to others, at a broker elsewhere.

const of = (id: string): unknown => presets.find(preset => preset.id === id)?.rules
const tableOf = (rows: unknown): { otherTopics: RuleTable, acknowledge: 'arrival' } => ({ otherTopics: new RuleTable(rows), acknowledge: 'arrival' })

async function device (t: TestContext, port: number): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
  t.after(() => { client.end(true) })
  return client
}

/** What was heard, in short: kind, agent and values. */
function told (heard: Heard[]): string[] {
  return heard.map(({ kind, incoming, rejected }) => {
    if (incoming === undefined) return `${kind} ${rejected?.reason} ${rejected?.topic}`
    const { payload } = incoming
    return [kind, payload.agent.uuid, ...'metrics' in payload ? payload.metrics.map(({ type, value }) => `${type}=${value}`) : []].join(' ')
  })
}

for (const version of ['5', '3.1.1'] as const) {
  suite(`what people reported of topics elsewhere, MQTT ${version}`, { skip: withoutMosquitto }, () => {
    test('a device that was renamed: https://github.com/Koenkk/zigbee2mqtt/issues/4290, 5244', async t => {
      const { port } = await openMosquitto(t)
      const client = await device(t, port)
      const say = (topic: string, payload: string) => client.publishAsync(`zigbee2mqtt/${topic}`, payload, { qos: 1, retain: true })
      await say('old', '{"temperature":20.59}')
      await say('old/availability', '{"state":"online"}')
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '' }))
      const { heard } = openIntake(t, remote.id, tableOf(of('zigbee2mqtt')))
      await until(() => told(heard), all => all.length === 1)
      await say('old/availability', '')
      await say('old', '')
      await say('new/availability', '{"state":"online"}')
      await say('new', '{"temperature":21}')
      await until(() => told(heard), all => all.some(text => text.startsWith('message')))
      assert.deepEqual(told(heard), ['connected old', 'disconnected old', 'connected new', 'message new temperature=21'])
    })

    test('rows that changed while the session was kept: https://github.com/influxdata/telegraf/issues/9703', async t => {
      const { port } = await openMosquitto(t)
      const client = await device(t, port)
      const options = remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '', folder: await temporaryFolder(t) })
      const remote = await openRemote(t, options)
      openIntake(t, remote.id, tableOf([{ topic: 'old/{uuid}', format: 'value' }, { topic: 'both/{uuid}', format: 'value' }]))
      await remote.connected()
      await removeBroker(remote.id)
      await client.publishAsync('old/a', '1', { qos: 1 })
      await client.publishAsync('both/a', '2', { qos: 1 })
      const again = await openRemote(t, options)
      const { heard } = openIntake(t, again.id, tableOf([{ topic: '{place}/{uuid}', format: 'value' }]))
      await again.connected()
      for (const [topic, value] of [['old/b', '3'], ['both/b', '4'], ['new/b', '5'], ['last/b', '6']] as const) await client.publishAsync(topic, value, { qos: 1 })
      await until(() => told(heard), all => all.includes('message b b=6'))
      assert.deepEqual(told(heard), ['message a a=1', 'message a a=2', 'message b b=3', 'message b b=4', 'message b b=5', 'message b b=6'])
    })

    test('10,000 topics with something retained: https://github.com/mqttjs/MQTT.js/issues/823', async t => {
      const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
      const client = await device(t, port)
      const count = 10_000
      for (let i = 0; i < count; i++) client.publish(`tele/${i}/${i % 2 === 0 ? 'LWT' : 'SENSOR'}`, i % 2 === 0 ? 'Online' : '{"power":899}', { qos: 0, retain: true })
      await client.publishAsync('last', '', { qos: 1 })
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '' }))
      const { heard } = openIntake(t, remote.id, tableOf(of('tasmota')))
      await until(() => heard.length, length => length >= count / 2)
      await client.publishAsync('tele/1/SENSOR', '{"power":1}', { qos: 1, retain: true })
      await until(() => told(heard), all => all.some(text => text.startsWith('message')))
      assert.deepEqual([heard.length, told(heard).at(-1), new Set(told(heard)).size], [count / 2 + 1, 'message 1 power=1', count / 2 + 1])
      assert.deepEqual(remote.problems, [])
    })

    test('a broker that remembers nothing after its restart: https://github.com/influxdata/telegraf/issues/6232, 16038', async t => {
      const mosquitto = await openMosquitto(t)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { version, group: '' }))
      const { heard } = openIntake(t, remote.id, tableOf(of('tasmota')))
      await remote.connected()
      const client = await device(t, mosquitto.port)
      await client.publishAsync('tele/plug/LWT', 'Online', { qos: 1, retain: true })
      await until(() => heard.length, length => length === 1)
      await mosquitto.kill()
      await until(() => remote.place.listener.state, state => state !== 'connected')
      await mosquitto.start()
      await remote.connected()
      const back = await device(t, mosquitto.port)
      await until(async () => {
        await back.publishAsync('tele/plug/SENSOR', '{"power":1}', { qos: 1 })
        return heard.length
      }, length => length > 1)
      assert.deepEqual(told(heard).slice(0, 2), ['connected plug', 'message plug power=1'])
      assert.ok(remote.problems.some(({ code }) => code === 'BROKER_SESSION_LOST'))
    })

    test('"offline" is retained, and "online" is not: https://github.com/F1p/Home-Assistant-Mitsubishi-CN105-to-MQTT/issues/60', async t => {
      const { port } = await openMosquitto(t)
      const client = await device(t, port)
      await client.publishAsync('tele/plug/LWT', 'Offline', { qos: 0, retain: true })
      await client.publishAsync('tele/plug/LWT', 'Online', { qos: 0 })
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '' }))
      const { heard } = openIntake(t, remote.id, tableOf(of('tasmota')))
      await until(() => heard.length, length => length === 1)
      await client.publishAsync('tele/plug/SENSOR', '{"power":1}', { qos: 0 })
      await until(() => heard.length, length => length === 2)
      assert.deepEqual(told(heard), ['disconnected plug', 'message plug power=1'])
    })

    test('a topic that begins with a slash, or has levels without a name: https://github.com/Koenkk/zigbee2mqtt/issues/213', async t => {
      const { port } = await openMosquitto(t)
      const client = await device(t, port)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '' }))
      const { heard } = openIntake(t, remote.id, tableOf([{ topic: '/myhouse/zigbee/{uuid}', format: 'json' }, { topic: 'x/{uuid}/y', format: 'json' }, { topic: '{uuid}/z/', format: 'json' }]))
      await remote.connected()
      for (const topic of ['myhouse/zigbee/bulb', '/myhouse/zigbee/', '/myhouse/zigbee/bulb', 'x//y', '/z/', 'a/z', 'a/z/']) await client.publishAsync(topic, '{"a":1}', { qos: 1 })
      await until(() => told(heard), all => all.includes('message a a=1'))
      assert.deepEqual(told(heard), ['rejected FIELD_INVALID /myhouse/zigbee/', 'message bulb a=1', 'rejected FIELD_INVALID x//y', 'rejected FIELD_INVALID /z/', 'message a a=1'])
    })

    test('what is retained is cleared: https://github.com/cesanta/mongoose/issues/1827', async t => {
      const { port } = await openMosquitto(t)
      const client = await device(t, port)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '' }))
      const { heard } = openIntake(t, remote.id, tableOf([...['json', 'value', 'influx', 'telegraf', 'csv'].map(format => ({ topic: `${format}/{uuid}`, format })), { topic: 'last/{uuid}', format: 'value' }]))
      await remote.connected()
      for (const format of ['json', 'value', 'influx', 'telegraf', 'csv']) await client.publishAsync(`${format}/a`, '', { qos: 1, retain: true })
      await client.publishAsync('last/a', '1', { qos: 1 })
      await until(() => heard.length, length => length > 0)
      assert.deepEqual(told(heard), ['message a a=1'])
    })
  })
}

test('a broker that gives no more than QoS 0 for some topics, and refuses others: https://github.com/warpstreamlabs/bento/issues/990', async t => {
  const broker = await scriptedBroker(t, peer => {
    if (!peer.connect.clientId.endsWith('-topics')) return answers(peer)
    peer.on(packet => {
      if (packet.cmd !== 'subscribe') return
      peer.send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(({ topic }) => topic.startsWith('low') ? 0 : topic.startsWith('no') ? 0x80 : 1), ...peer.version === 5 ? { properties: {} } : {} })
      peer.send({ cmd: 'publish', topic: 'low/a', payload: '5', qos: 0, dup: false, retain: false, ...peer.version === 5 ? { properties: {} } : {} })
    })
    peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, ...peer.version === 5 ? { properties: {} } : {} })
  })
  const remote = await openRemote(t, remoteOptions(broker.url, { group: '' }))
  const { heard } = openIntake(t, remote.id, tableOf(['low', 'no', 'yes'].map(place => ({ topic: `${place}/{uuid}`, format: 'value' }))))
  await until(() => heard.length, length => length > 0)
  assert.deepEqual(told(heard), ['message a a=5'])
  assert.deepEqual(remote.problems.map(({ code, detail }) => [code, detail]), [
    ['BROKER_SUBSCRIPTION_REFUSED', 'The broker refused: no/+.'],
    ['BROKER_SUBSCRIPTION_LOSSY', 'The broker gives no more than QoS 0 for: low/+.']
  ])
})

test('a bridge between two brokers gives what is retained as news, each time it connects: https://github.com/eclipse-mosquitto/mosquitto/issues/2248', { skip: withoutMosquitto }, async t => {
  const far = await openMosquitto(t)
  const proxy = await tcpProxy(t, far.port)
  const faraway = await device(t, far.port)
  const at = 1_764_000_000_000
  await faraway.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, power: 899 }), { qos: 1, retain: true })
  const near = await openMosquitto(t, `allow_anonymous true\nconnection far\naddress 127.0.0.1:${proxy.port}\ntopic tele/# in 1\nrestart_timeout 1`)
  const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${near.port}`, { group: '' }))
  const { heard } = openIntake(t, remote.id, tableOf([{ topic: 'tele/{uuid}/SENSOR', format: 'json', time: { path: 'at', unit: 'ms' } }]))
  await remote.connected()
  for (let i = 0; i < 2; i++) {
    const before = heard.length
    for (const socket of proxy.clients) socket.destroy()
    await until(() => heard.length, length => length > before)
  }
  // With its time in the payload it is the same metric, which is stored once.
  assert.deepEqual([...new Set(told(heard))], ['message plug power=899'])
  assert.deepEqual([...new Set(heard.map(({ incoming }) => incoming?.payload.timestamp))], [at])
})
