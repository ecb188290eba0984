import { appendFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import fc, { type IAsyncProperty, type IProperty } from 'fast-check'

// `npm run fuzz` sets these; without them each run is the same one, and short. PLATZIVERSE_FUZZ_QUICK shows
// the first value for which a property does not hold, instead of the smallest.
const { PLATZIVERSE_FUZZ_SEED, PLATZIVERSE_FUZZ_FACTOR, PLATZIVERSE_FUZZ_REPORT, PLATZIVERSE_FUZZ_QUICK } = process.env

export const seed = Number(PLATZIVERSE_FUZZ_SEED ?? 20_261_129)
/** How many times as long as in `npm test`. */
export const factor = Number(PLATZIVERSE_FUZZ_FACTOR ?? 1)

/** A line of the report: how often something was tried. */
function report (name: string, runs: number): void {
  if (PLATZIVERSE_FUZZ_REPORT !== undefined) appendFileSync(PLATZIVERSE_FUZZ_REPORT, `${JSON.stringify({ name, runs })}\n`)
}

/**
 * Fails unless a property holds for `runs` generated values; says with which seed, and the smallest value for which it does not.
 * @param runs in `npm test`
 */
export async function holds<Values> (t: TestContext, property: IProperty<Values> | IAsyncProperty<Values>, runs: number): Promise<void> {
  const result = await fc.check(property, { seed, numRuns: Math.round(runs * factor), endOnFailure: PLATZIVERSE_FUZZ_QUICK !== undefined })
  report(t.name, result.numRuns)
  t.diagnostic(`${result.numRuns} runs, seed ${seed}`)
  if (!result.failed) return
  const { errorInstance: cause, numRuns } = result
  throw new Error(`${String(cause)}\nAfter ${numRuns} runs with PLATZIVERSE_FUZZ_SEED=${seed}, for\n${fc.stringify(result.counterexample)}`, { cause })
}
