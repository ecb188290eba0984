/** ms of each. */
export const hour = 3_600_000
export const day = 24 * hour

/** The start of the UTC hour or day that a time (UTC ms) is in. */
export function floor (ts: number, unit: number): number {
  return ts - ts % unit
}
