/** ms of each. */
export const hour = 3_600_000
export const day = 24 * hour

/** The longest that a timer of Node.js can wait, in ms; asked for more, it fires at once. */
export const longestTimer = 2 ** 31 - 1

/** The start of the UTC hour or day that a time (UTC ms) is in. */
export function floor (ts: number, unit: number): number {
  return ts - ts % unit
}
