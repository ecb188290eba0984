import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { freePort, skipWithoutNodeRed, startNodeRed, type NodeRedVersion } from '../helpers/node-red.ts'

/** What arrived on each topic, the newest last. */
type Heard = Map<string, string[]>

async function listen (t: TestContext, url: string): Promise<{ client: MqttClient, heard: Heard }> {
  const client = await until(() => connectAsync(url, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
  t.after(() => { client.end(true) })
  const heard: Heard = new Map()
  client.on('message', (topic, payload) => { heard.set(topic, [...heard.get(topic) ?? [], payload.toString()]) })
  await client.subscribeAsync('#', { qos: 1 })
  return { client, heard }
}

const last = (heard: Heard, topic: string): string | undefined => heard.get(topic)?.at(-1)

/** Units that Home Assistant takes for a device class of a sensor: https://www.home-assistant.io/integrations/sensor/#device-class */
const units: Record<string, string[]> = {
  temperature: ['°C', '°F', 'K'], humidity: ['%'], atmospheric_pressure: ['cbar', 'bar', 'hPa', 'mmHg', 'inHg', 'inH₂O', 'kPa', 'mbar', 'mPa', 'Pa', 'psi'], illuminance: ['lx'],
  carbon_dioxide: ['ppm'], battery: ['%'], voltage: ['µV', 'mV', 'V', 'kV', 'MV'], current: ['mA', 'A'], power: ['mW', 'W', 'kW', 'MW', 'GW', 'TW'], energy: ['J', 'kJ', 'MJ', 'GJ', 'mWh', 'Wh', 'kWh', 'MWh', 'GWh', 'TWh'],
  data_size: ['bit', 'kbit', 'Mbit', 'Gbit', 'B', 'kB', 'MB', 'GB', 'TB'], data_rate: ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'B/s', 'kB/s', 'MB/s', 'GB/s']
}

interface Discovery {
  device: { identifiers: string[], name: string }
  origin: { name: string, support_url: string }
  availability_topic: string
  components: Record<string, Record<string, string>>
}

/** Checks a message as Home Assistant does: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and its schemas of devices, sensors and binary sensors. */
function checked (topic: string, payload: string): Discovery {
  assert.match(topic, /^homeassistant\/device\/[a-zA-Z0-9_-]+\/config$/)
  const discovery = JSON.parse(payload) as Discovery
  assert.deepEqual(Object.keys(discovery).sort(), ['availability_topic', 'components', 'device', 'origin', 'payload_available', 'payload_not_available', 'qos'])
  assert.deepEqual(Object.keys(discovery.device).sort(), ['identifiers', 'name'])
  assert.ok(discovery.device.identifiers.length === 1 && discovery.device.name !== '')
  assert.deepEqual(Object.keys(discovery.origin).sort(), ['name', 'support_url'])
  const components = Object.values(discovery.components)
  assert.equal(new Set(components.map(({ unique_id: id }) => id)).size, components.length)
  for (const component of components) {
    const { platform, state_topic: state = '', unit_of_measurement: unit = '', device_class: deviceClass, state_class: stateClass } = component
    const allowed = platform === 'sensor' ? ['unit_of_measurement', 'device_class', 'state_class', 'value_template'] : ['payload_on', 'payload_off']
    assert.ok(platform === 'sensor' || platform === 'binary_sensor')
    assert.deepEqual(Object.keys(component).filter(key => !['platform', 'unique_id', 'name', 'state_topic', ...allowed].includes(key)), [])
    assert.doesNotMatch(state, /[+#]|^$/)
    if (deviceClass !== undefined) assert.ok(units[deviceClass]?.includes(unit), `${deviceClass} in ${unit}`)
    if (stateClass !== undefined) assert.ok(['measurement', 'total', 'total_increasing'].includes(stateClass))
    if (deviceClass === 'energy') assert.notEqual(stateClass, 'measurement')
  }
  return discovery
}

const everything = ['temperature', 'cpuTemperature', 'humidity', 'pressure', 'illuminance', 'co2', 'battery', 'voltage', 'current', 'power', 'energy', 'cpuLoad', 'memoryUsedPercent', 'diskUsedPercent', 'memoryUsed', 'networkReceived', 'networkSent']

for (const version of [5, 4] as NodeRedVersion[]) {
  test(`Home Assistant discovery in Node-RED ${version}: agents are devices at its broker and at ours, until they are forgotten`, { timeout: 120_000, skip: skipWithoutNodeRed(version) || withoutMosquitto }, async t => {
    const port = await freePort()
    const theirUrl = `mqtt://127.0.0.1:${(await openMosquitto(t)).port}`
    const flows = await exampleFlow('Home Assistant discovery', { 'platziverse-broker': { port }, 'mqtt-broker': { port }, 'platziverse-bridge': { d: false, url: theirUrl } })
    const theirs = await listen(t, theirUrl)
    const nodeRed = await startNodeRed({ version, flows, settings: { mqttReconnectTime: 200 } })
    t.after(() => nodeRed.stop())
    const ours = await listen(t, `mqtt://127.0.0.1:${port}`)
    const both = [ours, theirs]
    const say = (uuid: string, metrics: Array<[type: string, value: unknown]>, name?: string) =>
      ours.client.publishAsync('agent/message', JSON.stringify({ agent: { uuid, name }, metrics: metrics.map(([type, value]) => ({ type, value })), timestamp: Date.now() }), { qos: 1 })

    // As after a restart: a value is there, and who the agent is comes with its next message.
    await ours.client.publishAsync('agent/press 1/heard-before', '7', { qos: 1, retain: true })
    await ours.client.publishAsync('agent/press 1/guessed', '7', { qos: 1, retain: true })
    const metrics: Array<[type: string, value: unknown]> = [['temperature', 21.5], ['door', true], ['state', 'x'.repeat(300)], ['constructor', 1], ['guessed', '8']]
    const topic = 'homeassistant/device/platziverse-press_20_1/config'
    const typesAt = (heard: Heard): number => Object.keys((JSON.parse(last(heard, topic) || '{}') as Partial<Discovery>).components ?? {}).length
    // What is retained comes once the nodes of Node-RED are connected.
    await until(() => say('press 1', metrics, 'Press').then(() => typesAt(ours.heard)), count => count === 6)
    await until(() => typesAt(theirs.heard), count => count === 6)
    const { device, availability_topic: availability, components } = checked(topic, last(theirs.heard, topic) ?? '')
    assert.deepEqual(device, { identifiers: ['platziverse-press_20_1'], name: 'Press' })
    const shown = Object.values(components).map(({ name, platform, state_topic: state, unit_of_measurement: unit, device_class: deviceClass, state_class: stateClass }) => {
      return [name, platform, state, unit, deviceClass, stateClass]
    })
    assert.deepEqual(shown.toSorted(([a = ''], [b = '']) => a < b ? -1 : 1), [
      ['constructor', 'sensor', 'agent/press 1/constructor', undefined, undefined, 'measurement'],
      ['door', 'binary_sensor', 'agent/press 1/door', undefined, undefined, undefined],
      ['guessed', 'sensor', 'agent/press 1/guessed', undefined, undefined, undefined],
      ['heard-before', 'sensor', 'agent/press 1/heard-before', undefined, undefined, 'measurement'],
      ['state', 'sensor', 'agent/press 1/state', undefined, undefined, undefined],
      ['temperature', 'sensor', 'agent/press 1/temperature', '°C', 'temperature', 'measurement']
    ])
    const templates = Object.values(components).map(({ platform, state_class: stateClass, value_template: template = '' }) => [platform, stateClass, template])
    assert.deepEqual(new Set(templates.map(String)), new Set(['binary_sensor,,', 'sensor,measurement,{{ value if value | is_number else None }}', 'sensor,,{{ value[:255] }}']))
    // What Home Assistant will find on those topics.
    for (const { heard } of both) {
      await until(() => [availability, 'agent/press 1/temperature', 'agent/press 1/door'].map(topic => last(heard, topic)), values => values.join() === 'connected,21.5,true')
    }

    const said = ours.heard.get(topic)?.length
    await say('press 1', [['temperature', 22]], 'Press')
    await say('all', everything.map(type => [type, 1]))
    const other = 'homeassistant/device/platziverse-all/config'
    await until(() => last(theirs.heard, other), text => text !== undefined)
    assert.equal(Object.keys(checked(other, last(theirs.heard, other) ?? '').components).length, everything.length)
    assert.equal(ours.heard.get(topic)?.length, said, 'nothing new, nothing said')

    for (const { heard } of both) for (const config of [topic, other]) heard.delete(config)
    await theirs.client.publishAsync('homeassistant/status', 'online', { qos: 1 })
    for (const { heard } of both) for (const [config, count] of [[topic, 6], [other, everything.length]] as const) {
      await until(() => last(heard, config), text => text !== undefined)
      assert.equal(Object.keys(checked(config, last(heard, config) ?? '').components).length, count)
    }
    assert.deepEqual([topic, other].map(config => ours.heard.get(config)?.length), [1, 1])

    const retained = await listen(t, theirUrl)
    await until(() => last(retained.heard, topic), text => text !== undefined)
    await nodeRed.api('platziverse/sidebar/forget', { body: { database: flows.find(({ type }) => type === 'platziverse-database')?.id, uuid: 'press 1' } })
    for (const { heard } of [...both, retained]) {
      await until(() => [topic, availability, 'agent/press 1/temperature'].map(topic => last(heard, topic)), values => values.every(value => value === ''))
    }
    await say('press 1', [['temperature', 1]])
    await until(() => last(theirs.heard, topic), text => text !== '')
    assert.equal(Object.keys(checked(topic, last(theirs.heard, topic) ?? '').components).length, 1)
  })
}

// What people reported of discovery messages to others: each here with what our example publishes of such an agent.
test('Home Assistant discovery: what people reported to others', { timeout: 120_000, skip: skipWithoutNodeRed(5) || withoutMosquitto }, async t => {
  const port = await freePort()
  const theirUrl = `mqtt://127.0.0.1:${(await openMosquitto(t)).port}`
  const flows = await exampleFlow('Home Assistant discovery', { 'platziverse-broker': { port }, 'mqtt-broker': { port }, 'platziverse-bridge': { d: false, url: theirUrl } })
  const theirs = await listen(t, theirUrl)
  const nodeRed = await startNodeRed({ version: 5, flows, settings: { mqttReconnectTime: 200 } })
  t.after(() => nodeRed.stop())
  const ours = await listen(t, `mqtt://127.0.0.1:${port}`)
  const say = (uuid: string, metrics: Array<[type: string, value: unknown]>, name?: string) =>
    ours.client.publishAsync('agent/message', JSON.stringify({ agent: { uuid, name }, metrics: metrics.map(([type, value]) => ({ type, value })), timestamp: Date.now() }), { qos: 1 })
  await until(() => say('ready', [['x', 1]]).then(() => last(theirs.heard, 'homeassistant/device/platziverse-ready/config')), text => text !== undefined)

  const agents: Array<[uuid: string, name: string, metrics: Array<[string, unknown]>]> = [
    // Ids that others cut down to the same text, and names that several have: mqtt-io#224, ithowifi#387.
    ...['a b', 'a_b', 'a-b', 'a_20_b', 'A b'].map((uuid): [string, string, Array<[string, unknown]>] => [uuid, 'Same name', [['power', 1], ['Power', 2], ['po wer', 3], ['po_wer', 4]]]),
    // Letters, colons, quotes and slashes: Minol-MQTT-Bridge#5, wombatt#4, scrypted-advanced-notifier#3, GroBro#44, OpenMQTTGateway#1487.
    ['Küche 🍳', 'Odie\'s "Küche"', [['heating küche', 1], ['capacity:', 2], ['Systemfault word2', 3], ['relay/0/power', 4], ['{{ value }}', 5]]],
    // A unit that is none of its device class: amsreader-firmware#1110, gridbox#314, core#93086.
    ['units', 'Units', [['temperature', 'high'], ['energy', true], ['humidity', null], ['power', 1]]],
    // As large as a message may be: P1P2MQTT#29, Tasmota#5139.
    ['large', 'Large', Array.from({ length: 1_000 }, (_, i) => [`${'long type '.repeat(10)}${i}`, i])]
  ]
  for (const [uuid, name, metrics] of agents) await say(uuid, metrics, name)
  const configs = await until(() => [...theirs.heard.keys()].filter(topic => topic.startsWith('homeassistant/device/')), topics => topics.length === agents.length + 1)
  const found = configs.map(topic => checked(topic, last(theirs.heard, topic) ?? ''))
  const identifiers = found.flatMap(({ device }) => device.identifiers)
  const components = found.flatMap(discovery => Object.values(discovery.components))
  assert.equal(new Set(identifiers).size, found.length)
  assert.equal(new Set(components.map(({ unique_id: id }) => id)).size, components.length)
  assert.deepEqual(found.map(({ components }) => Object.keys(components).length).toSorted((a, b) => a - b), [1, 3, 4, 4, 4, 4, 4, 5, 1_000])
  for (const topic of configs) for (const key of Object.keys(checked(topic, last(theirs.heard, topic) ?? '').components)) assert.match(key, /^[a-zA-Z0-9_-]+$/)

  const of = (name: string): Discovery => found.find(({ device }) => device.name === name) ?? assert.fail(name)
  assert.deepEqual(Object.values(of('Units').components).map(({ name, platform, device_class: deviceClass, unit_of_measurement: unit }) => [name, platform, deviceClass, unit]).toSorted(), [
    ['energy', 'binary_sensor', undefined, undefined], ['power', 'sensor', 'power', 'W'], ['temperature', 'sensor', undefined, undefined]
  ])
  // What is read there is what was published there.
  const kitchen = of('Odie\'s "Küche"')
  for (const { state_topic: state = '' } of Object.values(kitchen.components)) await until(() => last(theirs.heard, state), value => value !== undefined)
  await until(() => last(theirs.heard, kitchen.availability_topic), value => value === 'connected')
})
