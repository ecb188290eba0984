import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { mostMetrics } from '../../../lib/mapping/formats/gathered.ts'
import { decodeSparkplug, plainValue } from '../../../lib/mapping/formats/sparkplug/payload.ts'
import { sparkplug } from '../../../lib/mapping/formats/sparkplug.ts'
import type { Read } from '../../../lib/mapping/reading.ts'
import type { TopicRule } from '../../../lib/mapping/topic-rule.ts'
import { encode } from '../../fixtures/devices/sparkplug.ts'

type Payload = Parameters<typeof encode>[0]

function plant (rule: Partial<TopicRule> = {}): (topic: string, payload: Payload | Buffer, user?: string) => Read {
  const read = sparkplug({ topic: 'spBv1.0/{group}/+/{node}/#', format: 'sparkplug', ...rule })
  return (topic, payload, user) => {
    const [group = '', , node = ''] = topic.split('/')
    return read({ topic: `spBv1.0/${topic}`, payload: Buffer.isBuffer(payload) ? payload : encode(payload), names: { group, node }, receivedAt: 0, ...user === undefined ? {} : { user } })
  }
}

/** What is said, in short: `+uuid` and `-uuid` for who comes and goes. */
function short (read: Read): unknown[] {
  return read.ok ? read.readings.map(reading => reading.kind === 'message' ? { [reading.agent.uuid]: Object.fromEntries(reading.metrics.map(({ type, value }) => [type, value])) } : `${reading.kind === 'connected' ? '+' : '-'}${reading.agent.uuid}`) : [read.reason]
}

const bdSeq = (value: number) => ({ name: 'bdSeq', type: 'UInt64', value }) as const
const birth = (name: string, alias?: number): Payload => ({ timestamp: 1, metrics: [{ name, ...alias === undefined ? {} : { alias }, type: 'Int32', value: 1 }] })

// Fields of protocol buffers, written by hand.
const varint = (value: bigint): number[] => value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)]
const field = (number: number, type: number, ...bytes: number[]): number[] => [...varint(BigInt(number << 3 | type)), ...bytes]
const bytesField = (number: number, bytes: number[]): number[] => field(number, 2, ...varint(BigInt(bytes.length)), ...bytes)
const metric = (...fields: number[][]): number[] => bytesField(2, fields.flat())
const nameField = (text: string): number[] => bytesField(1, [...Buffer.from(text)])

describe('Sparkplug B', () => {
  test('data that says less than its birth is read with it', () => {
    const read = plant()
    read('g/NBIRTH/n', Buffer.from([...metric(nameField('offset'), field(2, 0, 7), field(4, 0, 2), field(10, 0, 0)), ...metric(nameField('plain'), field(4, 0, 3), field(10, 0, 0))]))
    // Neither a name nor a data type; then a name alone.
    assert.deepEqual(short(read('g/NDATA/n', Buffer.from([...metric(field(2, 0, 7), field(10, 0, ...varint(65_529n))), ...metric(nameField('plain'), field(10, 0, ...varint(4_294_967_295n)))]))), [{ 'g:n': { offset: -7, plain: -1 } }])
  })

  test('an alias that no birth gave a name is rejected, with what to do', () => {
    const read = plant()
    const unknown = read('g/DDATA/n/d', { timestamp: 1, metrics: [{ alias: 5, type: 'Int32', value: 1 }] })
    assert.ok(!unknown.ok && unknown.reason === 'BIRTH_UNKNOWN' && unknown.detail.includes('on "spBv1.0/g/NCMD/n"'), JSON.stringify(unknown))
    read('g/DBIRTH/n/d', birth('t', 5))
    assert.deepEqual(short(read('g/DDATA/n/d', { timestamp: 1, metrics: [{ alias: 5, type: 'Int32', value: 2 }] })), [{ 'g:n:d': { t: 2 } }])
    // Aliases are those of one node or device, until it dies or is born again.
    assert.deepEqual(short(read('g/DDATA/n/other', { timestamp: 1, metrics: [{ alias: 5, type: 'Int32', value: 2 }] })), ['BIRTH_UNKNOWN'])
    read('g/DBIRTH/n/d', birth('u', 6))
    assert.deepEqual(short(read('g/DDATA/n/d', { timestamp: 1, metrics: [{ alias: 5, type: 'Int32', value: 2 }] })), ['BIRTH_UNKNOWN'])
    assert.deepEqual(short(read('g/DDEATH/n/d', { timestamp: 1, metrics: [] })), ['-g:n:d'])
    assert.deepEqual(short(read('g/DDATA/n/d', { timestamp: 1, metrics: [{ alias: 6, type: 'Int32', value: 2 }] })), ['BIRTH_UNKNOWN'])
    assert.deepEqual(short(read('g/DDATA/n/d', Buffer.from(metric(field(10, 0, 1))))), ['PAYLOAD_MALFORMED'])
  })

  test('the death of an older connection does not end a newer one', () => {
    const read = plant()
    const born = (seq: number) => short(read('g/NBIRTH/n', { timestamp: 1, metrics: [bdSeq(seq)] }))
    const died = (seq?: number) => short(read('g/NDEATH/n', { timestamp: 1, metrics: seq === undefined ? [] : [bdSeq(seq)] }))
    assert.deepEqual(died(3), ['-g:n'], 'of a node that was born before the start')
    born(3)
    born(4)
    assert.deepEqual(died(3), [])
    assert.deepEqual(died(4), ['-g:n'])
    born(255)
    assert.deepEqual(born(0), ['+g:n'])
    assert.deepEqual(died(255), [])
    assert.deepEqual(died(), ['-g:n'], 'without a number it may be the one that is known')
  })

  test('devices go with their node, and with a connection that ended without a word', () => {
    const read = plant()
    read('g/NBIRTH/n', { timestamp: 1, metrics: [bdSeq(1)] })
    read('g/DBIRTH/n/a', birth('t'))
    read('g/DBIRTH/n/b', birth('t'))
    read('g/DBIRTH/other/c', birth('t'))
    assert.deepEqual(short(read('g/NBIRTH/n', { timestamp: 1, metrics: [bdSeq(1)] })), ['+g:n'], 'a birth that was asked for')
    read('g/DBIRTH/n/a', birth('t'))
    assert.deepEqual(short(read('g/NBIRTH/n', { timestamp: 1, metrics: [bdSeq(2)] })), ['-g:n:a', '+g:n'])
    read('g/DBIRTH/n/b', birth('t'))
    assert.deepEqual(short(read('g/NDEATH/n', { timestamp: 1, metrics: [bdSeq(2)] })), ['-g:n', '-g:n:b'])
  })

  test('births and deaths of another user change nothing of what a node said', () => {
    const read = plant()
    read('g/NBIRTH/n', { timestamp: 1, metrics: [bdSeq(1), { name: 'pressure', alias: 1, type: 'Int32', value: 1 }] }, 'plant')
    read('g/NBIRTH/n', { timestamp: 1, metrics: [bdSeq(1), { name: 'temperature', alias: 1, type: 'Int32', value: 1 }] }, 'stranger')
    read('g/NDEATH/n', { timestamp: 1, metrics: [bdSeq(1)] }, 'stranger')
    read('g/NDEATH/n', { timestamp: 1, metrics: [bdSeq(1)] })
    const data: Payload = { timestamp: 1, metrics: [{ alias: 1, type: 'Int32', value: 2 }] }
    assert.deepEqual(short(read('g/NDATA/n', data, 'plant')), [{ 'g:n': { pressure: 2 } }])
    assert.deepEqual(short(read('g/NDATA/n', data)), ['BIRTH_UNKNOWN'])
  })

  test('commands, states and other topics say nothing', () => {
    const read = plant()
    for (const topic of ['g/NCMD/n', 'g/DCMD/n/d', 'g/STATE/n', 'g/NDATA/n/d', 'g/DDATA/n', 'g/DDATA/n/d/e', 'g//n', '/NDATA/n', 'g/NDATA/']) assert.deepEqual(read(topic, Buffer.from('anything')), { ok: true, readings: [] }, topic)
    assert.deepEqual(short(sparkplug({ topic: 'site/spBv1.0/{group}/+/{node}/#', format: 'sparkplug' })({ topic: 'site/spBv1.0/g/NDATA/n', payload: encode(birth('t')), names: { group: 'g', node: 'n' }, receivedAt: 0 })), [{ 'g:n': { t: 1 } }])
  })

  test('agents can be named by the row', () => {
    const read = plant({ uuid: '{node}', name: '{$.device}', leave: ['Node Control/*'] })
    const born = read('g/NBIRTH/n', { timestamp: 1, metrics: [{ name: 'Node Control/Rebirth', type: 'Boolean', value: false }] })
    assert.deepEqual(born, { ok: true, readings: [{ kind: 'connected', agent: { uuid: 'n' } }] })
    const device = read('g/DBIRTH/n/d', birth('t'))
    assert.deepEqual(device.ok && device.readings[0]?.agent, { uuid: 'n', name: 'd' })
  })

  test('values have the data type that they had', () => {
    const valueOf = (datatype: number, ...value: number[]): unknown => {
      const decoded = decodeSparkplug(Buffer.from(metric(nameField('x'), field(4, 0, datatype), value)), 1)
      const read = decoded.ok ? decoded.payload.metrics[0]?.value : assert.fail()
      return read === undefined ? undefined : plainValue(read, datatype)
    }
    const int = (value: bigint): number[] => field(10, 0, ...varint(value))
    const long = (value: bigint): number[] => field(11, 0, ...varint(value))
    const float = (value: number): number[] => field(12, 5, ...new Uint8Array(new Float32Array([value]).buffer))
    assert.deepEqual([valueOf(1, ...int(0xFFFF_FFFBn)), valueOf(1, ...int(0xFBn)), valueOf(2, ...int(0xFFFFn)), valueOf(3, ...int(0xFFFF_FFFFn))], [-5, -5, -1, -1])
    assert.deepEqual([valueOf(5, ...int(255n)), valueOf(6, ...int(65_535n))], [255, 65_535])
    // UInt32 in either place: the specification says the one, Tahu the other (tahu#76, tahu#218).
    assert.deepEqual([valueOf(7, ...int(4_000_000_000n)), valueOf(7, ...long(4_000_000_000n))], [4_000_000_000, 4_000_000_000])
    assert.deepEqual([valueOf(4, ...long(2n ** 64n - 1n)), valueOf(4, ...long(2n ** 53n)), valueOf(8, ...long(2n ** 64n - 1n))], [-1, 2 ** 53, 2 ** 64])
    assert.equal(valueOf(13, ...long(1_772_355_600_123n)), 1_772_355_600_123)
    for (const number of [21.3, 1 / 3, 16_777_217, -1e-40, 0]) assert.equal(Math.fround(Number(valueOf(9, ...float(number)))), Math.fround(number))
    assert.equal(valueOf(9, ...float(21.3)), 21.3)
    assert.deepEqual([valueOf(11, ...field(14, 0, 1)), valueOf(12, ...bytesField(15, [...Buffer.from('ñ')])), valueOf(14, ...bytesField(15, [])), valueOf(3, ...int(5n), ...field(7, 0, 1))], [true, 'ñ', '', undefined])
  })

  test('what is no metric is left out: null, not a number, data sets, templates, bytes', () => {
    const read = plant()
    const readings = short(read('g/NDATA/n', {
      timestamp: 1,
      metrics: [
        { name: 'nothing', type: 'Int32', value: null },
        { name: 'nan', type: 'Double', value: NaN },
        { name: 'inf', type: 'Float', value: Infinity },
        { name: 'bytes', type: 'Bytes', value: new Uint8Array([1]) },
        { name: 'set', type: 'DataSet', value: { numOfColumns: 1, columns: ['x'], types: ['Int32'], rows: [[1]] } },
        { name: 'template', type: 'Template', value: { metrics: [{ name: 'inner', type: 'Int32', value: 1 }] } },
        { name: 'good', type: 'Int32', value: 1, properties: { unit: { type: 'String', value: 'm' } } }
      ]
    }))
    assert.deepEqual(readings, [{ 'g:n': { good: 1 } }])
  })

  test('reads what Tahu writes', () => {
    const typed = (types: readonly string[], value: fc.Arbitrary<unknown>) => fc.record({ type: fc.constantFrom(...types), value })
    const value = fc.oneof(
      typed(['Int8'], fc.integer({ min: -128, max: 127 })),
      typed(['Int16'], fc.integer({ min: -32_768, max: 32_767 })),
      typed(['Int32'], fc.integer()),
      typed(['UInt8', 'UInt16'], fc.integer({ min: 0, max: 255 })),
      typed(['UInt32'], fc.integer({ min: 0, max: 2 ** 32 - 1 })),
      typed(['Int64'], fc.maxSafeInteger()),
      typed(['UInt64', 'DateTime'], fc.maxSafeNat()),
      typed(['Double'], fc.double()),
      typed(['Boolean'], fc.boolean()),
      typed(['String', 'Text', 'UUID'], fc.string({ unit: 'grapheme' }))
    )
    const number = fc.option(fc.maxSafeNat(), { nil: undefined })
    const metrics = fc.array(fc.record({ name: fc.string({ unit: 'grapheme' }), alias: number, timestamp: number, value }))
    fc.assert(fc.property(metrics, fc.maxSafeNat(), (list, timestamp) => {
      const decoded = decodeSparkplug(encode({ timestamp, seq: 1, metrics: list.map(({ value: given, ...others }) => ({ ...others, ...given })) as never }), 1000)
      assert.ok(decoded.ok)
      assert.equal(decoded.payload.timestamp, timestamp)
      const read = decoded.payload.metrics.map(({ name, alias, timestamp: time, datatype, value: encoded }) => [name, alias, time, encoded && plainValue(encoded, datatype)])
      assert.deepEqual(read, list.map(({ name, alias, timestamp: time, value: given }) => [name, alias, time, given.value]))
    }), { numRuns: 200 })
  })

  test('is never more than malformed, whatever the bytes are', () => {
    const read = plant()
    const whole = [...encode({ timestamp: 1, metrics: [{ name: 'x', alias: 3, type: 'Double', value: 1.5 }, { name: 'y', type: 'String', value: 'text' }] })]
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map(random => [...random]),
      fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => whole.with(at, byte)),
      fc.nat(whole.length).map(end => whole.slice(0, end))
    )
    fc.assert(fc.property(bytes, given => {
      const result = read('g/NBIRTH/n', Buffer.from(given))
      assert.ok(result.ok || ['PAYLOAD_MALFORMED', 'BIRTH_UNKNOWN'].includes(result.reason), JSON.stringify(result))
    }), { numRuns: 2_000 })
  })

  test('cannot be made to take time or memory by one payload', () => {
    const read = plant()
    const nested = (depth: number): number[] => depth === 0 ? [] : bytesField(18, bytesField(3, nested(depth - 1)))
    const started = performance.now()
    const before = process.memoryUsage().heapUsed
    assert.deepEqual(short(read('g/NBIRTH/n', Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 2 === 0 ? 0x12 : 0)))), ['PAYLOAD_TOO_LARGE'])
    assert.deepEqual(short(read('g/NBIRTH/n', Buffer.from(metric(nameField('x'), nested(1_500), field(10, 0, 1))))), ['+g:n', { 'g:n': { x: 1 } }])
    assert.deepEqual(short(read('g/NBIRTH/n', Buffer.from(bytesField(2, field(1, 2, ...varint(2n ** 40n)))))), ['PAYLOAD_MALFORMED'])
    assert.ok(performance.now() - started < 5_000)
    assert.ok(process.memoryUsage().heapUsed - before < 100_000_000)
  })

  test('births beyond what is remembered do not push out those that are there', () => {
    const read = plant()
    read('g/NBIRTH/first', birth('t', 1))
    const large = encode({ timestamp: 1, metrics: Array.from({ length: mostMetrics / 2 }, (_, i) => ({ name: `${i} ${'x'.repeat(100)}`, alias: i + 1, type: 'Int32', value: null })) })
    const data: Payload = { timestamp: 1, metrics: [{ alias: 1, type: 'Int32', value: 2 }] }
    for (let i = 0; i < 60; i++) read(`g/NBIRTH/n${i}`, large)
    assert.deepEqual(short(read('g/NDATA/first', data)), [{ 'g:first': { t: 2 } }])
    assert.deepEqual(short(read('g/NDATA/n59', data)), ['BIRTH_UNKNOWN'])
    // Those that die make room.
    for (let i = 0; i < 60; i++) read(`g/NDEATH/n${i}`, { timestamp: 1, metrics: [] })
    read('g/NBIRTH/n59', birth('t', 1))
    assert.deepEqual(short(read('g/NDATA/n59', data)), [{ 'g:n59': { t: 2 } }])
    for (let i = 0; i < 1_000; i++) read(`g/DBIRTH/n59/d${i}`, birth('t', 1))
    const died = read('g/NDEATH/n59', { timestamp: 1, metrics: [] })
    assert.ok(died.ok && died.readings.length > 900 && died.readings.length <= 1_000, short(died).length.toString())
  })
})
