import { isTooLong } from './text.ts'

/** A topic filter, level by level: `a/+/#` has the levels `a` and `+`, and the rest of the tree. */
export interface Filter {
  readonly levels: readonly string[]
  /** Whether it ends in `#`: it matches its levels, the parent included, and everything below [MQTT-4.7.1-2]. */
  readonly rest: boolean
}

/** A `+` beside anything but a slash, or a `#` that is not the last level. */
const misplacedWildcard = /[^/][+#]|\+[^/]|#./s

/** @returns undefined when the text is no topic filter [MQTT-4.7.1-2, 4.7.1-3, 4.7.3-1, 4.7.3-2, 4.7.3-3] */
export function parseFilter (text: string): Filter | undefined {
  if (text === '' || text.includes('\0') || misplacedWildcard.test(text) || isTooLong(text)) return undefined
  const levels = text.split('/')
  const rest = levels.at(-1) === '#'
  if (rest) levels.pop()
  // A topic has at least one level, so `#` is `+/#`. Written so, everything below needs one rule less.
  if (levels.length === 0) levels.push('+')
  return { levels, rest }
}

/** Whether a subscription is a shared one: `$share/group/filter`. */
export function isShared (text: string): boolean {
  return text.startsWith('$share/')
}

/** The text of the filter in `$share/group/filter`; undefined: the subscription is not shared. */
export function sharedFilter (text: string): string | undefined {
  return isShared(text) ? text.slice(text.indexOf('/', '$share/'.length) + 1) : undefined
}

/**
 * The filter that a subscription asks for: that of `$share/group/filter` is `filter`.
 * @returns undefined when there is none, or the group has no proper name [MQTT-4.8.2-1, MQTT-4.8.2-2]
 */
export function parseSubscription (text: string): Filter | undefined {
  if (!isShared(text)) return parseFilter(text)
  const shared = /^\$share\/[^/+#]+\/(.+)$/s.exec(text)
  return parseFilter(shared?.[1] ?? '')
}

/** Whether `filter` matches the topic of these levels. One level more than the filter has is enough of a long topic. */
export function matches ({ levels, rest }: Filter, topic: readonly string[]): boolean {
  if (rest ? topic.length < levels.length : topic.length !== levels.length) return false
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] !== topic[i] && !isWildcard(levels, topic, i)) return false
  }
  return true
}

/** Whether `pattern` matches every topic that `filter` matches. */
export function covers (pattern: Filter, filter: Filter): boolean {
  const deepEnough = pattern.rest
    ? filter.levels.length >= pattern.levels.length
    : !filter.rest && filter.levels.length === pattern.levels.length
  return deepEnough && pattern.levels.every((level, i) => level === filter.levels[i] || isWildcard(pattern.levels, filter.levels, i))
}

/** Whether there can be a topic that both match. */
export function overlaps (one: Filter, other: Filter): boolean {
  if (one.levels.length > other.levels.length) return overlaps(other, one)
  if (one.levels.length < other.levels.length && !one.rest) return false
  return one.levels.every((level, i) => {
    return level === other.levels[i] || isWildcard(one.levels, other.levels, i) || isWildcard(other.levels, one.levels, i)
  })
}

/** Whether the level is a `+` that stands for the other's level. [MQTT-4.7.2-1] A `+` at the start does not match a name that begins with `$`. */
function isWildcard (levels: readonly string[], others: readonly string[], i: number): boolean {
  return levels[i] === '+' && !(i === 0 && others[0]?.startsWith('$') === true)
}
