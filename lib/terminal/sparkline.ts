const blocks = '▁▂▃▄▅▆▇█'
/** Of a series that does not move. */
const level = '▄'

/** Numbers as a line of blocks, from the lowest of them to the highest. What is no number is a gap. */
export function sparkline (values: readonly number[]): string {
  const numbers = values.filter(Number.isFinite)
  const least = Math.min(...numbers)
  const span = Math.max(...numbers) - least
  return values.map(value => {
    if (!Number.isFinite(value)) return ' '
    return span > 0 ? blocks[Math.min(blocks.length - 1, Math.floor((value - least) / span * blocks.length))] : level
  }).join('')
}
