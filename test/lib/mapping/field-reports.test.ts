import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from '../../../lib/messages/parse.ts'
import { presets } from '../../../lib/mapping/presets/presets.ts'
import { RuleTable } from '../../../lib/mapping/rules/rule-table.ts'
import type { TopicRule } from '../../../lib/mapping/topic-rule.ts'

// What people reported to others who read devices' topics, sent to us. Each payload is written anew from the report.

const of = (id: string): TopicRule[] => presets.find(preset => preset.id === id)?.rules ?? assert.fail(id)
const json: TopicRule = { topic: 'in/{uuid}', format: 'json' }
const value: TopicRule = { topic: 'in/{uuid}', format: 'value' }
const lines: TopicRule = { topic: 'in/{uuid}', format: 'influx' }

/** The metrics of the one message that is made of a payload, who came and went, or why it was rejected. */
function said (rules: TopicRule[], payload: string | Buffer, topic = 'in/a'): unknown {
  const read = new RuleTable(rules).read(topic, typeof payload === 'string' ? Buffer.from(payload) : payload, 0) ?? assert.fail(topic)
  if (!read.ok) return read.reason
  const [reading, ...others] = read.readings
  assert.equal(others.length, 0)
  return reading?.kind === 'message' ? Object.fromEntries(reading.metrics.map(({ type, value: one }) => [type, one])) : reading?.kind ?? 'nothing'
}

const reports: Array<[title: string, address: string, rules: TopicRule[], payload: string | Buffer, expected: unknown, topic?: string]> = [
  ['availability that is a text, where JSON was expected', 'influxdata/telegraf/issues/10594', of('zigbee2mqtt'), 'online', 'connected', 'zigbee2mqtt/zarnica/availability'],
  ['a bare number is no line protocol, and says so', 'influxdata/telegraf/issues/5318', [lines], '29.700001', 'PAYLOAD_MALFORMED'],
  ['… and is a value', 'influxdata/telegraf/issues/3240', [value], '23\n', { a: 23 }],
  ['a line break in a quoted text', 'influxdata/telegraf/issues/4942', [lines], 'test_logs message="Hey!\nhow are you?"', { 'test_logs.message': 'Hey!\nhow are you?' }],
  ['backslashes in a text', 'influxdata/telegraf/issues/4214', [lines], 'test,tag_test=test field="some\\value\\with\\slashes"', { 'test.test.field': 'some\\value\\with\\slashes' }],
  ['values in a list', 'influxdata/telegraf/issues/6141', [{ ...json, leave: ['date', '*.meter'] }], '{"meters":[{"meter":"PPAC3_1In","E":144.1158}],"date":"2019-07-19-14:57:54"}', { 'meters.0.E': 144.1158 }],
  ['a date that is none', 'influxdata/telegraf/issues/6141', [{ ...json, time: { path: 'date', unit: 'auto' } }], '{"E":144.1158,"date":"2019-07-19-14:57:54"}', 'TIMESTAMP_INVALID'],
  ['nested values of a Shelly', 'influxdata/telegraf/issues/11659', of('shelly-gen2'), '{"id":0,"output":true,"apower":375.0,"temperature":{"tC":63.4,"tF":146.2}}', { 'switch:0.output': true, 'switch:0.apower': 375, 'switch:0.temperature.tC': 63.4, 'switch:0.temperature.tF': 146.2 }, 'pv1/status/switch:0'],
  ['JSON on a topic of values', 'influxdata/telegraf/issues/5752', [value], '{"time":"2019-04-22 21:28:12","temperature_C":16.2}', 'FIELD_INVALID'],
  ['a unit that is a topic of its own', 'jblance/mpp-solar/issues/129', [{ topic: '{uuid}/status/{type}/+', format: 'value' }], '188.8', { 'unknown_flags?': 188.8 }, 'QPGS1/status/unknown_flags?/value'],
  ['nan, which is no JSON', 'arendst/Tasmota/issues/4147', of('tasmota'), '{"Time":"2018-10-23T23:47:58","SI7021-00":{"Temperature":17.1,"Humidity":70.0},"DHT11":{"Temperature":nan,"Humidity":nan},"TempUnit":"C"}', { 'SI7021-00.Temperature': 17.1, 'SI7021-00.Humidity': 70 }, 'tele/a/SENSOR'],
  ['an object that begins with a comma', 'arendst/Tasmota/issues/9436', of('tasmota'), '{"Time":"2020-09-30T14:23:08","LYWSD02-8250f4":{,"Battery":55},"TempUnit":"C"}', 'PAYLOAD_NOT_JSON', 'tele/a/SENSOR'],
  ['a brace that is missing', 'arendst/Tasmota/issues/13591', of('tasmota'), '{"EnergyTotal":{"Total":[0.008,0.000]}', 'PAYLOAD_NOT_JSON', 'stat/a/RESULT'],
  ['a key without a name', 'esplesekopf/esplesekopf/issues/6', of('tasmota'), '{"Time":"2025-05-07T09:24:11","":{"Total_out":0.5,"Q+":0}}', { '.Total_out': 0.5, '.Q+': 0 }, 'tele/a/SENSOR'],
  ['null, where a sensor says only half', 'Koenkk/zigbee2mqtt/issues/9113', of('zigbee2mqtt'), '{"battery":null,"device":{"friendlyName":"Thermometer LR","networkAddress":13727},"humidity":null,"linkquality":105,"temperature":28.2}', { linkquality: 105, temperature: 28.2 }, 'zigbee2mqtt/Thermometer LR'],
  ['None, where there is no number', 'esphome/esphome/pull/7768', of('esphome'), 'None', 'nothing', 'ld2410/sensor/g8_move_energy/state'],
  ['… or nan', 'home-assistant/core/issues/98096', of('esphome'), 'nan', 'nothing', 'aircon-sonoffpowr320d-2/sensor/aircon_power_factor/state'],
  ['a comma behind the last value', 'arendst/Tasmota/issues/4108', of('tasmota'), '{"Time":"2018-10-19T13:09:52","BMP280":{"Temperature":24.0},"MPR121A":{"Button0":0,"Button12":0,},"TempUnit":"C"}', { 'BMP280.Temperature': 24, 'MPR121A.Button0': 0, 'MPR121A.Button12': 0 }, 'tele/a/SENSOR'],
  ['a payload whose beginning another one has overwritten', 'arendst/Tasmota/issues/3268', of('tasmota'), 'OFF,"AM2301":{"Temperature":31.2,"Humidity":35.2},"TempUnit":"C"}', 'PAYLOAD_NOT_JSON', 'tele/a/SENSOR'],
  [
    'a payload whose end is another packet', 'home-assistant/core/issues/84591', of('tasmota'),
    Buffer.from('{"Time":"2022-12-27T15:06:08","Switch10\xF4\x02\0\x1Btele/DVES_F35BDC/HASS_STATE{"Version":"8.2.0(tasmota)"', 'latin1'), 'PAYLOAD_NOT_UTF8', 'tele/a/SENSOR'
  ],
  ['a list for each phase', 'arendst/Tasmota/issues/21357', of('tasmota'), '{"Time":"2024-05-05T13:27:21","ENERGY":{"TotalStartTime":"2024-05-01T11:36:59","Total":31.043,"Power":[11,0],"Factor":[0.06,0.00]}}', { 'ENERGY.Total': 31.043, 'ENERGY.Power.0': 11, 'ENERGY.Power.1': 0, 'ENERGY.Factor.0': 0.06, 'ENERGY.Factor.1': 0 }, 'tele/a/SENSOR'],
  ['what the device is, beside what it says', 'Koenkk/zigbee2mqtt/issues/26919', of('zigbee2mqtt'), '{"angle":79,"device":{"applicationVersion":8,"networkAddress":47569,"type":"EndDevice"},"last_seen":"2025-03-31T00:42:22.573Z","vibration":false,"z_axis":-762}', { angle: 79, vibration: false, z_axis: -762 }, 'zigbee2mqtt/Aqara-Vibrate'],
  ['a letter of another alphabet in a name', 'yllibed/Zigbee2MqttAssistant/issues/92', of('zigbee2mqtt'), '{"state_l2":"ON"}', { state_l2: 'ON' }, 'zigbee2mqtt/Climă parter 2'],
  ['an event whose data are a list', 'openhab/openhab-addons/pull/21385', of('shelly-gen2'), '{"method":"NotifyEvent","params":{"ts":1786600000.1,"events":[{"component":"script:1","id":1,"event":"ble.scan_result","data":[2,[["aa",-70]]],"ts":1786600000.1}]}}', 'nothing', 'plug/events/rpc'],
  ['a device of the second generation under the first one\'s prefix', 'StyraHem/pyShelly/issues/70', of('shelly-gen1'), '{"id":0,"source":"init","output":true,"apower":291.5}', 'nothing', 'shellies/shellyplus1pm-3083980a70ac/status/switch:0'],
  ['JSON within a text of JSON', '1technophile/OpenMQTTGateway/issues/387', [json], '{"message":"{\\"id\\":186,\\"temperature\\":22.90}","protocol":"tfa","repeats":2}', { message: '{"id":186,"temperature":22.90}', protocol: 'tfa', repeats: 2 }],
  ['a last will that is no JSON', '1technophile/OpenMQTTGateway/issues/2123', of('openmqttgateway'), 'online', 'connected', 'home/OMG_lilygo_rtl_433_ESP/LWT'],
  [
    'an encrypted beacon that Theengs Gateway decoded', '1technophile/OpenMQTTGateway/issues/1555', of('openmqttgateway'),
    '{"name": "ATC_9C58AB", "id": "A4:C1:38:9C:58:AB", "rssi": -59, "brand": "Xiaomi", "model": "TH Sensor", "model_id": "LYWSD03MMC/MJWSD05MMC_PVVX_DECR", "type": "THB", "tempc": 30.92, "tempf": 87.656, "hum": 44.05, "batt": 81}',
    { rssi: -59, tempc: 30.92, hum: 44.05, batt: 81 }, 'home/TheengsGateway/BTtoMQTT/A4C1389C58AB'
  ],
  ['iBeacons whose numbers are no measurements', 'theengs/decoder/pull/609', of('openmqttgateway'), '{"id":"00:11:22:33:44:55","name":"Holy-IOT","rssi":-87,"model_id":"IBEACON","mfid":"4c000215","uuid":"00000000000000000000000000000000","major":10011,"minor":10,"txpower":-59}', { rssi: -87 }, 'home/OMG/BTtoMQTT/001122334455'],
  ['a backslash that escapes nothing', 'UtilitechAS/amsreader-firmware/issues/285', [json], '{"lv":"EST5","id":"","type":"\\253740976_A","P":2692}', 'PAYLOAD_NOT_JSON'],
  ['a NUL behind JSON', 'cflurin/homebridge-mqtt/issues/75', [json], '{"value": "26.00"}\0', { value: '26.00' }],
  ['flags of a protocol, which look like a number', 'rvdbreemen/OTGW-firmware/issues/225', [{ topic: 'OTGW/value/{uuid}/{type}', format: 'value' }], '-----W--', { status_master: '-----W--' }, 'OTGW/value/otgw-C8C9A35AC726/status_master'],
  ['texts and numbers on topics of one pattern', 'influxdata/telegraf/issues/16370', [{ topic: '{uuid}/status/{type}/value', format: 'value' }], 'Battery Mode', { work_mode: 'Battery Mode' }, 'EASUN/status/work_mode/value'],
  ['booleans of JSON', 'influxdata/telegraf/issues/6398', [{ ...json, time: { path: 'timestamp', unit: 'ms' } }], '{"timestamp":1568611817541,"value":true}', { value: true }],
  ['null without load', 'Koenkk/zigbee2mqtt/issues/2277', of('zigbee2mqtt'), '{"state":"ON","linkquality":15,"power":null,"current":null,"voltage":236.95}', { state: 'ON', linkquality: 15, voltage: 236.95 }, 'zigbee2mqtt/0x000d6f000b7ad5b0']
]

describe('what people reported to others', () => {
  for (const [title, address, rules, payload, expected, topic] of reports) {
    test(`${title}: https://github.com/${address}`, () => {
      assert.deepEqual(said(rules, payload, topic), expected)
    })
  }

  test('numbers as texts are texts in JSON, unless agent-in takes them for numbers: https://github.com/influxdata/telegraf/issues/13530', () => {
    const payload = '{"UtcTime":"2023-07-06T05:16:29.773Z","Data":{"Count":"1146"}}'
    const rule: TopicRule = { ...json, leave: ['UtcTime'] }
    assert.deepEqual(said([rule], payload), { 'Data.Count': '1146' })
    const read = new RuleTable([rule]).read('in/a', Buffer.from(payload), 0)
    const parsed = parse('agent/message', read?.ok ? read.readings[0] : undefined, 0, undefined, { past: 0, future: 0, outside: 'reject', numericText: true })
    assert.deepEqual(parsed.ok && parsed.message.kind === 'message' && parsed.message.payload.metrics, [{ type: 'Data.Count', value: 1146 }])
  })

  for (const [title, address, params, at] of [
    ['a time with an exponent', 'openhab/openhab-addons/issues/18757', '{"ts":1.74906157909E9,"switch:0":{"output":true}}', 1_749_061_579_090],
    ['a time in whole seconds, behind the values, and an id', 'home-assistant-libs/aioshelly/pull/456', '{"switch:0":{"id":0,"output":true},"ts":1701197400}', 1_701_197_400_000]
  ] as const) {
    test(`${title}: https://github.com/${address}`, () => {
      const read = new RuleTable(of('shelly-gen2')).read('wall/events/rpc', Buffer.from(`{"id":1701197400,"src":"wall","method":"NotifyStatus","params":${params}}`), 0)
      assert.deepEqual(read, { ok: true, readings: [{ kind: 'message', agent: { uuid: 'wall' }, metrics: [{ type: 'switch:0.output', value: true }], timestamp: at }] })
    })
  }

  test('a value has a unit, a BOM, quotes, blanks, or is none', () => {
    const values: Array<[string, unknown]> = [
      ['21.5 °C', { a: '21.5 °C' }], ['21,5', { a: '21,5' }], ['007', { a: '007' }], ['\uFEFF21.5', { a: 21.5 }], ['"21.5"', { a: 21.5 }], [' 21.5\r\n', { a: 21.5 }], ['+21.5', { a: 21.5 }], ['1e3', { a: 1000 }], ['true', { a: true }], ['ON', { a: 'ON' }],
      ...['', ' ', 'nan', 'NaN', '-inf', 'Infinity', 'null', 'unavailable', 'unknown'].map((text): [string, unknown] => [text, 'nothing'])
    ]
    for (const [payload, expected] of values) assert.deepEqual(said([value], payload), expected, JSON.stringify(payload))
  })

  test('JSON has a BOM, a key twice, or nothing to say', () => {
    assert.deepEqual(said([json], '\uFEFF{"a":1}'), { a: 1 })
    assert.deepEqual(said([json], '{"a":1,"a":2}'), { a: 2 })
    for (const payload of ['', '{}', '{"a":null}', '{"a":{}}', '[]']) assert.equal(said([json], payload), 'nothing', payload)
  })
})
