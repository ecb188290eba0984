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
  const [taken, left] = [take.map(patternOf), leave.map(patternOf)]
  const remembered = new RecentMap<string | typeof leftOut>(mostRemembered)
  const choose = (path: string): string | undefined => {
    if (skipped.has(path) || left.some(reaches => reaches(path))) return undefined
    if (take.length > 0 && !taken.some(reaches => reaches(path))) return undefined
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

/** Tells whether a pattern matches a path or something above it. Paths that lack a part of it, which most do, are seen at a glance. */
function patternOf (pattern: string): (path: string) => boolean {
  const parts = pattern.split('*').filter(part => part !== '')
  return path => parts.every(part => path.includes(part)) && reaches(pattern, path)
}

const star = '*'.charCodeAt(0)
const dot = '.'.charCodeAt(0)

/** Whether a pattern matches a path or something above it. A regular expression would take too long for some patterns. */
function reaches (pattern: string, path: string): boolean {
  let at = 0
  let inPattern = 0
  let afterStar = -1
  let retry = 0
  while (at < path.length) {
    const wanted = pattern.charCodeAt(inPattern)
    if (inPattern === pattern.length && path.charCodeAt(at) === dot) return true
    if (wanted === star) {
      afterStar = ++inPattern
      retry = at
    } else if (wanted === path.charCodeAt(at)) {
      inPattern++
      at++
    } else if (afterStar >= 0) {
      inPattern = afterStar
      at = ++retry
    } else {
      return false
    }
  }
  while (pattern.charCodeAt(inPattern) === star) inPattern++
  return inPattern === pattern.length
}
