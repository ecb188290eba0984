import { RecentMap } from '../recent-map.ts'
import type { TopicRule } from './topic-rule.ts'

/** The metric type of what is at a path of a payload; undefined: it is left out. */
export type Choice = (path: string) => string | undefined

/** Paths whose types are remembered: devices send the same ones again and again, but choose them. */
const mostRemembered = 1_000
/** Characters of a path that is remembered. */
const longestRemembered = 200
const leftOut = Symbol('left out')

/**
 * What a rule takes, leaves and renames. In `take` and `leave` a `*` stands for any text, dots included, and a path stands for everything below it, too:
 * `ENERGY` is `ENERGY.*` as well. What is left out wins.
 * @param others paths that are no metrics: of the time, of the agent
 */
export function choiceOf ({ take = [], leave = [], rename = {} }: TopicRule, others: readonly string[] = []): Choice {
  const names = new Map(Object.entries(rename).filter(([, type]) => type !== ''))
  // `params.*` and `*`, or `ENERGY.*` and `energy.*`.
  const beginnings = [...names].filter(([path, type]) => path.endsWith('*') && type.endsWith('*')).map(([path, type]) => [path.slice(0, -1), type.slice(0, -1)] as const)
  if (take.length + leave.length + others.length === 0 && names.size === 0) return path => path
  const skipped = new Set(others)
  const remembered = new RecentMap<string | typeof leftOut>(mostRemembered)
  const choose = (path: string): string | undefined => {
    if (skipped.has(path) || leave.some(pattern => reaches(pattern, path))) return undefined
    if (take.length > 0 && !take.some(pattern => reaches(pattern, path))) return undefined
    const [from, to] = beginnings.find(([beginning]) => path.startsWith(beginning) && path.length > beginning.length) ?? ['', '']
    return names.get(path) ?? to + path.slice(from.length)
  }
  return path => {
    if (path.length > longestRemembered) return choose(path)
    const known = remembered.get(path)
    if (known !== undefined) return known === leftOut ? undefined : known
    const type = choose(path)
    remembered.set(path, type ?? leftOut)
    return type
  }
}

/** Whether a pattern matches a path or something above it. A regular expression would take too long for some patterns. */
function reaches (pattern: string, path: string): boolean {
  let at = 0
  let inPattern = 0
  let star = -1
  let retry = 0
  while (at < path.length) {
    if (inPattern === pattern.length && path[at] === '.') return true
    if (pattern[inPattern] === '*') {
      star = inPattern++
      retry = at
    } else if (pattern[inPattern] === path[at]) {
      inPattern++
      at++
    } else if (star >= 0) {
      inPattern = star + 1
      at = ++retry
    } else {
      return false
    }
  }
  while (pattern[inPattern] === '*') inPattern++
  return inPattern === pattern.length
}
