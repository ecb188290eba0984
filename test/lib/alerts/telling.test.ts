import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SavedRule } from '../../../lib/alerts/rules/saved-rule.ts'
import { clocked } from '../../helpers/alert-clock.ts'

const hot: Partial<SavedRule> = { id: 'hot', name: 'hot', types: 'temp*', value: 90 }
const warm: Partial<SavedRule> = { id: 'warm', name: 'warm', types: 'temp*', value: 50 }
const few = { digest: { more: 1, within: 60_000 } }

/** Without the times. */
const said = (told: string[]): string[] => told.map(text => text.replace(/^-?\d+ /, ''))

test('what is raised once more before anybody was told is told once', async t => {
  const { report, pass, fail, told } = clocked(t, [hot])
  fail(1)
  for (const temperature of [95, 20, 96]) await report('a', { temperature })
  await pass(10)
  assert.deepEqual(said(told), ['raised hot a temperature 96'])
})

test('what changes while it is written is told by what is so once that is written', async t => {
  const { report, pass, fail, during, told } = clocked(t, [hot])
  during(() => {
    void report('a', { temperature: 20 })
    fail(1)
  })
  await report('a', { temperature: 95 })
  await pass(1)
  assert.deepEqual(told, [])
  await pass(5)
  assert.deepEqual(said(told), ['raised hot a temperature 95', 'cleared hot a temperature 20'])
})

test('what is gathered for a digest and changes meanwhile is told once it is written', async t => {
  const { report, pass, fail, told } = clocked(t, [hot], few)
  await report('a', { temp1: 95, temp2: 96 })
  await pass(59)
  fail(3)
  await report('a', { temp2: 20 })
  await report('a', { temp2: 97 })
  await pass(3)
  assert.deepEqual(said(told), ['raised hot a temp1 95'])
  await pass(70)
  assert.deepEqual(said(told), ['raised hot a temp1 95', 'raised hot a temp2 97'])
})

test('what began and ended at once goes under in a digest that is full', async t => {
  const { report, pass, fail, told, rows } = clocked(t, [hot], few)
  await report('a', { temp1: 95 })
  await pass(1)
  fail(1)
  await report('a', { temp2: 96 })
  await report('a', { temp2: 20 })
  await pass(100)
  assert.deepEqual([said(told), rows.size], [['raised hot a temp1 95'], 1])
})

test('a digest leaves out an agent that is forgotten', async t => {
  const { report, pass, forget, told } = clocked(t, [hot], few)
  await report('a', { temp1: 95 })
  await report('b', { temp1: 96 })
  await pass(1)
  forget('b')
  await pass(100)
  assert.deepEqual(said(told), ['raised hot a temp1 95'])
})

test('a change names all rules that are raised for its series, and what is forgotten none', async t => {
  const { report, pass, fail, forget, notices } = clocked(t, [hot, warm])
  await report('a', { temperature: 60 })
  await pass(1)
  fail(1)
  await report('a', { temperature: 95 })
  await report('a', { temperature: 60 })
  await pass(5)
  assert.deepEqual(notices.map(({ state, rule, raised }) => [state, rule.name, raised]), [
    ['raised', 'warm', ['warm']], ['raised', 'hot', ['warm', 'hot']], ['cleared', 'hot', ['warm']]
  ])
  await report('a', { temperature: 99 })
  await pass(60)
  forget('a')
  const now = Date.now()
  await pass(1)
  assert.deepEqual(notices.slice(-2).map(({ state, raised, at }) => [state, raised, at >= now]), [['cleared', [], true], ['cleared', [], true]])
})

test('when a silence is over of which nothing is held back any more, nothing is left to look at', async t => {
  const { report, pass, silence, forget, next } = clocked(t, [hot])
  silence('a', 10)
  await report('a', { temperature: 95 })
  await pass(1)
  forget('a')
  await pass(20)
  assert.equal(next(), Infinity)
})

test('all that changed is written at the end, however much it is', async t => {
  const { report, fail, close, rows } = clocked(t, [hot])
  fail(1)
  for (let i = 0; i < 600; i++) await report('a', { [`temp${i}`]: 95 })
  await close()
  assert.equal(rows.size, 600)
})
