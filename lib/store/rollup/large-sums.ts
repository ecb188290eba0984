/** A sum of values beyond this may leave the range of a double, which some databases refuse: they are scaled down before they are added up. */
const large = 1e290
const scale = 2 ** 64

/** A sum in two parts: of the small values, and of the large ones divided by `scale`. */
interface Parts { small: number, large: number }

/** A sum as a row of metrics_1h holds it: one beyond the range of a double ends there, and `scaledSum`, otherwise null, is the sum divided by 2^64. */
export interface Sum { sum: number, scaledSum: number | null }

/** SQL expressions of both parts. */
export interface Columns { small: string, large: string }

/** Both parts of a value, which may be null. */
export function partsOfValue (value: string): Columns {
  const isSmall = `abs(${value}) < ${large.toExponential()}`
  return { small: `case when ${isSmall} then ${value} else 0 end`, large: `case when ${isSmall} then 0 else ${value} / ${scale}.0 end` }
}

/** Both parts of the sum in a rollup. @param row a prefix of its columns, such as `r.` */
export function partsOfRollup (row = ''): Columns {
  const { small, large } = partsOfValue(`${row}sum`)
  return { small: `case when ${row}scaled_sum is null then ${small} else 0 end`, large: `case when ${row}scaled_sum is null then ${large} else ${row}scaled_sum end` }
}

export function sumOf ({ small, large }: Parts): Sum {
  const sum = small + large * scale
  return Number.isFinite(sum) ? { sum, scaledSum: null } : { sum: Math.sign(sum) * Number.MAX_VALUE, scaledSum: large + small / scale }
}

/** Never below the least or above the greatest value, where the quotient of a rounded sum may be. */
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
