// `npm run fuzz -- --minutes 10 --seed 1`: the properties of test/fuzz, round after round with other seeds, until the time is over or one of
// them fails. In `npm test` each has one short round, on SQLite alone; here a round is longer, and on every database.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { node24, prepare, run } from './setup.mjs'

/** How many times as long as in `npm test` a round is. */
const factor = 4

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } } })
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const end = Date.now() + Number(values.minutes) * 60_000
if (!Number.isSafeInteger(first) || !Number.isFinite(end)) throw new Error('--minutes and --seed are numbers.')

await prepare()
const folder = mkdtempSync(join(tmpdir(), 'platziverse-fuzz-'))
const report = join(folder, 'report')
let isGood = true
let rounds = 0
for (; isGood && (rounds === 0 || Date.now() < end); rounds++) {
  console.log(`Round ${rounds + 1}: --seed ${first + rounds}`)
  Object.assign(process.env, { PLATZIVERSE_FUZZ_SEED: String(first + rounds), PLATZIVERSE_FUZZ_FACTOR: String(factor), PLATZIVERSE_FUZZ_REPORT: report })
  isGood = run(node24, ['--test', '--test-concurrency=1', '--test-timeout=3600000', 'test/fuzz/*.test.ts'])
}
const runs = new Map()
for (const line of readFileSync(report, { encoding: 'utf8', flag: 'a+' }).split('\n').filter(line => line !== '')) {
  const { name, runs: count } = JSON.parse(line)
  runs.set(name, (runs.get(name) ?? 0) + count)
}
rmSync(folder, { recursive: true })
console.log(`\n${rounds} rounds from --seed ${first}:`)
for (const [name, count] of runs) console.log(`${String(count).padStart(9)}  ${name}`)
process.exitCode = isGood ? 0 : 1
