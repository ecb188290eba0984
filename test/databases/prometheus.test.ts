import assert from 'node:assert/strict'
import { collectValues } from '../../lib/query/prometheus.ts'
import { onEachDatabase } from '../helpers/databases.ts'
import { now, open } from './writing-process.ts'

onEachDatabase('Prometheus gets the newest numbers of the agents that are there, as many as it may', async (t, database) => {
  const { store, write } = open(t, database)
  const say = (uuid: string, timestamp: number, ...metrics: Array<[type: string, value: number | boolean | string]>) =>
    write('agent/message', { agent: { uuid }, timestamp, metrics: metrics.map(([type, value]) => ({ type, value })) }, timestamp)
  await say('b"\\', now, ['t', 1], ['on', true], ['off', false], ['text', 'x'])
  await say('a', now, ['t', -0.5])
  await say('a', now - 1_000, ['t', 7])
  await say('gone', now, ['t', 1])
  await write('agent/disconnected', { agent: { uuid: 'gone' }, timestamp: now + 1 })
  const ask = async (most: number): Promise<string[]> => {
    const text = await collectValues([
      { id: 'x', name: 'd', most, read: () => store.read() },
      { id: 'y', name: '', most, read: () => Promise.reject(new Error('away')) }
    ])
    return text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  }
  const value = 'platziverse_metric_value{database="d",agent='
  const all = [`${value}"b\\"\\\\",type="off"} 0`, `${value}"b\\"\\\\",type="on"} 1`, `${value}"b\\"\\\\",type="t"} 1`, `${value}"a",type="t"} -0.5`]
  const ups = ['platziverse_database_up{database="d"} 1', 'platziverse_database_up{database="y"} 0']
  const sorted = (lines: string[]): string[] => lines.toSorted()
  assert.deepEqual(sorted(await ask(10)), sorted([...all, 'platziverse_metric_values_left_out{database="d"} 0', ...ups]))
  assert.deepEqual(sorted(await ask(4)), sorted([...all, 'platziverse_metric_values_left_out{database="d"} 0', ...ups]))
  assert.deepEqual(sorted(await ask(3)), sorted([...all.slice(0, 3), 'platziverse_metric_values_left_out{database="d"} 1', ...ups]))
})
