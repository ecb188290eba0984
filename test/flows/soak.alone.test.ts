import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSoak, soakBounds, soakPace } from '../../bench/soak/run.ts'
import { describeSoak } from '../../bench/soak/table.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { skipped } from '../helpers/node-red.ts'

const seed = 11

const skip = process.platform === 'linux' ? false : skipped('The floods come from addresses of 127.0.0.0/8 other than 127.0.0.1, which only Linux has without being asked.')

test('a minute of everything at once breaks no promise', { timeout: 280_000, skip }, async t => {
  const report = await runSoak({
    seconds: 60,
    rate: 100,
    seed,
    parts: ['guests', 'storms', 'deploys', 'floods', 'large', 'lock'],
    folder: await temporaryFolder(t),
    pace: { ...soakPace, deploys: [8, 12], lockEvery: 20, lock: [3, 6], flood: 2, betweenFloods: 3, stormEvery: 15, storm: 1, largeEvery: 6 },
    // Other tests run meanwhile: how long an honest client waits is judged by the long run.
    bounds: { ...soakBounds, pingP99: 2_000, publishP99: 2_000, editorP99: 5_000 },
    log: line => { t.diagnostic(line) }
  })
  for (const line of describeSoak(report).split('\n')) t.diagnostic(line)
  assert.deepEqual(report.violations, [])
})
