import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RuleTable } from '../../../lib/mapping/rules/rule-table.ts'
import type { Read, Reading } from '../../../lib/mapping/reading.ts'
import type { TopicRule } from '../../../lib/mapping/topic-rule.ts'

function read (rule: Partial<TopicRule>, payload: unknown, topic = 'x/plug/state'): Read {
  const table = new RuleTable([{ topic: 'x/{uuid}/state', format: 'json', ...rule }])
  assert.deepEqual(table.problems, [])
  return table.read(topic, Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)), 0) ?? assert.fail('no row matches')
}
const readings = (...args: Parameters<typeof read>): Reading[] => {
  const result = read(...args)
  return result.ok ? result.readings : assert.fail(result.detail)
}
const metrics = (...args: Parameters<typeof read>) => readings(...args).flatMap(reading => reading.kind === 'message' ? reading.metrics.map(({ type, value }) => [type, value]) : assert.fail(reading.kind))
const refused = (...args: Parameters<typeof read>): string => {
  const result = read(...args)
  return result.ok ? assert.fail(JSON.stringify(result)) : `${result.reason}: ${result.detail}`
}

test('value: a number, a boolean or a text, as devices write them', () => {
  const of = (payload: string): unknown => metrics({ format: 'value' }, payload)[0]?.[1]
  const written: Array<[string, unknown]> = [
    ['21.5', 21.5], [' 21.50\n', 21.5], ['+3', 3], ['-1e3', -1000], ['0', 0], ['true', true], ['false', false], ['ON', 'ON'], ['"21"', 21], ['"on"', 'on'],
    ['21.5 °C', '21.5 °C'], ['21,5', '21,5'], ['007', '007'], ['[open', '[open'], ['9007199254740993', '9007199254740993']
  ]
  for (const [payload, value] of written) assert.equal(of(payload), value, payload)
})

test('value: what sensors send that have no reading is no metric', () => {
  for (const payload of ['', ' ', 'nan', 'NaN', '-inf', 'null', 'unavailable', 'unknown']) assert.deepEqual(readings({ format: 'value' }, payload), [], payload)
})

test('value: objects, lists and bytes are refused, with what to do', () => {
  assert.match(refused({ format: 'value' }, { a: 1 }), /^FIELD_INVALID: .*read this topic as JSON/)
  assert.match(refused({ format: 'value' }, [1]), /read this topic as JSON/)
  assert.match(refused({ format: 'value' }, Buffer.from([0xff, 0xfe])), /^PAYLOAD_NOT_UTF8/)
})

test('value: the type is the name {type}, what the row says, or the last level', () => {
  const type = (rule: Partial<TopicRule>, topic?: string): unknown => metrics({ format: 'value', ...rule }, '1', topic)[0]?.[0]
  assert.equal(type({}), 'state')
  assert.equal(type({ type: 'power' }), 'power')
  assert.equal(type({ topic: 'x/{uuid}/{type}' }), 'state')
  assert.equal(type({ topic: 'x/{uuid}/{what}', type: 'relay {what}' }), 'relay state')
  assert.equal(type({ topic: 'x/{uuid}/#' }, 'x/plug/a/b/c'), 'c')
})

test('json: every value gets its path as its type, through objects and lists', () => {
  assert.deepEqual(metrics({}, { Time: '2026-01-01T00:00:00', ENERGY: { Power: 5, Today: 0.1, Factor: null }, t: [20.5, 21], on: true, state: 'ON', deep: [{ a: [{ b: 1 }] }] }), [
    ['Time', '2026-01-01T00:00:00'], ['ENERGY.Power', 5], ['ENERGY.Today', 0.1], ['t.0', 20.5], ['t.1', 21], ['on', true], ['state', 'ON'], ['deep.0.a.0.b', 1]
  ])
})

test('json: what is taken, left out and renamed', () => {
  const payload = { ENERGY: { Power: 5, Period: { Day: 1, Week: 2 } }, Wifi: { RSSI: 70 }, WifiName: 'x', a: { Power: 6 } }
  assert.deepEqual(metrics({ take: ['ENERGY'] }, payload), [['ENERGY.Power', 5], ['ENERGY.Period.Day', 1], ['ENERGY.Period.Week', 2]])
  assert.deepEqual(metrics({ take: ['*.Power'] }, payload), [['ENERGY.Power', 5], ['a.Power', 6]])
  assert.deepEqual(metrics({ take: ['ENERGY.*'], leave: ['ENERGY.P*d'] }, payload), [['ENERGY.Power', 5]])
  assert.deepEqual(metrics({ leave: ['ENERGY', 'a', 'Wifi'] }, payload), [['WifiName', 'x']])
  assert.deepEqual(metrics({ take: ['ENERGY.Power', 'Wifi.RSSI'], rename: { 'ENERGY.Power': 'power' } }, payload), [['power', 5], ['Wifi.RSSI', 70]])
  assert.deepEqual(readings({ take: ['nothing'] }, payload), [])
})

test('json: the time is where the row says, in its unit', () => {
  const time = (unit: 's' | 'ms' | 'us' | 'ns' | 'iso' | 'auto', at: unknown): unknown => readings({ time: { path: 'at.0', unit } }, { at: [at], v: 1 })[0]?.timestamp
  const ms = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
  assert.equal(time('s', ms / 1000), ms)
  assert.equal(time('s', String(ms / 1000)), ms)
  assert.equal(time('ms', ms), ms)
  assert.equal(time('us', ms * 1000 + 7), ms)
  assert.equal(time('ns', `${ms}000007`), ms)
  assert.equal(time('iso', '2026-01-02T03:04:05.678Z'), '2026-01-02T03:04:05.678Z')
  assert.equal(time('auto', ms / 1000), ms / 1000)
  assert.equal(time('s', null), undefined, 'no time: the time of receipt')
  assert.match(refused({ time: { path: 'at', unit: 's' } }, { at: 'noon' }), /^TIMESTAMP_INVALID: The time "noon" is not a number of s\./)
  assert.match(refused({ time: { path: 'at', unit: 'iso' } }, { at: 5 }), /^TIMESTAMP_INVALID/)
  assert.deepEqual(metrics({ time: { path: 'at', unit: 's' } }, { at: 5, v: 1 }), [['v', 1]], 'it is no metric itself')
})

test('json: keys of every kind are only keys', () => {
  const payload = '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"a": 2}}, "toString": 3, "a.b": 4, "": 5}'
  assert.deepEqual(metrics({}, payload), [['__proto__.polluted', 1], ['constructor.prototype.a', 2], ['toString', 3], ['a.b', 4], ['', 5]])
  assert.deepEqual(metrics({ take: ['__proto__'], rename: { '__proto__.polluted': 'x' } }, payload), [['x', 1]])
  assert.equal(({} as { polluted?: number }).polluted, undefined)
})

test('json: what is no object, or is too deep or too large, is refused', () => {
  assert.deepEqual(readings({}, ''), [])
  assert.match(refused({}, '5'), /^FIELD_INVALID: .*read this topic as a value/)
  assert.match(refused({}, '{"a":'), /^PAYLOAD_NOT_JSON/)
  assert.match(refused({}, `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`), /^PAYLOAD_TOO_DEEP/)
  assert.match(refused({}, `[${'[],'.repeat(200_000)}1]`), /^PAYLOAD_TOO_LARGE/)
})

test('json: long keys above many values take no time, and are looked at no further', () => {
  const payload = JSON.stringify({ ['k'.repeat(300_000)]: Array(50_000).fill(1), v: 1 })
  const began = performance.now()
  const found = metrics({ leave: ['*a*b*c*d*'] }, payload)
  assert.deepEqual(found, [['k'.repeat(256), true], ['v', 1]])
  assert.ok(performance.now() - began < 1_000)
})

test('json: very many values are refused, and patterns take no time that grows with what a stranger writes', () => {
  const object = (keys: number, key: (i: number) => string): string => JSON.stringify(Object.fromEntries(Array.from({ length: keys }, (_, i) => [key(i), i])))
  assert.match(refused({}, object(10_001, i => `k${i}`)), /^PAYLOAD_TOO_LARGE: The payload has more than 10000 values/)
  assert.equal(metrics({}, object(10_000, i => `k${i}`)).length, 10_000)
  const leave = ['Time', 'Epoch', '*Unit', '*.Id', '*.TotalStartTime', '*a*b*c']
  for (const hostile of [object(30_000, i => `${'.'.repeat(100)}${i}`), object(5_000, i => `${'*Unit'.repeat(40)}${i}`), object(5_000, i => `${'ab'.repeat(100)}${i}`)]) {
    const began = performance.now()
    read({ leave }, hostile)
    assert.ok(performance.now() - began < 1_000)
  }
})

test('presence: a text that says that the agent is there, or that it is not', () => {
  const kind = (rule: Partial<TopicRule>, payload: unknown): unknown => readings({ format: 'presence', ...rule }, payload)[0]?.kind
  assert.equal(kind({}, 'online'), 'connected')
  assert.equal(kind({}, ' offline\n'), 'disconnected')
  assert.equal(kind({ presence: { online: 'Online', offline: 'Offline' } }, 'Offline'), 'disconnected')
  assert.equal(kind({ presence: { online: 'ready|alert', offline: 'disconnected|lost' } }, 'lost'), 'disconnected')
  assert.equal(kind({ presence: { online: 'online', offline: 'offline', path: 'state' } }, { state: 'online' }), 'connected')
  assert.equal(kind({ presence: { online: 'true', offline: 'false' } }, 'false'), 'disconnected')
  assert.equal(kind({ presence: { online: 'true', offline: 'false', path: 'up' } }, { up: true }), 'connected')
  // What was retained is cleared.
  assert.equal(kind({}, ''), 'disconnected')
  assert.equal(kind({ presence: { online: 'online', offline: 'offline', path: 'state' }, time: { path: 'at', unit: 'ms' } }, ''), 'disconnected')
  assert.deepEqual(readings({ format: 'presence', presence: { online: 'online', offline: 'offline', path: 'state' }, uuid: '{$.id}' }, ''), [])
  assert.match(refused({ format: 'presence' }, 'ONLINE'), /^FIELD_INVALID: "ONLINE" says neither that the agent is there \(online\) nor that it is not \(offline\)/)
})

test('presence: the agent and the time may be fields', () => {
  assert.deepEqual(readings({ format: 'presence', topic: 'x/#', uuid: '{$.id}', presence: { online: 'online', offline: 'offline', path: 'state' }, time: { path: 'at', unit: 's' } }, { id: 'a', state: 'offline', at: 5 }), [
    { kind: 'disconnected', agent: { uuid: 'a' }, timestamp: 5000 }
  ])
})

test('json: payloads of other shapes in between change nothing, nor other orders, fields that are missing, and lists instead of objects', () => {
  const table = new RuleTable([{ topic: 'x/{uuid}/state', format: 'json' }])
  const shapes: Array<[payload: string, metrics: Array<[string, unknown]>]> = [
    ['{"a":1,"b":{"c":2,"d":3}}', [['a', 1], ['b.c', 2], ['b.d', 3]]],
    ['{"b":{"d":3,"c":2},"a":1}', [['b.d', 3], ['b.c', 2], ['a', 1]]],
    ['{"b":{"d":3}}', [['b.d', 3]]],
    ['{"a":[1,{"c":2}],"b":[]}', [['a.0', 1], ['a.1.c', 2]]],
    ['{"a":{"1":{"c":2},"0":1}}', [['a.0', 1], ['a.1.c', 2]]],
    ['{"a":1,"b":2}', [['a', 1], ['b', 2]]]
  ]
  for (const [payload, metrics] of [...shapes, ...shapes, ...shapes.toReversed()]) {
    const read = table.read('x/plug/state', Buffer.from(payload), 0)
    const got = read?.ok === true ? read.readings.map(reading => reading.kind === 'message' ? reading.metrics.map(({ type, value }) => [type, value]) : []) : assert.fail(payload)
    assert.deepEqual(got, [metrics], payload)
  }
})

test('json: paths that came before are read like new ones, however many there are', () => {
  const table = new RuleTable([{ topic: 'x/{uuid}/state', format: 'json', leave: ['*.left'], rename: { 'a1.b': 'first' } }])
  const of = (payload: object): unknown => {
    const result = table.read('x/plug/state', Buffer.from(JSON.stringify(payload)), 0)
    return result?.ok === true && result.readings[0]?.kind === 'message' ? result.readings[0].metrics.map(({ type, value }) => [type, value]) : assert.fail('nothing')
  }
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 2_500; i++) assert.deepEqual(of({ [`a${i}`]: { b: i, left: 1 }, 'a.b': 2, a: 3 }), [[i === 1 ? 'first' : `a${i}.b`, i], ['a.b', 2], ['a', 3]])
    // What was a value may become an object.
    assert.deepEqual(of({ a: { b: 1 } }), [['a.b', 1]])
  }
})
