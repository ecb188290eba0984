const binary = [['TiB', 1024 ** 4], ['GiB', 1024 ** 3], ['MiB', 1024 ** 2], ['KiB', 1024]] as const
const spans = [['day', 86_400], ['hour', 3_600], ['minute', 60]] as const

/**
 * A value in the largest unit in which it is at least 1, such as `2 MiB` of bytes or `7 days` of seconds.
 * @returns undefined: it says nothing that the value itself does not
 */
export function inLargeUnits (unit: string, value: number, language: string): string | undefined {
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 })
  if (unit === 'bytes' || unit === 'bytesASecond') {
    const [name, size] = binary.find(([, size]) => value >= size) ?? []
    return size === undefined ? undefined : `${number.format(value / size)} ${name}`
  }
  const [span, seconds] = unit === 'seconds' ? spans.find(([, seconds]) => value >= seconds) ?? [] : []
  if (seconds === undefined) return undefined
  return new Intl.NumberFormat(language, { style: 'unit', unit: span, unitDisplay: 'long', maximumFractionDigits: 1 }).format(value / seconds)
}
