import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Quiet, type Silence } from '../../../lib/alerts/quiet.ts'
import { Maintenance } from '../../../lib/alerts/rules/maintenance.ts'
import type { SavedRule } from '../../../lib/alerts/rules/saved-rule.ts'
import { clocked } from '../../helpers/alert-clock.ts'

const hot: Partial<SavedRule> = { id: 'hot', name: 'hot', types: 'temp*', value: 90 }
const gone: Partial<SavedRule> = { id: 'gone', name: 'gone', condition: 'agentGone' }
const mute: Partial<SavedRule> = { id: 'mute', name: 'mute', condition: 'noNews', value: 300 }

/** Without the times. */
const said = (told: string[]): string[] => told.map(text => text.replace(/^-?\d+ /, ''))

test('a silence is of an agent, of a type, of both or of all, and over at its very ms', () => {
  const quiet = new Quiet([])
  const agent = { uuid: 'a', name: 'A' }
  const is = (type: string, now: number, uuid = 'a'): boolean => quiet.isQuiet({ ...agent, uuid }, type, now)
  const silence = (silence: Silence, now = 0): boolean => quiet.silence(silence, now)
  assert.deepEqual([100, 100, 90, 100].map(until => silence({ uuid: 'a', type: 'temp', until })), [true, false, true, true], 'whether it is news')
  assert.deepEqual([is('temp', 99), is('temp', 100), is('other', 99), is('temp', 99, 'b')], [true, false, false, false])
  silence({ uuid: 'a', until: 200 })
  assert.deepEqual([is('other', 199), is('other', 200), is('other', 199, 'b')], [true, false, false])
  silence({ type: 'temp', until: 300 })
  assert.deepEqual([is('temp', 299, 'b'), is('temp', 300, 'b'), is('other', 299, 'b')], [true, false, false])
  silence({ until: 400 })
  assert.deepEqual([is('', 399, 'c'), is('', 400, 'c')], [true, false])
  assert.deepEqual([quiet.next(0), quiet.next(99), quiet.next(100), quiet.next(399), quiet.next(400)], [100, 100, 200, 400, Infinity])
  assert.deepEqual(quiet.silences(400), [])
  silence({ until: 500 })
  assert.deepEqual([silence({ until: 1 }, 1), silence({ until: 0 }, 1), silence({ uuid: 'z', until: 1 }, 1)], [true, false, false], 'that it is over, once')
  assert.equal(is('', 1), false)
})

test('maintenance is on from its very ms to its very ms, for agents by their uuid or their name', () => {
  const times = { cron: '0 1 * * *', minutes: 1, timezone: 'UTC', agents: 'a, Oven*' }
  const quiet = new Quiet([new Maintenance(times)])
  const at = Date.parse('2026-11-30T01:00:00Z')
  const is = (now: number, uuid = 'a', name: string | null = null): boolean => quiet.isQuiet({ uuid, name }, 'temp', now)
  assert.deepEqual([is(at - 1), is(at), is(at + 59_999), is(at + 60_000)], [false, true, true, false])
  assert.deepEqual([is(at, 'b'), is(at, 'b', 'Oven 2'), is(at, 'b', 'oven')], [false, true, false])
  assert.deepEqual([quiet.next(at - 1), quiet.next(at), quiet.next(at + 59_999)], [at, at + 60_000, at + 60_000])
})

test('a clock that is set, forward or back, neither ends a span nor makes it longer', async t => {
  for (const step of [3_600, -3_600]) {
    await t.test(String(step), async t => {
      const { report, presence, pass, set, told } = clocked(t, [{ ...hot, for: 100 }, { ...mute, for: 60 }, { ...mute, id: 'still', name: 'still', types: 'temperature' }])
      presence('b', true)
      await report('a', { temperature: 95 })
      await pass(70)
      await set(step)
      await pass(29)
      assert.deepEqual(told, [])
      await pass(2)
      assert.deepEqual(said(told), ['raised hot a temperature 95'])
      await pass(197)
      assert.equal(told.length, 1)
      await pass(4)
      assert.deepEqual(said(told.slice(1)), ['raised still a temperature'])
      await pass(57)
      assert.equal(told.length, 2)
      await pass(4)
      assert.deepEqual(said(told.slice(2)).sort(), ['raised mute a', 'raised mute b'])
    })
  }
})

test('a clock that is set neither hastens nor delays a digest, what is told again, or agents that have a minute to report', async t => {
  for (const step of [3_600, -3_600]) {
    await t.test(String(step), async t => {
      const { report, known, pass, set, told } = clocked(t, [{ ...hot, repeat: 100 }, gone], { digest: { more: 1, within: 60_000 } })
      known('b', 10, false)
      await report('a', { temp1: 95, temp2: 96, temp3: 97 })
      await pass(30)
      await set(step)
      await pass(29)
      assert.deepEqual(said(told), ['raised hot a temp1 95'])
      await pass(2)
      assert.deepEqual(said(told.slice(1, 2)), ['[raised hot a temp2 96, raised hot a temp3 97]'])
      await pass(37)
      assert.deepEqual(told.slice(2).filter(text => text.includes('again')), [])
      await pass(4)
      assert.deepEqual(said(told.slice(2)).filter(text => text.includes('again')), ['raised hot a temp1 95 again 1'])
      assert.deepEqual(said(told).filter(text => text.includes('gone')), ['raised gone b'])
    })
  }
})

test('an agent that was gone before the start is so for long enough from the start on', async t => {
  const { known, pass, told } = clocked(t, [{ ...gone, for: 300 }])
  known('a', 3_600, false)
  await pass(299)
  assert.deepEqual(told, [])
  await pass(2)
  assert.deepEqual(told, ['300 raised gone a'])
})

test('a short span without news counts from the start on, and not from when another clock says that news came', async t => {
  const { known, pass, told } = clocked(t, [{ ...mute, value: 10 }])
  known('a', 100)
  known('b', -3_600)
  await pass(9)
  assert.deepEqual(told, [])
  await pass(2)
  assert.deepEqual(told.sort(), ['10 raised mute a', '10 raised mute b'])
})

test('news that comes once does not end it where it has to come for longer', async t => {
  const { report, pass, told } = clocked(t, [{ ...mute, types: 'temperature', endFor: 600 }])
  await report('a', { temperature: 20 })
  await pass(301)
  await report('a', { temperature: 20 })
  await pass(700)
  assert.deepEqual(said(told), ['raised mute a temperature'])
  for (let i = 0; i < 7; i++) {
    await report('a', { temperature: 20 + i })
    await pass(100)
  }
  assert.deepEqual(said(told.slice(1)), ['cleared mute a temperature'])
})

test('what came while its agent was said to be gone is told when that is over', async t => {
  const { report, presence, pass, told } = clocked(t, [hot, gone])
  presence('a', true)
  presence('a', false)
  await pass(1)
  await report('a', { temperature: 95 })
  await pass(10)
  assert.deepEqual(said(told), ['raised gone a'])
  presence('a', true)
  await pass(1)
  assert.deepEqual(said(told.slice(1)).sort(), ['cleared gone a', 'raised hot a temperature 95'])
})

test('a value that is a little ahead makes what was measured before it late', async t => {
  const { report, pass, told } = clocked(t, [hot])
  await report('a', { temperature: 20 }, { late: -30 })
  await report('a', { temperature: 95 })
  await pass(1)
  assert.deepEqual(told, [])
})

test('of what began and ended twice before anybody could be told, the first time is told', async t => {
  const { report, pass, fail, told } = clocked(t, [hot])
  fail(1)
  for (const temperature of [95, 20, 96, 21]) await report('a', { temperature })
  await pass(5)
  assert.deepEqual(said(told), ['raised hot a temperature 95', 'cleared hot a temperature 21'])
})

test('of an agent that is forgotten nothing is told later, and nothing is counted', async t => {
  const { report, pass, forget, raised, told, rows } = clocked(t, [{ ...hot, for: 60 }, mute])
  await report('a', { temp1: 95 })
  await pass(40)
  assert.equal(rows.size, 1)
  forget('a')
  await pass(600)
  assert.deepEqual([told, raised(), rows.size], [[], 0, 0])
})
