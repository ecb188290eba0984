import type { Knex } from 'knex'
import type { Span } from './rollup-aggregate.ts'

/**
 * The end (UTC ms) of about `count` rows of a span: its own where there are no more. Always after the
 * first row, and so there may be more than `count` where they have one time.
 */
export async function firstRows (db: Knex, table: 'metrics' | 'metrics_1h', { seriesId, from, to }: Span, count: number): Promise<number> {
  const rows = () => db(table).where('series_id', seriesId).where('ts', '>=', from).where('ts', '<', to)
  const timeOfRow = (offset: number) => rows().orderBy('ts').limit(1).offset(offset).select('ts')
  const [{ first, next }] = await db.select({ first: timeOfRow(0), next: timeOfRow(count) }) as [Record<'first' | 'next', number | string | null>]
  return first === null || next === null ? to : Math.max(Number(next), Number(first) + 1)
}
