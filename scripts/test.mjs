// `npm test`: everything, after installing and building. Arguments choose test files; without them lib/ must be covered.
import { availableParallelism } from 'node:os'
import { node24, prepare, run } from './setup.mjs'

/** Most files wait for servers and browsers more than they compute: four at a time, also where there are two cores. */
const sideBySide = Math.max(4, availableParallelism() - 1)
const coverage = ['--experimental-test-coverage', '--test-coverage-include=lib/**', '--test-coverage-lines=95']

await prepare()
const chosen = process.argv.slice(2)
// What measures comes last, each file alone, and without the cost of counting which lines run.
const results = chosen.length > 0
  ? [test(...chosen)]
  : [test(`--test-concurrency=${sideBySide}`, ...coverage, 'test/**/!(*.alone).test.ts'), test('--test-concurrency=1', 'test/**/*.alone.test.ts')]
process.exitCode = results.every(Boolean) ? 0 : 1

function test (...args) {
  return run(node24, ['--test', '--test-timeout=300000', ...args])
}
