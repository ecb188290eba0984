/** Sums of values beyond this leave the range of a double, which is an error on some databases: they are added up scaled down. */
const large = 1e290
const scale = 2 ** 64

/** A sum in two parts: that of small values, and that of large ones, which is to be multiplied by `scale`. */
interface Parts { small: number, large: number }

/** A sum as a row of metrics_1h has it: where it leaves the range of a double it ends there, and `scaledSum` is it divided by 2^64. */
export interface Sum { sum: number, scaledSum: number | null }

export interface Columns { small: string, large: string }

/** SQL of both parts of a value, which may be null. */
export function partsOfValue (value: string): Columns {
  const isSmall = `abs(${value}) < ${large.toExponential()}`
  return { small: `case when ${isSmall} then ${value} else 0 end`, large: `case when ${isSmall} then 0 else ${value} / ${scale}.0 end` }
}

/** SQL of both parts of the sum in a rollup. @param row such as `r.`: what its columns are called with */
export function partsOfRollup (row = ''): Columns {
  const { small, large } = partsOfValue(`${row}sum`)
  return { small: `case when ${row}scaled_sum is null then ${small} else 0 end`, large: `case when ${row}scaled_sum is null then ${large} else ${row}scaled_sum end` }
}

export function sumOf ({ small, large }: Parts): Sum {
  const sum = small + large * scale
  return Number.isFinite(sum) ? { sum, scaledSum: null } : { sum: Math.sign(sum) * Number.MAX_VALUE, scaledSum: large + small / scale }
}

/** Never outside the least and the greatest value, as a quotient of a rounded sum may be. */
export function averageOf ({ small, large }: Parts, { n, min, max }: { n: number, min: number, max: number }): number {
  const average = large === 0 ? small / n : small / n + large / n * scale
  return Math.min(max, Math.max(min, average))
}

export function addSums (first: Sum, second: Sum): Sum {
  const [a, b] = [partsOf(first), partsOf(second)]
  return sumOf({ small: a.small + b.small, large: a.large + b.large })
}

function partsOf ({ sum, scaledSum }: Sum): Parts {
  if (scaledSum !== null) return { small: 0, large: scaledSum }
  return Math.abs(sum) < large ? { small: sum, large: 0 } : { small: 0, large: sum / scale }
}
