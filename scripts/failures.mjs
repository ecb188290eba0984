// A reporter of node:test: a line of JSON for each test that failed (`name`), each file that did (`file`), and for too few lines that ran (`coverage`).
// A test says where it is written, which may be a helper, and the summary of a file says what ran it; a file that did not come to its end has none.
// A test that only has a part that failed is not told: the part is.
export default async function * failures (events) {
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed') {
      yield `${JSON.stringify({ name: data.name, ...data.file?.endsWith('.test.ts') ? { file: data.file } : {} })}\n`
    }
    if (type === 'test:summary' && data.file !== undefined && !data.success) yield `${JSON.stringify({ file: data.file })}\n`
    if (type === 'test:coverage' && data.summary.totals.coveredLinePercent < data.summary.thresholds.line) yield `${JSON.stringify({ coverage: data.summary.totals.coveredLinePercent })}\n`
  }
}
