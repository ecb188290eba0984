import { loadavg } from 'node:os'
import type { Settings } from '../measure.ts'
import { axes, measureAxes, type AxesResult } from './axes.ts'
import { measureQueries, type QueryResults } from './queries.ts'
import { measureRetention, type RetentionResult } from './retention.ts'
import { targets, type RunningTarget, type Target } from './targets.ts'
import { measureWriters, type WriterResult } from './writers.ts'

export interface DatabasesOptions extends Settings { runs: number, only: string[], shapes: string[], rows: number }

export interface DatabasesResults {
  /** What was asked for and is not here, and why. */
  without: Array<{ name: string, reason: string }>
  writers: WriterResult[]
  queries?: QueryResults
  retention: RetentionResult[]
  axes: AxesResult[]
  /** Load average of the last minute, after the last run. */
  loadAfter: number
}

export const databaseParts = ['writer', 'queries', 'retention', ...axes]

/** Database after database, so that no server is there that is not measured. */
export async function runDatabases (options: DatabasesOptions): Promise<DatabasesResults> {
  const chosen = targets.filter(({ id }) => options.only.includes(id))
  if (chosen.length === 0) throw new TypeError(`--only names no database: ${options.only.join(',')}`)
  const unknown = options.shapes.find(part => !databaseParts.includes(part))
  if (unknown !== undefined) throw new TypeError(`--shapes names no part: ${unknown}`)
  const results: DatabasesResults = { without: [], writers: [], retention: [], axes: [], loadAfter: NaN }
  for (const target of chosen) {
    if (target.without !== undefined) {
      results.without.push({ name: target.name, reason: target.without })
      continue
    }
    const running = await target.start()
    try {
      await measureOne(target, running, options, results)
    } finally {
      await running.end()
    }
  }
  results.loadAfter = loadavg()[0] ?? NaN
  return results
}

async function measureOne (target: Target, running: RunningTarget, options: DatabasesOptions, results: DatabasesResults): Promise<void> {
  const { shapes, rows, seconds, runs, steadyRate: rate } = options
  if (shapes.includes('writer')) results.writers.push(await measureWriters(target, running, options))
  if (shapes.includes('queries') && target.id === 'sqlite3') {
    process.stderr.write(`${target.name}: queries\n`)
    results.queries = await measureQueries(await running.fresh(), { rows, seconds, runs }, options)
  }
  if (shapes.includes('retention')) results.retention.push(await measureRetention(target, await running.fresh(), { rows: rows / 2, seconds, rate }, options))
  if (axes.some(axis => shapes.includes(axis))) results.axes.push(await measureAxes(target, running, { shapes, rows, seconds, rate }, options))
}
