import type { Metric } from '../messages/schema.ts'
import { plain } from './plain.ts'
import type { Language } from './texts/texts.ts'

const prefixes = ['', 'k', 'M', 'G', 'T', 'P']
const formats = new Map<string, Intl.NumberFormat>()

/** A value in at most nine columns, if it is a number. */
export function showValue (value: Metric['value'], language: Language): string {
  if (typeof value !== 'number') return plain(String(value))
  const size = Math.abs(value)
  if (size !== 0 && (size < 0.001 || size >= 1e18)) return value.toExponential(2)
  // As it is up to there: a count such as 12,345 is one to read, 1523412992 is not.
  const step = size < 100_000 ? 0 : Math.min(prefixes.length - 1, Math.floor(Math.log10(size) / 3))
  return `${format(language, size < 1 ? 3 : 2).format(value / 1000 ** step)}${step > 0 ? ` ${prefixes[step]}` : ''}`
}

/** A whole number. */
export function showCount (value: number, language: Language): string {
  return format(language, 0).format(value)
}

/** Ms as s, min, h or d. */
export function showSpan (ms: number, language: Language): string {
  const seconds = Math.max(0, ms / 1000)
  if (seconds < 120) return `${format(language, seconds < 10 ? 1 : 0).format(seconds)} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}

function format (language: Language, digits: number): Intl.NumberFormat {
  const key = `${language}${digits}`
  let made = formats.get(key)
  if (made === undefined) formats.set(key, made = new Intl.NumberFormat(language, { maximumFractionDigits: digits, useGrouping: false }))
  return made
}
