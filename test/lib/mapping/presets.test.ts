import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { presets } from '../../../lib/mapping/presets/presets.ts'
import { RuleTable } from '../../../lib/mapping/rules/rule-table.ts'
import { devices } from '../../fixtures/devices/devices.ts'
import { said } from '../../fixtures/devices/recorded.ts'

describe('presets', () => {
  test('are those of which there are recordings', () => {
    assert.deepEqual(presets.map(({ id }) => id), Object.keys(devices))
  })

  for (const { id, label, rules } of presets) {
    test(`${label} is read as its devices publish`, () => {
      const table = new RuleTable(rules)
      assert.deepEqual(table.problems, [])
      for (const { topic, payload, says } of devices[id] ?? []) {
        const read = table.read(topic, Buffer.from(payload), Date.now())
        if (says === 'nobody') assert.equal(read, undefined, topic)
        else assert.deepEqual(read?.ok ? read.readings.map(said) : read, says, `${topic} ${String(payload)}`)
      }
    })
  }

  test('can be used together, but for the two of Telegraf', () => {
    const together = presets.filter(({ id }) => id !== 'telegraf-json')
    const table = new RuleTable(together.flatMap(({ rules }) => rules))
    assert.deepEqual(table.problems, [])
    for (const { id } of together) {
      for (const { topic, payload, says } of devices[id] ?? []) {
        if (says === 'nobody') continue
        const read = table.read(topic, Buffer.from(payload), Date.now())
        assert.deepEqual(read?.ok ? read.readings.map(said) : read, says, `${topic} ${String(payload)}`)
      }
    }
  })

  // Home Assistant: MQTT (birth and last will), MQTT Statestream. Zigbee2MQTT: MQTT Topics and Messages. Tasmota: MQTT, Home Assistant (discovery). The Things Stack: MQTT Server.
  const ofPrograms = [
    'homeassistant/status online', 'homeassistant/status offline', 'homeassistant/online true', 'homeassistant/sensor/outside/state 21.5', 'homeassistant/light/ceiling/state on', 'homeassistant/switch/pump/state on',
    'homeassistant/climate/heating/current_temperature/state 20', 'homeassistant/sensor/plug/power/config {}', 'homeassistant/device/plug/config {"name":"plug"}',
    'zigbee2mqtt/bridge/state {"state":"online"}', 'zigbee2mqtt/bridge/state online', 'zigbee2mqtt/bridge/info {"version":"2.1.0"}', 'zigbee2mqtt/bridge/devices [{}]', 'zigbee2mqtt/bridge/groups [{}]', 'zigbee2mqtt/bridge/health {"healthy":true}',
    'zigbee2mqtt/bridge/logging {"level":"info"}', 'zigbee2mqtt/bridge/event {"type":"device_joined"}', 'zigbee2mqtt/bridge/request/permit_join {"time":60}', 'zigbee2mqtt/bridge/response/permit_join {"status":"ok"}',
    'zigbee2mqtt/sensor/kitchen/state ON', 'zigbee2mqtt/switch/pump/state ON',
    '$SYS/broker/uptime 5', '$SYS/broker/clients/connected 5', '$SYS/broker/connection/bridge/state 1',
    'tasmota/discovery/DC4F22923B34/config {"ip":"192.168.1.50"}', 'tasmota/discovery/DC4F22923B34/sensors {"sn":{"ENERGY":{"Power":5}}}', 'tele/plug/INFO3 {"Info3":{"RestartReason":"Software"}}', 'stat/plug/STATUS8 {"StatusSNS":{}}', 'cmnd/tasmotas/STATUS 0',
    'shellies/announce {"id":"shelly1-0A1B2F"}', 'shellies/command announce',
    'home/OMG_ESP32/version v1.8.1', 'home/OMG_ESP32/commands/MQTTtoSYS/config {"cmd":"restart"}', 'home/OMG_ESP32/BTtoMQTT/undecoded {"id":"A4:C1:38:00:00:03","rssi":-77}', 'home/presence/OMG_ESP32 {"distance":2}',
    'homie/$broadcast/alert now', 'homie/$broadcast/all/alert now', 'homie/sensor/temperature/$name Outside',
    'spBv1.0/STATE/scada {"online":true}', 'STATE/scada ONLINE',
    'v3/app@ttn/devices/soil-1/join {"join_accept":{}}', 'v3/app@ttn/devices/soil-1/down/queued {"downlink_queued":{}}', 'v3/app@ttn/devices/soil-1/location/solved {}'
  ]
  test('what other programs publish makes no agents, in whatever order the presets are', () => {
    const used = presets.filter(({ id }) => id !== 'telegraf-json')
    for (const order of [used, used.toReversed()]) {
      const table = new RuleTable(order.flatMap(({ rules }) => rules))
      for (const line of ofPrograms) {
        const [topic = '', payload = ''] = line.split(/ (.*)/)
        const read = table.read(topic, Buffer.from(payload), Date.now())
        assert.deepEqual(read?.ok === true ? read.readings : read ?? [], [], line)
      }
    }
  })

  test('a device of Homie that is called sensor is not one of ESPHome', () => {
    const table = new RuleTable(presets.filter(({ id }) => id === 'esphome' || id === 'homie').flatMap(({ rules }) => rules))
    const read = table.read('homie/sensor/temperature/state', Buffer.from('21.5'), Date.now())
    assert.deepEqual(read?.ok && read.readings.map(said), [{ agent: 'sensor', metrics: { 'temperature.state': 21.5 } }])
  })
})
