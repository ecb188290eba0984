/** Whether a text is as one of several patterns says. */
export type Matcher = (text: string) => boolean

/**
 * Reads patterns with commas between them; `*` stands for any characters, also none. Case counts.
 * @returns undefined where there is no pattern
 */
export function matcherOf (patterns: string): Matcher | undefined {
  const all = patterns.split(',').map(pattern => pattern.trim()).filter(pattern => pattern !== '')
  if (all.length === 0) return undefined
  if (all.includes('*')) return () => true
  const exact = new Set(all.filter(pattern => !pattern.includes('*')))
  const wild = all.filter(pattern => pattern.includes('*')).map(pattern => pattern.split('*'))
  return text => exact.has(text) || wild.some(parts => matches(text, parts))
}

/** By searching for one part after another: a strange name takes no longer than a plain one. */
function matches (text: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? ''
  const last = parts.at(-1) ?? ''
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= text.length - last.length
}
