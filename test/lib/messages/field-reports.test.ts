import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from '../../../lib/messages/parse.ts'
import type { MessagePayload } from '../../../lib/messages/schema.ts'

// What devices were seen to send, by the public report of it; put into our messages.

const now = Date.parse('2026-11-28T20:45:00Z')
const rules = { past: 3650 * 86_400_000, future: 86_400_000, outside: 'reject', numericText: false } as const

const message = (value: string, timestamp = String(now)): string => `{"agent":{"uuid":"a"},"metrics":[{"type":"good","value":1},{"type":"a","value":${value}}],"timestamp":${timestamp}}`

/** What is stored of it, or why nothing is. */
const reports: Array<[report: string, payload: string | Buffer, outcome: object | string]> = [
  ['arendst/Tasmota#4147: nan of a sensor that is not connected', message('nan'), { good: 1 }],
  ['ESPresense/ESPresense#1038: inf in some fields', message('-inf'), { good: 1 }],
  ['esphome/issues#1436: NaN before the first reading', message('NaN'), { good: 1 }],
  ['influxdata/telegraf#7536: a NUL behind the payload', Buffer.from(`${message('2')}\0`), { good: 1, a: 2 }],
  ['1technophile/OpenMQTTGateway#1900: a buffer that was overwritten', Buffer.concat([Buffer.from(message('2').slice(0, 40)), Buffer.from([0x31, 0xff, 0x32]), Buffer.from(message('2'))]), 'PAYLOAD_NOT_UTF8'],
  ['home-assistant/core#42393: a dict of Python', message('2').replaceAll('"', '\''), 'PAYLOAD_NOT_JSON'],
  ['influxdata/telegraf#11880: no digit behind the decimal point', message('22.'), 'PAYLOAD_NOT_JSON'],
  ['emsesp/EMS-ESP#385: a word in the place of JSON', 'offline', 'PAYLOAD_NOT_JSON'],
  ['arendst/Tasmota#2571: 1970 before the clock is set', message('2', '"1970-01-01T00:00:03"'), 'TIMESTAMP_OUT_OF_RANGE'],
  ['1technophile/OpenMQTTGateway#1533: the uptime as the time', message('2', '188'), 'TIMESTAMP_OUT_OF_RANGE'],
  ['arendst/Tasmota#8627: thirty years too late, for an epoch of 2000', message('2', String(now / 1_000 + 946_684_800)), 'TIMESTAMP_OUT_OF_RANGE'],
  ['influxdata/telegraf#6141: a date of its own kind', message('2', '"2019-07-19-14:57:54"'), 'TIMESTAMP_INVALID'],
  ['home-assistant/core#32548: ° in Latin-1', Buffer.from(message('"21 °C"'), 'latin1'), 'PAYLOAD_NOT_UTF8'],
  ['arendst/Tasmota#19763: keys that are there twice', message('1,"value":2'), { good: 1, a: 2 }],
  ['influxdata/telegraf#5752: a blank between date and time', message('2', '"2019-04-22 21:28:12"'), { good: 1, a: 2 }]
]
for (const [report, payload, outcome] of reports) {
  test(report, () => {
    const parsed = parse('agent/message', payload, now, undefined, rules)
    const stored = parsed.ok ? Object.fromEntries((parsed.message.payload as MessagePayload).metrics.map(({ type, value }) => [type, value])) : parsed.reason
    assert.deepEqual(stored, outcome)
  })
}
