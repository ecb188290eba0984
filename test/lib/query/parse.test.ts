import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeQuery, parseFollow, parseQuery, type QueryInput } from '../../../lib/query/parse.ts'

const now = 1_700_000_000_000
const bucketed = { query: 'buckets', uuid: 'a', type: 'cpu', from: '-1h', bucket: '5m' }

test('a query is checked, and its times and defaults are filled in', () => {
  const cases: Array<[QueryInput, object]> = [
    [{ query: 'agents', uuid: ['nobody looks at this'] }, { query: 'agents' }],
    [{ query: 'connectedAgents', limit: '' }, { query: 'connectedAgents' }], [{ query: 'agents', limit: '20' }, { query: 'agents', limit: 20 }],
    [{ query: 'agentsOf', username: 'ann' }, { query: 'agentsOf', username: 'ann' }],
    [{ query: 'latest', uuid: 7 }, { query: 'latest', uuid: '7' }],
    // Names may begin and end with blanks; nothing else does.
    [{ query: 'series', uuid: ' a ', type: ' ', from: ' 5 ', limit: ' 2 ', order: ' desc ' }, { query: 'series', uuid: ' a ', type: ' ', from: 5, to: undefined, limit: 2, order: 'desc' }],
    [{ query: 'series', uuid: 'a', type: 'cpu', from: '', to: null, limit: '' }, { query: 'series', uuid: 'a', type: 'cpu', from: undefined, to: undefined, limit: undefined, order: 'asc' }],
    [{ query: 'series', uuid: 'a', type: 'cpu', from: '-1h', to: 'now', limit: '20', order: 'desc' }, { query: 'series', uuid: 'a', type: 'cpu', from: now - 3_600_000, to: now, limit: 20, order: 'desc' }],
    [bucketed, { ...bucketed, from: now - 3_600_000, to: now, bucket: 300_000, aggregates: ['avg'], fill: 'null', order: 'asc' }],
    [{ query: 'latest', uuid: ['b', 7, 'b', ' a'] }, { query: 'latest', uuid: ['b', '7', ' a'] }],
    [{ query: 'latestOfAll', uuid: 'nobody looks at this' }, { query: 'latestOfAll' }], [{ query: 'latestOfAll', type: ['cpu'] }, { query: 'latestOfAll', type: ['cpu'] }], [{ query: 'latestOfAll', limit: 5 }, { query: 'latestOfAll', limit: 5 }],
    [{ query: 'series', uuid: ['a', 'b'], type: ['cpu'] }, { query: 'series', uuid: ['a', 'b'], type: ['cpu'], from: undefined, to: undefined, limit: undefined, order: 'asc' }],
    [{ ...bucketed, points: ' 60 ', from: '-24h' }, { ...bucketed, from: now - 86_400_000, to: now, bucket: 1_800_000, aggregates: ['avg'], fill: 'null', order: 'asc' }],
    [{ ...bucketed, bucket: 'day' }, { ...bucketed, from: now - 3_600_000, to: now, bucket: 'day', timezone: 'UTC', aggregates: ['avg'], fill: 'null', order: 'asc' }],
    [{ ...bucketed, bucket: ' week ', timezone: ' Europe/Madrid ' }, { ...bucketed, from: now - 3_600_000, to: now, bucket: 'week', timezone: 'Europe/Madrid', aggregates: ['avg'], fill: 'null', order: 'asc' }],
    // Other buckets begin where they begin in UTC.
    [{ ...bucketed, timezone: 'Europe/Madrid' }, { ...bucketed, from: now - 3_600_000, to: now, bucket: 300_000, aggregates: ['avg'], fill: 'null', order: 'asc' }],
    [{ ...bucketed, points: 40, from: '-30d', timezone: 'Europe/Madrid' }, { ...bucketed, from: now - 30 * 86_400_000, to: now, bucket: 'day', timezone: 'Europe/Madrid', aggregates: ['avg'], fill: 'null', order: 'asc' }],
    [{ ...bucketed, query: 'typeBuckets', aggregates: 'max, avg', fill: 'skip' }, { query: 'typeBuckets', type: 'cpu', from: now - 3_600_000, to: now, bucket: 300_000, aggregates: ['avg', 'max'], fill: 'skip', order: 'asc' }]
  ]
  for (const [input, expected] of cases) assert.deepEqual(parseQuery(input, now), expected)
})

test('names are as long as the contract allows, whatever their characters', () => {
  for (const character of ['x', '😀']) {
    const [uuid, username] = [character.repeat(128), character.repeat(255)]
    assert.deepEqual(parseQuery({ query: 'latest', uuid: [uuid] }, now), { query: 'latest', uuid: [uuid] })
    assert.deepEqual(parseQuery({ query: 'agentsOf', username }, now), { query: 'agentsOf', username })
    assert.throws(() => parseQuery({ query: 'agentsOf', username: username + character }, now), { code: 'QUERY_INVALID' })
  }
})

test('a query that makes no sense is refused, and the property named', () => {
  const cases: Array<[QueryInput, RegExp]> = [
    [{}, /"query" is none of agents, /], [{ query: 'everything' }, /"query"/], [{ query: { toString: () => 'agents' } }, /"query"/],
    [{ query: 'agent' }, /"uuid" is missing/], [{ query: 'agent', uuid: ['a'] }, /"uuid"/], [{ query: 'agent', uuid: 'a'.repeat(256) }, /"uuid"/], [{ query: 'agent', uuid: 'a\0' }, /"uuid"/],
    [{ query: 'agentsOf' }, /"username"/], [{ query: 'series', uuid: 'a' }, /"type"/],
    [{ query: 'series', uuid: 'a', type: 'cpu', from: 'yesterday' }, /"from" is not a time/], [{ query: 'series', uuid: 'a', type: 'cpu', from: 5, to: 5 }, /"from" is not before/],
    ...['1969-12-31T23:59Z', -1, '-1', '0000-01-01', '+275760-09-13'].map((from): [QueryInput, RegExp] => [{ ...bucketed, from }, /"from" is not a time from 1970 on/]),
    [{ ...bucketed, from: 0, to: 0 }, /"from" is not before/], [{ ...bucketed, from: 'now', to: 'now', points: 5 }, /"from" is not before/], [{ ...bucketed, from: '-9999w', to: '1970-01-01' }, /"from" is not before/],
    [{ query: 'series', uuid: 'a', type: 'cpu', limit: 0 }, /"limit"/], [{ query: 'agentsOf', username: 'ann', limit: 0 }, /"limit"/], [{ query: 'series', uuid: 'a', type: 'cpu', limit: '1.5' }, /"limit"/], [{ query: 'series', uuid: 'a', type: 'cpu', limit: '0x10' }, /"limit"/], [{ query: 'series', uuid: 'a', type: 'cpu', order: 'desc; --' }, /"order"/],
    [{ ...bucketed, from: '' }, /"from" is missing/], [{ ...bucketed, from: '+1h' }, /"from" is not before/], [{ ...bucketed, bucket: '' }, /"bucket"/], [{ ...bucketed, bucket: '0h' }, /"bucket"/],
    [{ query: 'latest', uuid: [] }, /"uuid" is an empty list/], [{ query: 'latest', uuid: ['a', ''] }, /"uuid" is missing/], [{ query: 'latest', uuid: [['a']] }, /"uuid"/], [{ query: 'types', uuid: ['a', 'b'] }, /"uuid"/],
    [{ query: 'latest', uuid: Array.from({ length: 1_001 }, (_, i) => i) }, /"uuid" is a list of more than 1000/],
    ...['1', '10001', '1.5', 'many', -1].map((points): [QueryInput, RegExp] => [{ ...bucketed, points }, /"points" is not a whole number from 2 to 10000/]),
    [{ ...bucketed, bucket: 'fortnight' }, /"bucket"/], [{ ...bucketed, bucket: 'day', timezone: 'Madrid' }, /"timezone" is not a time zone/], [{ ...bucketed, timezone: ['UTC'] }, /"timezone"/],
    [{ ...bucketed, aggregates: 'avg,median' }, /"aggregates"/], [{ ...bucketed, aggregates: [] }, /"aggregates"/], [{ ...bucketed, aggregates: { 0: 'avg' } }, /"aggregates"/], [{ ...bucketed, fill: 0 }, /"fill"/]
  ]
  for (const [input, message] of cases) assert.throws(() => parseQuery(input, now), (error: Error & { code?: string }) => error.code === 'QUERY_INVALID' && message.test(error.message), JSON.stringify(input))
})

test('a message changes what it mentions, and cannot mention what queries do not have', () => {
  assert.deepEqual(changeQuery(bucketed, undefined), bucketed)
  assert.deepEqual(changeQuery(bucketed, { type: 'memory', from: undefined, to: '' }), { ...bucketed, type: 'memory', to: '' })
  const counted = { ...bucketed, points: 300 }
  assert.deepEqual(changeQuery(counted, { bucket: '1m' }), { ...counted, bucket: '1m', points: '' }, 'who says how wide means it')
  assert.deepEqual(changeQuery(counted, { bucket: '', from: '-7d' }), { ...counted, bucket: '', from: '-7d' })
  assert.deepEqual(changeQuery(counted, { bucket: '1m', points: 20 }), { ...counted, bucket: '1m', points: 20 })
  for (const changes of ['select 1', 5, ['agents'], { database: 'x' }, { constructor: 'x' }, JSON.parse('{"__proto__": 1}')]) {
    assert.throws(() => changeQuery(bucketed, changes), { code: 'QUERY_INVALID' })
  }
})

test('a question is followed as often as it says', () => {
  const said: unknown[] = [undefined, null, '', true, false, '1s', ' 500ms ', 100, '2000', '1h']
  assert.deepEqual(said.map(follow => parseFollow({ follow })), [undefined, undefined, undefined, 1_000, 'end', 1_000, 500, 100, 2_000, 3_600_000])
  for (const follow of ['99ms', 99, 0, '0', 'often', '60d', ['1s'], {}]) assert.throws(() => parseFollow({ follow }), { code: 'QUERY_INVALID' }, String(follow))
})
