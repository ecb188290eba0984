// A reporter of node:test: a line for each test that failed, `{ file, name }` in JSON, and one for what else is not as it should be.
/** A test that only has a part that failed is not told: the part is. */
export default async function * failures (events) {
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed') yield `${JSON.stringify({ file: data.file, name: data.name })}\n`
    if (type === 'test:coverage' && data.summary.totals.coveredLinePercent < data.summary.thresholds.line) yield `${JSON.stringify({ name: 'coverage' })}\n`
  }
}
