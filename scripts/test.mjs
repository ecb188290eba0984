// `npm test`: everything, after installing and building. Arguments choose test files; without them lib/ must be covered.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { node24, prepare, root, run } from './setup.mjs'

/** Most files wait for servers and browsers more than they compute: four at a time, also where there are two cores. */
const sideBySide = Math.max(4, availableParallelism() - 1)
const coverage = ['--experimental-test-coverage', '--test-coverage-include=lib/**', '--test-coverage-lines=95']
/** So many files may have failed for what ran beside them; with more, something is broken. */
const mostAgain = 3

await prepare()
const chosen = process.argv.slice(2)
// What measures comes last, each file alone, and without the cost of counting which lines run.
const results = chosen.length > 0
  ? [test(...chosen).passed]
  : [besideOthers(`--test-concurrency=${sideBySide}`, ...coverage, 'test/**/!(*.alone).test.ts'), test('--test-concurrency=1', 'test/**/*.alone.test.ts').passed]
process.exitCode = results.every(Boolean) ? 0 : 1

/** Whether all pass, the few files that did not beside others in a second run of their own. What failed is named at the end, whatever came of it. */
function besideOthers (...args) {
  const { passed, told } = test(...args)
  if (passed) return true
  const files = [...new Set(told.flatMap(({ file }) => file ?? []))]
  if (files.length === 0 || files.length > mostAgain || told.some(({ coverage }) => coverage !== undefined)) return false
  console.log(`\nFailed beside others, ${files.length} of the files. Each once more, alone:`)
  const again = test('--test-concurrency=1', ...files)
  process.on('exit', () => {
    console.log(`\nFAILED BESIDE OTHERS, and ${again.passed ? 'passed' : 'not all passed'} alone:`)
    for (const file of files) console.log(`  ${relative(root, file)}`)
    for (const { name } of told) if (name !== undefined) console.log(`    ${name}`)
  })
  return again.passed
}

/** Runs test files, and says what failed: see `failures.mjs`. */
function test (...args) {
  const folder = mkdtempSync(join(tmpdir(), 'platziverse-test-'))
  const lines = join(folder, 'failures')
  const passed = run(node24, ['--test', '--test-timeout=300000', '--test-reporter=spec', '--test-reporter-destination=stdout',
    `--test-reporter=${pathToFileURL(join(root, 'scripts', 'failures.mjs'))}`, `--test-reporter-destination=${lines}`, ...args])
  const told = readFileSync(lines, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line))
  rmSync(folder, { recursive: true })
  return { passed, told }
}
