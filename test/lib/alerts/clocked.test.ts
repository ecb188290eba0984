import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SavedRule } from '../../../lib/alerts/rules/saved-rule.ts'
import { clocked } from '../../helpers/alert-clock.ts'

const hot: Partial<SavedRule> = { id: 'hot', name: 'hot', types: 'temp*', value: 90 }

test('it is told again each so many seconds, not in between, not during a silence, and anew counted when it is raised anew', async t => {
  const { report, pass, silence, told } = clocked(t, [{ ...hot, repeat: 60 }])
  await report('a', { temperature: 95 })
  await pass(130)
  assert.deepEqual(told, ['0 raised hot a temperature 95', '60 raised hot a temperature 95 again 1', '120 raised hot a temperature 95 again 2'])
  silence('a', 300)
  await pass(100)
  await report('a', { temperature: 20 })
  await pass(1)
  await report('a', { temperature: 96 })
  await pass(65)
  assert.equal(told.length, 3)
  silence('a', 0)
  await pass(1)
  await report('a', { temperature: 20 })
  await pass(1)
  await report('a', { temperature: 97 })
  await pass(61)
  assert.deepEqual(told.slice(3).map(said => said.replace(/^\d+ /, '')), ['raised hot a temperature 96 again 1', 'cleared hot a temperature 20', 'raised hot a temperature 97', 'raised hot a temperature 97 again 1'])
})

test('what is acknowledged is not told again, also where that was due already, until it is raised anew', async t => {
  const { report, pass, silence, acknowledge, told } = clocked(t, [{ ...hot, repeat: 60 }])
  await report('a', { temperature: 95 })
  await pass(1)
  silence('a', 100)
  // Due, and held back.
  await pass(70)
  acknowledge('a')
  await pass(200)
  assert.deepEqual(told, ['0 raised hot a temperature 95'])
  await report('a', { temperature: 20 })
  await pass(1)
  await report('a', { temperature: 95 })
  await pass(61)
  assert.deepEqual(told.slice(1).map(said => said.replace(/^\d+ /, '')), ['cleared hot a temperature 20', 'raised hot a temperature 95', 'raised hot a temperature 95 again 1'])
})

test('at the end of maintenance and of a silence only what is still wrong and was not told is told, and what was told is over', async t => {
  // From 00:01 on, two minutes.
  const { report, pass, silence, told } = clocked(t, [hot], { maintenance: [{ cron: '1 0 * * *', minutes: 2, agents: 'A*' }] })
  await report('a', { temp1: 95, temp2: 95 })
  await pass(70)
  silence('b', 150, 'temp1')
  await report('a', { temp1: 20, temp3: 96, temp4: 97 })
  await report('b', { temp1: 98, temp2: 99 })
  await pass(10)
  await report('a', { temp4: 20 })
  await pass(110)
  assert.deepEqual(told, [
    '0 raised hot a temp1 95', '0 raised hot a temp2 95', '70 raised hot b temp2 99',
    '150 raised hot b temp1 98', '180 cleared hot a temp1 20', '180 raised hot a temp3 96'
  ])
})

test('maintenance without agents is of all, and is found by its end when nothing else is due', async t => {
  const { report, pass, told } = clocked(t, [hot], { maintenance: [{ cron: '0 0 * * *', minutes: 5 }] })
  await report('a', { temperature: 95 })
  await pass(299)
  assert.deepEqual(told, [])
  await pass(2)
  assert.deepEqual(told, ['300 raised hot a temperature 95'])
})

test('a digest counts each span anew, tells what is so at its end, and nothing that is silenced by then', async t => {
  const { report, pass, silence, told } = clocked(t, [hot], { digest: { more: 2, within: 60_000 } })
  await report('a', { temp1: 91 })
  await pass(61)
  await report('a', { temp2: 92, temp3: 93, temp4: 94, temp5: 95, temp6: 96 })
  await pass(10)
  await report('a', { temp4: 20 })
  silence('a', 300, 'temp5')
  await pass(49)
  assert.deepEqual(told, ['0 raised hot a temp1 91', '61 raised hot a temp2 92', '61 raised hot a temp3 93'])
  await pass(2)
  assert.deepEqual(told.slice(3), ['121 raised hot a temp6 96'])
  // Two more in the span that began with the digest.
  await report('a', { temp1: 20, temp2: 20, temp3: 20 })
  await pass(1)
  assert.equal(told.length, 6)
  await pass(200)
  assert.deepEqual(told.slice(4).map(said => said.replace(/^\d+ /, '')), ['cleared hot a temp1 20', 'cleared hot a temp2 20', 'cleared hot a temp3 20', 'raised hot a temp5 95'])
})

test('what could not be written is written and told later, once, and what passed meanwhile as well', async t => {
  const { report, pass, fail, told, rows } = clocked(t, [hot])
  fail(3)
  await report('a', { temperature: 95 })
  await pass(1)
  await report('b', { temperature: 96 })
  await pass(1)
  await report('b', { temperature: 20 })
  assert.equal(told.length, 0)
  await pass(10)
  assert.deepEqual(told.map(said => said.replace(/^\d+ /, '')).sort(), ['cleared hot b temperature 20', 'raised hot a temperature 95', 'raised hot b temperature 96'])
  assert.deepEqual([...rows].map(([key, { told }]) => [key, told]), [['hot a temperature', true]])
})

test('late and repeated values change nothing, and a value of the future does not make all that follows late', async t => {
  const { report, pass, told } = clocked(t, [hot])
  await report('a', { temperature: 20 }, { seq: 5 })
  await report('a', { temperature: 95 }, { late: 0.001, seq: 5 })
  await report('a', { temperature: 96 }, { late: 1, seq: 6 })
  await pass(1)
  assert.deepEqual(told, [])
  await report('b', { temperature: 95 }, { late: -3_600 })
  await pass(1)
  await report('b', { temperature: 20 })
  await pass(1)
  await report('a', { temperature: 95 }, { seq: 6 })
  await report('a', { temperature: 20 }, { seq: 7 })
  await pass(1)
  assert.deepEqual(told, ['1 raised hot b temperature 95', '2 cleared hot b temperature 20', '3 raised hot a temperature 95', '3 cleared hot a temperature 20'])
  // Of the same ms, and another one.
  await report('c', { temperature: 20 }, { seq: 1 })
  await report('c', { temperature: 95 }, { late: 0.001, seq: 2 })
  await pass(1)
  assert.deepEqual(told.slice(4), ['4 raised hot c temperature 95'])
})

test('what is wrong by a clock that is ahead is wrong since it came', async t => {
  const { report, pass, rows, started } = clocked(t, [hot])
  await report('a', { temperature: 95 }, { late: -30 })
  await pass(1)
  assert.equal(rows.get('hot a temperature')?.state.since, started)
})

test('what changes twice before it is written is told by what is so then', async t => {
  const { report, pass, told } = clocked(t, [hot])
  await report('a', { temperature: 95 })
  await report('a', { temperature: 20 })
  await report('a', { temperature: 96 })
  await pass(1)
  assert.deepEqual(told, ['0 raised hot a temperature 95'])
})

test('after a start agents have a minute to report, and then it is no news since they were heard', async t => {
  const { known, pass, told } = clocked(t, [{ id: 'mute', name: 'mute', condition: 'noNews', value: 300, for: 120 }])
  known('a', 1_000)
  known('b', 10)
  await pass(59)
  assert.equal(told.length, 0)
  await pass(2)
  assert.deepEqual(told, ['60 raised mute a'])
  await pass(400)
  assert.deepEqual(told.slice(1), ['410 raised mute b'])
})

test('a series begins with what is stored: since when it is wrong, and nothing that was over before', async t => {
  const { stored, pass, told, rows } = clocked(t, [{ ...hot, for: 10 }])
  stored('a', 'temperature', [21, 95], [11, 95], [5, 20], [2, 96])
  await pass(7.5)
  assert.equal(told.length, 0)
  await pass(2)
  stored('b', 'temperature', [30, 20], [12, 95], [1, 96])
  await pass(1)
  assert.deepEqual([told[0], told[1]?.replace(/^\d+ /, ''), told.length, rows.size], ['8 raised hot a temperature 96', 'raised hot b temperature 96', 2, 2])
})

test('an agent that is gone holds back its other alerts, no news among them, and its silence begins anew when it comes back', async t => {
  const { report, presence, pass, told } = clocked(t, [hot, { id: 'gone', name: 'gone', condition: 'agentGone' }, { id: 'still', name: 'still', types: 'temperature', condition: 'noNews', value: 60 }])
  presence('a', true)
  await report('a', { temperature: 20 })
  await pass(10)
  presence('a', false)
  await pass(100)
  assert.deepEqual(told, ['10 raised gone a'])
  presence('a', true)
  await pass(59)
  assert.deepEqual(told.slice(1), ['110 cleared gone a'])
  await pass(2)
  assert.deepEqual(told.slice(2), ['170 raised still a temperature'])
  await report('a', { temperature: 95 })
  await pass(1)
  presence('a', false)
  await pass(1)
  assert.deepEqual(told.slice(3).sort(), ['171 cleared still a temperature 95', '171 raised hot a temperature 95', '172 raised gone a'])
})

test('what waits or ends for long is written, and its row goes when it is over', async t => {
  const { report, pass, told, rows } = clocked(t, [{ ...hot, for: 120, endFor: 120 }])
  await report('a', { temperature: 95 })
  await pass(29)
  assert.equal(rows.size, 0)
  await pass(2)
  assert.equal(rows.get('hot a temperature')?.state.phase, 'pending')
  await report('a', { temperature: 20 })
  await pass(1)
  assert.equal(rows.size, 0)
  await report('a', { temperature: 95 })
  await pass(121)
  await report('a', { temperature: 20 })
  await pass(31)
  assert.equal(rows.get('hot a temperature')?.state.phase, 'ending')
  await report('a', { temperature: 95 })
  await pass(1)
  assert.equal(rows.get('hot a temperature')?.state.phase, 'raised')
  await report('a', { temperature: 20 })
  await pass(121)
  assert.deepEqual([told.map(said => said.replace(/^\d+ /, '')), rows.size], [['raised hot a temperature 95', 'cleared hot a temperature 20'], 0])
})

// What other programs were reported for.

test('what is no number neither raises, ends nor delays anything', async t => {
  const { report, pass, told } = clocked(t, [{ ...hot, for: 60 }])
  await report('a', { temperature: 95 })
  await pass(30)
  await report('a', { temperature: 'unavailable' })
  await pass(31)
  await report('a', { temperature: 'unknown' })
  await report('a', { temperature: 95 })
  await report('a', { temperature: 'NaN' })
  await pass(100)
  assert.deepEqual(told, ['60 raised hot a temperature 95'])
  await report('a', { temperature: 20 })
  await pass(1)
  assert.deepEqual(told.slice(1), ['161 cleared hot a temperature 20'])
})

test('what was raised stays so while there is no connection, and is not told again after it', async t => {
  const { report, presence, pass, told } = clocked(t, [hot, { id: 'gone', name: 'gone', condition: 'agentGone' }])
  presence('a', true)
  await report('a', { temperature: 95 })
  for (let i = 0; i < 3; i++) {
    await pass(600)
    presence('a', false)
    await pass(600)
    presence('a', true)
    await report('a', { temperature: 96 })
  }
  await pass(10)
  assert.deepEqual(told.map(said => said.replace(/^\d+ /, '')), ['raised hot a temperature 95', ...Array.from({ length: 3 }, () => ['raised gone a', 'cleared gone a']).flat()])
})

test('a value that swings around its limit is told once where it ends elsewhere, and no more is told after it is over', async t => {
  const { report, pass, told } = clocked(t, [{ ...hot, end: 80, repeat: 300 }])
  for (let i = 0; i < 100; i++) {
    await report('a', { temperature: i % 2 === 0 ? 91 : 89 })
    await pass(1)
  }
  await report('a', { temperature: 79 })
  await pass(1_000)
  assert.deepEqual(told.map(said => said.replace(/^\d+ /, '')), ['raised hot a temperature 91', 'cleared hot a temperature 79'])
})
