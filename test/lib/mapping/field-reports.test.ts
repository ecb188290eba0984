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
function said (rules: TopicRule[], payload: string, topic = 'in/a'): unknown {
  const read = new RuleTable(rules).read(topic, Buffer.from(payload), 0) ?? assert.fail(topic)
  if (!read.ok) return read.reason
  const [reading, ...others] = read.readings
  assert.equal(others.length, 0)
  return reading?.kind === 'message' ? Object.fromEntries(reading.metrics.map(({ type, value: one }) => [type, one])) : reading?.kind ?? 'nothing'
}

const reports: Array<[title: string, address: string, rules: TopicRule[], payload: string, expected: unknown, topic?: string]> = [
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
