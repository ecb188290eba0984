import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { Bell } from '../../../lib/overview/bell.ts'

/** A bell in a time of its own. */
function hung (t: { after (act: () => void): void }) {
  mock.timers.enable({ apis: ['setInterval'] })
  let clock = 0
  const now = mock.method(performance, 'now', () => clock)
  const marks = { agents: '0', clients: '0' }
  const rings: string[][] = []
  let looks = 0
  const bell = new Bell({ look: () => { looks++; return { ...marks } }, ring: parts => { rings.push(parts) }, every: 1_000, patience: 5_000 })
  t.after(() => {
    bell.close()
    now.mock.restore()
    mock.timers.reset()
  })
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      clock += 1_000
      mock.timers.tick(1_000)
    }
  }
  return { bell, marks, rings, pass, looks: () => looks }
}

test('the bell rings once for whatever changed in a second, and says which parts did', t => {
  const { bell, marks, rings, pass } = hung(t)
  bell.watch()
  pass(1_000)
  assert.deepEqual(rings, [])
  marks.agents = '1'
  marks.agents = '2'
  pass(1_000)
  marks.clients = '1'
  marks.agents = '3'
  pass(1_000)
  assert.deepEqual(rings, [['agents'], ['agents', 'clients']])
})

test('the bell neither looks nor rings while nobody watches', t => {
  const { bell, marks, rings, pass, looks } = hung(t)
  marks.agents = '1'
  pass(3_000)
  assert.equal(looks(), 0)
  bell.watch()
  pass(4_000)
  bell.watch()
  pass(4_000)
  assert.equal(bell.isWatched, true)
  pass(3_000)
  assert.equal(bell.isWatched, false)
  const before = looks()
  marks.agents = '2'
  pass(10_000)
  assert.equal(looks(), before)
  assert.deepEqual(rings, [])
})
