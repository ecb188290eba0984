/** Powers of ten that a double holds exactly. */
const powers = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
/** Splits a double into two halves whose products are exact (Veltkamp, Dekker 1971). */
const splitter = 2 ** 27 + 1
/** A little more than half of the distance between 1 and the next double. */
const overHalf = 1.1102230246251568e-16

/**
 * A number as text that SQLite reads to the last bit. SQLite parses decimals a little inexactly and gets one in ten thousand wrong:
 * those whose shortest text is almost half way to the next double. They, and long ones, are written with 17 digits, which are near
 * enough; short ones stay short, because more digits take SQLite longer.
 */
export function numberText (value: number): string {
  const text = String(value)
  if (Number.isSafeInteger(value)) return text
  return text.length <= 16 && !text.includes('e') && isNear(value, powers[text.length - 1 - text.indexOf('.')] as number) ? text : value.toPrecision(17)
}

/** Whether a number's shortest text, whole once multiplied by `scale`, is clearly nearer to it than to the doubles beside it. */
function isNear (value: number, scale: number): boolean {
  const product = value * scale
  // Not as pairs, which would be garbage: this runs for each metric.
  const high = upperHalf(value)
  const low = value - high
  const scaleHigh = upperHalf(scale)
  const scaleLow = scale - scaleHigh
  // The rounding error of the product.
  const rest = ((high * scaleHigh - product) + high * scaleLow + low * scaleHigh) + low * scaleLow
  const distance = Math.abs((Math.round(product) - product) - rest)
  const size = Math.abs(value)
  const step = (size + size * overHalf) - size
  return distance < 0.49 * step * scale
}

function upperHalf (value: number): number {
  const shifted = splitter * value
  return shifted - (shifted - value)
}
