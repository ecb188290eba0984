import type { Sum } from './large-sums.ts'

/**
 * The numbers of a span of time in short; `n` = 0: there were none. `last` is the value of the metric at `lastTs` (UTC ms) with
 * `lastSeq`; both are null in rows that an older version rolled up.
 */
export interface Aggregate extends Sum { n: number, min: number, max: number, last: number, lastTs: number | null, lastSeq: number | null }

/** An aggregate as metrics_1h and metrics_1d have it, beside the key of its row. */
export type RollupColumns = Record<'n' | 'sum' | 'min' | 'max' | 'last' | 'last_ts' | 'last_seq' | 'scaled_sum', number | string | null>

/** The aggregate in a row; what comes out of a database may be the text of a number. */
export function aggregateIn (row: RollupColumns): Aggregate {
  return {
    n: Number(row.n),
    sum: Number(row.sum),
    min: Number(row.min),
    max: Number(row.max),
    last: Number(row.last),
    lastTs: numberOrNull(row.last_ts),
    lastSeq: numberOrNull(row.last_seq),
    scaledSum: numberOrNull(row.scaled_sum)
  }
}

/** An aggregate as the columns of a row. */
export function rollupColumns ({ n, sum, min, max, last, lastTs, lastSeq, scaledSum }: Aggregate): RollupColumns {
  return { n, sum, min, max, last, last_ts: lastTs, last_seq: lastSeq, scaled_sum: scaledSum }
}

export function numberOrNull (value: number | string | null): number | null {
  return value === null ? null : Number(value)
}
