import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chartPoints } from '../../../lib/query/chart.ts'
import { parseQuery } from '../../../lib/query/parse.ts'

test('agents of one name are each a line of a chart, and those without a name are called by their uuids', () => {
  const query = parseQuery({ query: 'typeBuckets', type: 'cpu', from: '-1h', bucket: '1h' }, 7_200_000)
  const agents = [['a', 'pi'], ['b', 'pi'], ['c', 'door'], ['d', ''], ['e', null]] as const
  const rows = agents.flatMap(([uuid, name]) => [0, 1].map(ts => ({ uuid, name, ts, avg: 1 })))
  const lines = new Set(chartPoints(query, rows).map(({ series }) => series))
  assert.deepEqual([...lines], ['pi (a)', 'pi (b)', 'door', 'd', 'e'])
})

test('the series of a chart are called by what was asked for several times', () => {
  const rows = [['a', 'pi'], ['b', null]].flatMap(([uuid, name]) => ['cpu', 'memory'].map(type => ({ uuid, name, type })))
  const names = (input: object, rows: object[]): string[] => chartPoints(parseQuery({ from: '-1h', bucket: '1h', ...input }, 7_200_000), rows).map(({ series }) => series)
  const unnamed = rows.map(({ type }) => ({ type }))
  const agents = rows.map(({ uuid, name }) => ({ uuid, name }))
  for (const [query, values] of [['series', { ts: 0, value: 1 }], ['buckets', { ts: 0, avg: 1 }]] as const) {
    const of = (input: object, rows: object[]): string[] => names({ query, ...input }, rows.map(row => ({ ...row, ...values })))
    assert.deepEqual(of({ uuid: 'a', type: 'cpu' }, [{}]), ['cpu'])
    assert.deepEqual(of({ uuid: 'a', type: ['cpu', 'memory'] }, unnamed.slice(0, 2)), ['cpu', 'memory'])
    assert.deepEqual(of({ uuid: ['a', 'b'], type: 'cpu' }, agents), ['pi', 'pi', 'b', 'b'])
    assert.deepEqual(of({ uuid: ['a', 'b'], type: ['cpu', 'memory'] }, rows), ['pi cpu', 'pi memory', 'b cpu', 'b memory'])
  }
  assert.deepEqual(names({ query: 'typeBuckets', type: ['cpu', 'memory'], aggregates: 'min,max' }, [{ ...rows[0], ts: 0, min: 1, max: 2 }]), ['pi cpu min', 'pi cpu max'])
  const latest = (input: object, rows: object[]): unknown => chartPoints(parseQuery(input, 0), rows.map(row => ({ ...row, ts: 0, value: 1 }))).map(({ series, x }) => `${series}: ${x}`)
  assert.deepEqual(latest({ query: 'latest', uuid: 'a' }, unnamed.slice(0, 2)), ['a: cpu', 'a: memory'])
  assert.deepEqual(latest({ query: 'latestOfAll' }, rows), ['pi: cpu', 'pi: memory', 'b: cpu', 'b: memory'])
})
