// `npm test`: everything, after installing and building. Arguments choose test files; without them lib/ must be covered.
import { node24, prepare, run } from './setup.mjs'

await prepare()
const chosen = process.argv.slice(2)
const coverage = chosen.length > 0 ? [] : ['--experimental-test-coverage', '--test-coverage-include=lib/**', '--test-coverage-lines=95']
run(node24, ['--test', '--test-timeout=300000', ...coverage, ...chosen.length > 0 ? chosen : ['test/**/*.test.ts']])
