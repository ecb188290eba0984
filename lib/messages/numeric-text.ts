import type { Metric } from './schema.ts'

// A number of JSON, perhaps with a plus or with blanks around it, as `dtostrf` and `%6.2f` write them. One with leading zeros is an id.
const number = /^\s*[-+]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?\s*$/

/**
 * Metrics with numbers instead of texts that are decimal numbers. A text stays a text when it has a decimal comma, a unit or leading
 * zeros, when a double cannot hold it, and when it is a whole number beyond 2^53, which would lose digits.
 * @returns the same array when there are none
 */
export function numbersFromTexts (metrics: Metric[]): Metric[] {
  if (!metrics.some(({ value }) => numberOf(value) !== value)) return metrics
  return metrics.map(metric => ({ ...metric, value: numberOf(metric.value) }))
}

function numberOf (value: Metric['value']): Metric['value'] {
  if (typeof value !== 'string' || !number.test(value)) return value
  const result = Number(value)
  const isExact = !Number.isInteger(result) || Number.isSafeInteger(result) || /[.eE]/.test(value)
  return Number.isFinite(result) && isExact ? result : value
}
