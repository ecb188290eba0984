import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { csvRows } from '../../../lib/mapping/formats/csv-rows.ts'
import { formats } from '../../../lib/mapping/formats/formats.ts'
import { mostMetrics, mostReadings } from '../../../lib/mapping/formats/gathered.ts'
import type { Read, Reading } from '../../../lib/mapping/reading.ts'
import type { TopicRule } from '../../../lib/mapping/topic-rule.ts'
import { rejectReasons } from '../../../lib/messages/parse.ts'

const at = '1772355600000000000'
const ms = 1_772_355_600_000

/** Reads a payload of `lab/gw/x`. */
function reader (rule: Partial<TopicRule> & Pick<TopicRule, 'format'>): (payload: string | Buffer) => Read {
  const read = formats[rule.format]({ topic: 'lab/{uuid}/{room}', ...rule })
  return payload => read({ topic: 'lab/gw/x', payload: Buffer.from(payload), names: { uuid: 'gw', room: 'x' }, receivedAt: ms })
}

function metricsOf (read: Read): Array<[string, unknown]> {
  return read.ok ? read.readings.flatMap(reading => reading.kind === 'message' ? reading.metrics.map(({ type, value }): [string, unknown] => [type, value]) : []) : assert.fail(JSON.stringify(read))
}

function first (read: Read): Reading {
  return (read.ok ? read.readings[0] : undefined) ?? assert.fail(JSON.stringify(read))
}

function problem (read: Read): string {
  return read.ok ? assert.fail(JSON.stringify(read)) : `${read.reason} ${read.detail}`
}

describe('line protocol', () => {
  const read = reader({ format: 'influx' })

  test('has numbers, whole numbers, booleans and texts', () => {
    assert.deepEqual(metricsOf(read('m a=1,b=-2.5,c=3i,d=4u,e=t,f=FALSE,g="text, \\"quoted\\" and = \\\\",h=.5,i=1.,j=1e3,k=-1.25E-2')), [
      ['m.a', 1], ['m.b', -2.5], ['m.c', 3], ['m.d', 4], ['m.e', true], ['m.f', false], ['m.g', 'text, "quoted" and = \\'], ['m.h', 0.5], ['m.i', 1], ['m.j', 1000], ['m.k', -0.0125]
    ])
  })

  test('has the type of measurement, values of tags in the order of their keys, and field', () => {
    assert.deepEqual(metricsOf(read(`a\\ b\\,c,z=last,t\\=k=first\\ one f\\ 1=1 ${at}`)), [['a b,c.first one.last.f 1', 1]])
    assert.deepEqual(metricsOf(read('m,unset=,cpu=cpu0 f=1')), [['m.cpu0.f', 1]])
  })

  test('keeps the host apart: it is the agent\'s, and the agent itself where nothing else says who it is', () => {
    assert.deepEqual(first(read('m,host=h f=1')), { kind: 'message', agent: { uuid: 'gw', hostname: 'h' }, metrics: [{ type: 'm.f', value: 1 }] })
    const byHost = reader({ format: 'influx', topic: 'lab/{x}/{room}' })
    assert.equal(first(byHost('m,host=h f=1')).agent.uuid, 'h')
    assert.match(problem(byHost('m f=1')), /FIELD_INVALID The payload does not have host/)
    const byTag = reader({ format: 'influx', uuid: '{room}-{$.sensor}', name: '{$.label}' })
    assert.deepEqual(first(byTag('m,sensor=s1,label=One,floor=2 f=1')), { kind: 'message', agent: { uuid: 'x-s1', name: 'One' }, metrics: [{ type: 'm.2.f', value: 1 }] })
  })

  test('has times in ns, or in the unit of the row', () => {
    const timeOf = (unit: 's' | 'ms' | 'us' | 'ns' | 'auto', time: string) => (first(reader({ format: 'influx', time: { path: '', unit } })(`m f=1 ${time}`)) as { timestamp?: unknown }).timestamp
    assert.equal((first(read(`m f=1 ${at}`)) as { timestamp?: unknown }).timestamp, ms)
    assert.deepEqual([timeOf('s', '1772355600'), timeOf('ms', '1772355600000'), timeOf('us', '1772355600000000'), timeOf('ns', at), timeOf('auto', at)], [ms, ms, ms, ms, ms])
    assert.equal('timestamp' in first(read('m f=1')), false)
    assert.match(problem(read('m f=1 -5')), /TIMESTAMP_INVALID/)
    assert.throws(() => reader({ format: 'influx', time: { path: 't', unit: 'iso' } }), /TOPIC_RULE_INVALID.*is a number/)
  })

  test('puts what is of one time into one message, and what comes again into another', () => {
    const read2 = read(`m f=1 ${at}\nm g=2 ${at}\nm f=3 ${at}\nm f=4 1772355601000000000`)
    assert.deepEqual(read2.ok && read2.readings.map(reading => reading.kind === 'message' && [reading.timestamp, reading.metrics.map(({ value }) => value)]), [[ms, [1, 2]], [ms, [3]], [ms + 1000, [4]]])
  })

  test('takes, leaves and renames', () => {
    assert.deepEqual(metricsOf(reader({ format: 'influx', take: ['cpu'], leave: ['*.usage_guest'], rename: { 'cpu.*': '*' } })('cpu,cpu=cpu0 usage_idle=1,usage_guest=2\nmem used=3')), [['cpu0.usage_idle', 1]])
  })

  test('is rejected with the line that is wrong, and nothing of it is stored', () => {
    const wrong: Array<[string, RegExp]> = [
      ['m f=1\n\n# c\nm f', /Line 4: the field "f" has no value/], ['23', /Line 1: "23" has no field/], ['m f=1x', /has the value "1x"/], ['m f="x', /has no end/], ['m f="x"y', /goes on/], ['m,t f=1', /the tag "t" has no value/],
      ['m f=1 2 3', /"3" comes after/], ['m f=1 soon', /"soon" is no time/], ['m f=1 12345678901234567890', /is no time/], [',t=1 f=1', /a name is missing/], ['m =1', /a name is missing/], ['m f=1,', /a name is missing/], ['m f=', /has no value/]
    ]
    for (const [payload, expected] of wrong) assert.match(problem(read(payload)), expected, payload)
    assert.match(problem(read('m f')), /^PAYLOAD_MALFORMED/)
    assert.match(problem(read(Buffer.from([0x6d, 0xff]))), /^PAYLOAD_NOT_UTF8/)
  })

  test('may be empty, have a BOM, CRLF, and a NUL at its end', () => {
    for (const payload of ['', '\n\n', '# nothing', '\uFEFF']) assert.deepEqual(read(payload), { ok: true, readings: [] })
    assert.deepEqual(metricsOf(read('\uFEFFm f=1\r\nm g=2\r\n\0rest')), [['m.f', 1], ['m.g', 2]])
  })

  test('reads as many metrics as a payload may have, a thousand to a message', () => {
    const line = (fields: number): string => `m ${Array.from({ length: fields }, (_, i) => `f${i}=${i}`).join()}`
    const most = read(line(mostMetrics))
    assert.deepEqual(most.ok && most.readings.map(reading => reading.kind === 'message' && reading.metrics.length), Array.from({ length: 10 }, () => 1000))
    assert.match(problem(read(line(mostMetrics + 1))), /^PAYLOAD_TOO_LARGE .* more than 10000 values/)
    const messages = (count: number): string => Array.from({ length: count }, (_, i) => `m f=1 ${i}000000000`).join('\n')
    assert.equal((read(messages(mostReadings)) as { readings: unknown[] }).readings.length, mostReadings)
    assert.match(problem(read(messages(mostReadings + 1))), /^PAYLOAD_TOO_LARGE .* more than 1000 messages/)
  })

  test('cannot be made to take time or memory', () => {
    const started = performance.now()
    for (const payload of [
      '\\'.repeat(1e6), '1'.repeat(1e6), `m f=${'1'.repeat(1e6)}`, `m f=${'1'.repeat(1e6)}x`, `m f="${'\\"'.repeat(5e5)}`, '\n'.repeat(1e6), 'a,'.repeat(5e5), '#'.repeat(1e6), ' '.repeat(1e6), `m f=1${' '.repeat(1e6)}`,
      `m${',t=1'.repeat(2.5e5)} f=1`, `m${'\\ '.repeat(5e5)} f=1`, `${'m'.repeat(1e6)} ${Array.from({ length: 9_000 }, (_, i) => `f${i}=1`).join()}`, `${'m'.repeat(2e5)} f=1\n`.repeat(5)
    ]) {
      const result = read(payload)
      if (result.ok) for (const [type] of metricsOf(result)) assert.ok(type.length <= 256)
    }
    assert.ok(performance.now() - started < 15_000, `${performance.now() - started}`)
    assert.match(problem(read('m'.repeat(4_000_001))), /^PAYLOAD_TOO_LARGE/)
  })
})

describe('Telegraf\'s JSON', () => {
  const read = reader({ format: 'telegraf' })

  test('leaves out null, and goes into fields that are objects', () => {
    assert.deepEqual(metricsOf(read('{"name":"m","tags":{"b":"2","a":"1","host":"h"},"fields":{"x":null,"y":{"z":[1,true]},"s":"t","n":nan},"timestamp":1772355600}')), [['m.1.2.y.z.0', 1], ['m.1.2.y.z.1', true], ['m.1.2.s', 't']])
  })

  test('has times in s, or in the unit of the row, or none', () => {
    const timeOf = (text: string, unit?: 'ms' | 'ns') => (first(reader({ format: 'telegraf', ...unit === undefined ? {} : { time: { path: '', unit } } })(`{"name":"m","fields":{"f":1}${text}}`)) as { timestamp?: unknown }).timestamp
    assert.deepEqual([timeOf(',"timestamp":1772355600'), timeOf(',"timestamp":1772355600000', 'ms'), timeOf(`,"timestamp":${at}`, 'ns'), timeOf('')], [ms, ms, ms, undefined])
  })

  test('may be a list, or `metrics`', () => {
    const one = '{"name":"m","fields":{"f":1},"timestamp":1}'
    for (const payload of [one, `[${one}]`, `{"metrics":[${one}]}`]) assert.deepEqual(metricsOf(read(payload)), [['m.f', 1]])
    for (const payload of ['', '[]', '{"metrics":[]}']) assert.deepEqual(read(payload), { ok: true, readings: [] })
  })

  test('is rejected where a measurement is none', () => {
    for (const payload of ['1', '"x"', 'null', '{}', '{"name":"m"}', '{"name":1,"fields":{}}', '{"metrics":[null]}', '{"name":"m","fields":1}', '{"name":"m","fields":{},"tags":1}']) assert.match(problem(read(payload)), /FIELD_INVALID Measurement 1 is none/, payload)
    assert.match(problem(read('{')), /PAYLOAD_NOT_JSON/)
  })

  test('cannot be made to take time or memory', () => {
    const name = 'm'.repeat(1e6)
    const started = performance.now()
    for (const payload of [`{"metrics":[${'{"name":"m","fields":{}},'.repeat(2e4)}1]}`, JSON.stringify({ name, fields: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`f${i}`, i])) }), `[${`{"name":"m","fields":{"f":1}},`.repeat(3e4)}{}]`]) read(payload)
    assert.ok(performance.now() - started < 5_000)
  })
})

describe('CSV', () => {
  const read = reader({ format: 'csv' })

  test('has the names of its columns in the first line, or from the row', () => {
    assert.deepEqual(metricsOf(read('temperature,humidity,door,state\r\n21.5,40,true,idle\r\n')), [['temperature', 21.5], ['humidity', 40], ['door', true], ['state', 'idle']])
    const named = reader({ format: 'csv', columns: ['temperature', 'humidity'] })
    assert.deepEqual(metricsOf(named('21.5,40')), [['temperature', 21.5], ['humidity', 40]])
    assert.deepEqual(metricsOf(named('temperature,humidity\n21.5,40')), [['temperature', 21.5], ['humidity', 40]])
  })

  test('has a column for the time and for the agent', () => {
    const several = reader({ format: 'csv', topic: 'lab/{x}/{room}', uuid: '{$.sensor}', time: { path: 'time', unit: 's' } })
    assert.deepEqual(several('sensor,time,temperature\na,1772355600,1\nb,1772355600,2\na,,3'), {
      ok: true,
      readings: [
        { kind: 'message', agent: { uuid: 'a' }, metrics: [{ type: 'temperature', value: 1 }], timestamp: ms },
        { kind: 'message', agent: { uuid: 'b' }, metrics: [{ type: 'temperature', value: 2 }], timestamp: ms },
        { kind: 'message', agent: { uuid: 'a' }, metrics: [{ type: 'temperature', value: 3 }] }
      ]
    })
    assert.match(problem(several('time\n1')), /FIELD_INVALID The payload does not have sensor/)
    assert.match(problem(several('sensor,time,t\na,soon,1')), /TIMESTAMP_INVALID/)
  })

  test('is parted by what the row says', () => {
    assert.deepEqual(metricsOf(reader({ format: 'csv', separator: ';' })('a;b\n1;"x;y"')), [['a', 1], ['b', 'x;y']])
    assert.deepEqual(metricsOf(reader({ format: 'csv', separator: '\\t' })('a\tb\n1\t2')), [['a', 1], ['b', 2]])
    for (const separator of ['ab', '"', '\n']) assert.throws(() => reader({ format: 'csv', separator }), /TOPIC_RULE_INVALID/)
  })

  test('has no value in an empty cell, `nan` or `null`; each line is a sample of its own', () => {
    assert.deepEqual(metricsOf(read('a,b,c\n1,,nan\n2,null,007')), [['a', 1], ['a', 2], ['c', '007']])
    assert.deepEqual(read(''), { ok: true, readings: [] })
    assert.deepEqual(read('a,b'), { ok: true, readings: [] })
  })

  test('is rejected where a line has more columns than there are names, and where a quote has no end', () => {
    assert.match(problem(read('a\n1,2')), /PAYLOAD_MALFORMED .*has 2 columns, and 1 have names/)
    assert.match(problem(read('a\n"1')), /PAYLOAD_MALFORMED .*: a quote has no end\.$/)
    assert.match(problem(read('a\n"1"2')), /PAYLOAD_MALFORMED .*: a cell goes on after its quote\.$/)
    assert.match(problem(read('a\nx"1"')), /PAYLOAD_MALFORMED .*: a quote is in the middle of a cell\.$/)
  })

  test('is read as it was written, with quotes, blanks and lines within cells', () => {
    const cell = fc.array(fc.constantFrom('a', '"', ',', ' ', '\n', '\r\n', '1', 'é', '')).map(parts => parts.join(''))
    // An empty line is none, and blanks around a cell are not part of it.
    const rows = fc.array(fc.array(cell.map(text => text.trim()), { minLength: 1, maxLength: 4 }).filter(row => row.length > 1 || row[0] !== ''), { maxLength: 5 })
    const written = (text: string): string => /[",\r\n]/.test(text) ? ` "${text.replaceAll('"', '""')}" ` : ` ${text}`
    fc.assert(fc.property(rows, fc.constantFrom('\n', '\r\n'), (list, end) => {
      const text = list.map(row => row.map(written).join()).join(end)
      assert.deepEqual(csvRows(text, ',', 1_000), { ok: true, rows: list })
    }))
  })

  test('may have as many cells with either kind of line end', () => {
    for (const end of ['\n', '\r\n', '\r']) assert.equal(csvRows(`1,2${end}`.repeat(4_900), ',', 10_000).ok, true, JSON.stringify(end))
  })

  test('takes the names of its columns as they are', () => {
    assert.deepEqual(metricsOf(read('__proto__,constructor\n1,2')), [['__proto__', 1], ['constructor', 2]])
  })

  test('cannot be made to take time or memory', () => {
    const started = performance.now()
    for (const payload of [`a\n${'1\n'.repeat(20_000)}`, ','.repeat(2e6), `a;${' '.repeat(2e6)}`, '"'.repeat(1e6), `${'a'.repeat(90_000)}\n${'1\n'.repeat(9_000)}`, '\n'.repeat(1e6), `a\n${' '.repeat(1e6)}`, '""'.repeat(5e5)]) {
      const result = read(payload)
      assert.ok(!result.ok || result.readings.length <= mostReadings)
    }
    assert.ok(performance.now() - started < 15_000, `${performance.now() - started}`)
    assert.match(problem(read(`a\n${'1\n'.repeat(20_000)}`)), /^PAYLOAD_TOO_LARGE/)
    assert.ok(problem(read(`a\n${'x'.repeat(1e6)}"`)).length < 500, 'what a stranger wrote is not all told')
  })
})

test('no format throws, whatever the payload is', () => {
  const piece = fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', ' ', '=', '\n', '\r', '\0', '#', 'm', 'f=1', 'nan', '1e999', '-', '.', '9'.repeat(20), 'true', 'null', '__proto__', 'é', '\uFEFF', '{"name":"m","fields":', '"metrics":', ',host=h', ' 1772355600000000000')
  const payload = fc.oneof(fc.uint8Array({ maxLength: 100 }).map(bytes => Buffer.from(bytes)), fc.array(piece, { maxLength: 40 }).map(pieces => Buffer.from(pieces.join(''))))
  const rules: TopicRule[] = (Object.keys(formats) as Array<TopicRule['format']>).flatMap(format => [
    { topic: 'a/{uuid}', format }, { topic: 'a/{uuid}', format, take: ['m*'], leave: ['*.f'], rename: { 'm.*': '*' }, ...['json', 'csv'].includes(format) ? { uuid: '{uuid}{$.m}', time: { path: 'f', unit: 's' as const } } : {} }
  ])
  const readers = rules.map(rule => formats[rule.format](rule))
  fc.assert(fc.property(payload, bytes => {
    for (const read of readers) {
      const result = read({ topic: 'a/b', payload: bytes, names: { uuid: 'b' }, receivedAt: ms })
      if (!result.ok) assert.ok(Object.hasOwn(rejectReasons, result.reason) && result.detail.length < 1_000, JSON.stringify(result))
    }
  }), { numRuns: 3_000 })
})
