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
