import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { IPublishPacket } from 'mqtt'
import { openBroker, type TestBroker } from '../../../helpers/broker.ts'
import { once, until } from '../../../helpers/events.ts'
import { Peer } from '../../../helpers/peer.ts'
import { runPython, startProgram, withoutMosquittoClients, withoutPaho } from '../../../helpers/programs-of-mqtt5.ts'

// Clients as they are in the field, with MQTT 5: MQTT.js, Mosquitto's programs, Python's paho as Home Assistant uses it, and an ESP's CONNECT.

const five = { protocolVersion: 5 } as const

/** A client of MQTT.js, and what it is sent. */
async function listening (broker: TestBroker, options: Parameters<TestBroker['client']>[0] = {}) {
  const heard: IPublishPacket[] = []
  const client = await broker.client({ ...five, ...options })
  // With an alias, the packet itself has no topic.
  client.on('message', (topic, _payload, packet) => { heard.push({ ...packet, topic }) })
  return { client, heard }
}

test('MQTT.js: requests and responses, subscription ids, user properties and topic aliases', async t => {
  const broker = await openBroker(t)
  const asks = await listening(broker, { properties: { topicAliasMaximum: 5 }, autoUseTopicAlias: true, autoAssignTopicAlias: true })
  const answers = await listening(broker, { properties: { topicAliasMaximum: 5 } })
  await asks.client.subscribeAsync('answers/1', { qos: 1, properties: { subscriptionIdentifier: 9 } })
  // MQTT.js 5.16 tells no topic of a message of QoS 2 that comes with an alias.
  await answers.client.subscribeAsync('questions/#', { qos: 1 })
  answers.client.on('message', (_topic, payload, { properties }) => {
    answers.client.publish(properties!.responseTopic!, `${String(payload)}!`, { qos: 1, properties: { correlationData: properties!.correlationData!, userProperties: properties!.userProperties! } })
  })
  const correlationData = Buffer.from([0, 7])
  for (let i = 0; i < 3; i++) await asks.client.publishAsync('questions/x', `${i}`, { qos: 2, properties: { responseTopic: 'answers/1', correlationData, userProperties: { trace: ['a', 'b'] } } })
  await until(() => asks.heard.length, count => count === 3)
  assert.deepEqual(answers.heard.map(({ topic }) => topic), Array(3).fill('questions/x'))
  for (const [i, { topic, payload, properties }] of asks.heard.entries()) {
    assert.deepEqual([topic, String(payload)], ['answers/1', `${i}!`])
    assert.deepEqual([properties!.correlationData, { ...properties!.userProperties }, properties!.subscriptionIdentifier], [correlationData, { trace: ['a', 'b'] }, 9])
  }
})

test('MQTT.js: a session that is kept gets what waited, within its receive maximum, once', async t => {
  const broker = await openBroker(t)
  const options = { clientId: 'away', clean: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 3 } }
  const before = await listening(broker, options)
  await before.client.subscribeAsync('load/#', { qos: 2 })
  await before.client.endAsync()
  const { client: publisher } = await listening(broker)
  await Promise.all(Array.from({ length: 200 }, (_, i) => publisher.publishAsync('load/x', `${i}`, { qos: i % 2 + 1 as 1 | 2, properties: { messageExpiryInterval: 100 } })))
  const { connectAsync } = await import('mqtt')
  const again = await connectAsync(broker.url, { ...five, ...options, reconnectPeriod: 0, manualConnect: false })
  t.after(() => { again.end(true) })
  const heard: string[] = []
  again.on('message', (_topic, payload) => { heard.push(String(payload)) })
  await until(() => heard.length, count => count >= 199)
  await publisher.publishAsync('load/x', 'last', { qos: 1 })
  await until(() => heard, payloads => payloads.includes('last'))
  assert.equal(new Set(heard).size, heard.length)
})

test('MQTT.js: what nobody subscribed to, unsubscribing, and a reason from the broker', async t => {
  const broker = await openBroker(t)
  const { client } = await listening(broker, { clientId: 'twice' })
  const codes: unknown[] = []
  client.on('packetreceive', packet => { if (packet.cmd === 'puback') codes.push(packet.reasonCode) })
  await client.publishAsync('nobody', 'x', { qos: 1 })
  assert.deepEqual(codes, [0x10])
  await client.subscribeAsync('a')
  const unsubscribed = await client.unsubscribeAsync(['a', 'b']) as { granted?: number[] }
  assert.deepEqual(unsubscribed.granted, [0, 0x11])
  const disconnected = once(client, 'disconnect')
  await listening(broker, { clientId: 'twice' })
  assert.equal(((await disconnected)[0] as { reasonCode: number }).reasonCode, 0x8e)
})

/** Its output says that it subscribed only when there is more. */
const subscribed = (broker: TestBroker, clientId: string, times = 1) =>
  until(() => broker.events.filter(event => event.event === 'subscribed' && event.clientId === clientId).length, count => count >= times)

const mosquitto = (t: TestContext, { port }: TestBroker, program: 'pub' | 'sub' | 'rr', ...args: string[]) => startProgram(t, `mosquitto_${program}`, ['-V', '5', '-h', '127.0.0.1', '-p', `${port}`, ...args])

test('mosquitto_pub and mosquitto_sub: properties, with each QoS', { skip: withoutMosquittoClients }, async t => {
  const broker = await openBroker(t)
  const all = mosquitto(t, broker, 'sub', '-i', 'all', '-t', 'm/#', '-q', '2', '-C', '3', '-D', 'subscribe', 'subscription-identifier', '42', '-F', '= %t %p q%q %C %R %D %P %E %S')
  await subscribed(broker, 'all')
  for (const qos of ['0', '1', '2']) {
    await mosquitto(t, broker, 'pub', '-t', `m/${qos}`, '-m', 'text', '-q', qos, '-D', 'publish', 'content-type', 'text/plain', '-D', 'publish', 'response-topic', 'r', '-D', 'publish', 'correlation-data', 'c',
      '-D', 'publish', 'user-property', 'b', '1', '-D', 'publish', 'user-property', 'a', '2', '-D', 'publish', 'message-expiry-interval', '3600').ended
  }
  const lines = (await all.ended).trim().split('\n')
  assert.deepEqual(lines.map(line => line.replace(/ (3600|3599) /, ' LEFT ')), [0, 1, 2].map(qos => `= m/${qos} text q${qos} text/plain r c b:1 a:2 LEFT 42`))
})

test('mosquitto_sub -c -x: a session waits as long as it says', { skip: withoutMosquittoClients }, async t => {
  const broker = await openBroker(t)
  const away = (id: string, seconds: string, ...more: string[]) => mosquitto(t, broker, 'sub', '-i', id, '-c', '-x', seconds, '-t', 's', '-q', '1', ...more)
  for (const [id, seconds] of [['long', '60'], ['short', '1']] as const) await away(id, seconds, '-E').ended
  await mosquitto(t, broker, 'pub', '-t', 's', '-m', 'waited', '-q', '1').ended
  assert.match(await away('long', '60', '-C', '1').ended, /^waited$/m)
  await pause(2_500)
  const late = away('short', '1', '-C', '1')
  await subscribed(broker, 'short', 2)
  await mosquitto(t, broker, 'pub', '-t', 's', '-m', 'new', '-q', '1').ended
  assert.match(await late.ended, /^new$/m)
})

test('mosquitto_sub with a will that has a delay: killed, and back in time', { skip: withoutMosquittoClients }, async t => {
  const broker = await openBroker(t)
  const { client, heard } = await listening(broker)
  await client.subscribeAsync('wills', { qos: 1 })
  const mortal = (payload: string) => mosquitto(t, broker, 'sub', '-i', payload, '-c', '-x', '60', '-t', 'x', '--will-topic', 'wills', '--will-payload', payload, '--will-qos', '1', '-D', 'will', 'will-delay-interval', '2', '-D', 'will', 'content-type', 'text/plain')
  const [gone, back] = [mortal('gone'), mortal('back')]
  for (const [program, id] of [[gone, 'gone'], [back, 'back']] as const) {
    await subscribed(broker, id)
    program.process.kill('SIGKILL')
    await program.ended.catch(() => undefined)
  }
  mortal('back')
  await until(() => heard.length, count => count > 0)
  await client.publishAsync('wills', 'last', { qos: 1 })
  await until(() => heard.length, count => count > 1)
  assert.deepEqual(heard.map(({ payload, properties }) => [String(payload), properties?.contentType]), [['gone', 'text/plain'], ['last', undefined]])
})

test('mosquitto_rr: a request and its response', { skip: withoutMosquittoClients }, async t => {
  const broker = await openBroker(t)
  const { client } = await listening(broker)
  client.on('message', (_topic, payload, { properties }) => { client.publish(properties!.responseTopic!, `re: ${String(payload)}`, { properties: { correlationData: properties!.correlationData! } }) })
  await client.subscribeAsync('request')
  assert.match(await mosquitto(t, broker, 'rr', '-t', 'request', '-e', 'response', '-m', 'hello').ended, /^re: hello$/m)
})

test('Home Assistant, as it is with Python\'s paho client: birth, will, discovery and states', { skip: withoutPaho }, async t => {
  const { port } = await openBroker(t)
  const script = fileURLToPath(new URL('../../../fixtures/home-assistant.py', import.meta.url))
  assert.deepEqual(JSON.parse(await runPython(t, script, '127.0.0.1', `${port}`)), {
    'connected': [0, 0],
    'granted': [0, 0],
    'discovered': ['sensor/device1', 'sensor/device2', 'switch/device1/relay', 'switch/device2/relay'].map(name => [`homeassistant/${name}/config`, 0, true]),
    'born': Array(2).fill([['homeassistant/status', 'online', 1, false]]),
    'states': [['device/1/available', 'online', 1, true], ['device/1/state', '21.5', 1, true], ['device/2/available', 'online', 1, true], ['device/2/state', '21.5', 2, true]],
    'commands': [0, 1, 2].map(qos => ['device/2/set', `ON ${qos}`, qos, false]),
    'new states': [0, 1, 2].map(qos => ['device/1/state', `22.${qos}`, Math.min(qos, 1), false]),
    'again': [0, 0],
    'gone and back': Array(2).fill([['homeassistant/status', 'offline', 1, false]]),
    'granted again': [2],
    'available': [1, 2].map(n => [`device/${n}/available`, 'online', 1, true]),
    'lost': [['device/1/available', 'offline', 1, false]],
    'in the end': [['device/1/available', 'offline', 1, true], ['device/2/available', 'online', 1, true], ['homeassistant/status', 'offline', 1, true]]
  })
})

test('an ESP: every property of CONNECT, a will with its own, small packets', async t => {
  const broker = await openBroker(t)
  const { client, heard } = await listening(broker)
  await client.subscribeAsync('esp/#', { qos: 1 })
  const esp = await Peer.open(broker.port)
  t.after(() => { esp.cut() })
  const { reasonCode, properties } = await esp.connect('ESP32_A1B2C3', {
    keepalive: 120,
    properties: {
      sessionExpiryInterval: 10, maximumPacketSize: 1024, receiveMaximum: 65_535, topicAliasMaximum: 2, requestResponseInformation: true, requestProblemInformation: true,
      userProperties: { board: 'esp32', u: 'user', p: 'password' }
    },
    will: { topic: 'esp/will', payload: 'i will leave', qos: 1, retain: true, properties: {
      willDelayInterval: 1, payloadFormatIndicator: true, messageExpiryInterval: 10, contentType: 'json', responseTopic: 'esp/response', correlationData: Buffer.from('123456'), userProperties: { board: 'esp32' }
    } }
  })
  assert.equal(reasonCode, 0)
  assert.ok(properties!.topicAliasMaximum! > 0)
  assert.deepEqual(await esp.subscribe([{ topic: 'commands', qos: 1, nl: false, rap: true, rh: 1 }], 2555), [1])
  await esp.publish('esp/state', 'on', { qos: 1, retain: true, properties: { topicAlias: 1, messageExpiryInterval: 1000, userProperties: { board: 'esp32' } } })
  await esp.publish('', 'off', { qos: 1, retain: true, properties: { topicAlias: 1 } })
  await client.publishAsync('commands', 'x'.repeat(2000), { qos: 1 })
  await client.publishAsync('commands', 'restart', { qos: 1, retain: true })
  const command = await esp.message()
  assert.deepEqual([String(command.payload), command.retain, command.properties?.subscriptionIdentifier], ['restart', true, 2555])
  esp.cut()
  await until(() => heard.length, count => count === 3)
  assert.deepEqual(heard.map(({ topic, payload }) => [topic, String(payload)]), [['esp/state', 'on'], ['esp/state', 'off'], ['esp/will', 'i will leave']])
  assert.equal(heard[2]!.properties!.responseTopic, 'esp/response')
})
