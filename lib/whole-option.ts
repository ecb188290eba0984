import { longestTimer } from './time.ts'

/**
 * An option that is a whole number.
 * @param name as the error names it
 * @param value as it was given; undefined: the fallback
 * @param range `most`: what a timer can wait, unless it is given
 * @param invalid makes the error
 * @throws what `invalid` makes
 */
export function wholeOption (
  name: string, value: unknown, { fallback, least = 1, most = longestTimer }: { fallback: number, least?: number, most?: number }, invalid: (detail: string) => Error
): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(`${name} must be a whole number from ${least} to ${most}, and is ${String(value)}.`)
}
