import { isObject } from '../../is-object.ts'
import { decode } from '../../messages/decode.ts'
import type { Metric } from '../../messages/schema.ts'
import { agentOf } from '../agent.ts'
import { choiceOf, type Choice } from '../choice.ts'
import type { MakeReader, Read, Reading } from '../reading.ts'
import { fieldAt, parseTemplate } from '../template.ts'
import { timeOf } from '../time.ts'
import { parsePattern } from '../topic-pattern.ts'
import { mostMetrics } from './gathered.ts'

const nothing: Read = { ok: true, readings: [] }
/** Characters of a path that may be a metric's type. Nothing below a longer one is looked at: to write its paths would take time and memory without a limit. */
const longestPath = 256

/** An object: each number, boolean and text in it is a metric, whose type is its path: `ENERGY.Power`, `temperatures.0`; behind the rule's type, if it has one. */
export const json: MakeReader = rule => {
  const agents = agentOf(rule, true)
  const { time } = rule
  const beginning = rule.type ? parseTemplate(rule.type, parsePattern(rule.topic).names, 'type') : undefined
  const timeAt = time && fieldAt(time.path)
  const notMetrics = new Set([...agents.paths, ...beginning?.paths ?? [], ...time === undefined ? [] : [time.path]])
  const choose = choiceOf(rule)
  const typeOf: Choice = path => notMetrics.has(path) ? undefined : choose(path)
  const known = new KnownPaths()
  return matched => {
    // This is how a retained message is cleared.
    if (matched.payload.length === 0) return nothing
    const decoded = decode(matched.text ?? matched.payload, matched.weight)
    if (!decoded.ok) return decoded
    const { value } = decoded
    if (!isObject(value)) return { ok: false, reason: 'FIELD_INVALID', detail: 'The payload is one value, and no object: read this topic as a value.' }
    const found = agents.find(matched, value)
    if (!found.ok) return found
    const timed = time && timeAt && timeOf(timeAt(value), time.unit)
    if (timed?.ok === false) return timed
    const begin = beginning === undefined ? '' : beginning.fill(matched.names, value)
    if (begin === undefined) return { ok: false, reason: 'FIELD_INVALID', detail: `The payload does not have ${beginning?.paths.join(' and ')}, of which the types are made.` }
    const metrics: Metric[] = []
    const isWhole = begin === '' ? flatten(value, '', typeOf, metrics, known.root) : flatten(value, '', path => notMetrics.has(path) ? undefined : choose(`${begin}.${path}`), metrics)
    if (!isWhole) return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: `The payload has more than ${mostMetrics} values: send fewer at a time.` }
    if (metrics.length === 0) return nothing
    const reading: Reading = { kind: 'message', agent: found.agent, metrics }
    if (timed?.timestamp !== undefined) reading.timestamp = timed.timestamp
    return { ok: true, readings: [reading] }
  }
}

/** Paths that are remembered: devices send the same ones again and again, but choose them. */
const mostKnown = 1_000

/** A path that came before, so that neither it nor its type is made again. */
class KnownPath {
  readonly key: string | number
  readonly path: string
  /** What the paths below begin with. */
  readonly prefix: string
  readonly #paths: KnownPaths
  #below: Map<string | number, KnownPath> | undefined
  /** Those below in the order in which they came first, which is mostly the one in which they come again. */
  readonly #inOrder: KnownPath[] = []
  #type: { is: string | undefined } | undefined

  constructor (key: string | number, path: string, prefix: string, paths: KnownPaths) {
    this.key = key
    this.path = path
    this.prefix = prefix
    this.#paths = paths
  }

  /** @param place of the key among those of its object. @returns undefined: the path is too long to be remembered */
  at (key: string | number, place: number): KnownPath | undefined {
    const likely = this.#inOrder[place]
    if (likely?.key === key) return likely
    const found = this.#below?.get(key)
    if (found !== undefined) return found
    const path = `${this.prefix}${key}`
    if (path.length > longestPath) return undefined
    const added = new KnownPath(key, path, `${path}.`, this.#paths)
    this.#inOrder.push(added)
    this.#below ??= new Map()
    this.#below.set(key, added)
    this.#paths.added()
    return added
  }

  type (typeOf: Choice): string | undefined {
    this.#type ??= { is: typeOf(this.path) }
    return this.#type.is
  }
}

/** The paths of the payloads that one rule reads. */
class KnownPaths {
  root = new KnownPath('', '', '', this)
  #size = 0

  /** Where they are too many, all are forgotten. */
  added (): void {
    if (++this.#size < mostKnown) return
    this.#size = 0
    this.root = new KnownPath('', '', '', this)
  }
}

/**
 * Add every value of an object or a list, by its path. It is not nested deeper than `decode` allows.
 * @param known what is known of the paths below `prefix`
 * @param seen values that were looked at so far, left out or not
 * @returns whether that is all: there may be too many
 */
export function flatten (value: object, prefix: string, typeOf: Choice, metrics: Metric[], known?: KnownPath, seen = { values: 0 }): boolean {
  // A text of each index would be made for nothing.
  const keys: unknown[] = Array.isArray(value) ? value : Object.keys(value)
  for (let i = 0; i < keys.length; i++) {
    if (seen.values > mostMetrics) return false
    const key = keys === value ? i : keys[i] as string
    const child: unknown = value[key as never]
    const found = known?.at(key, i)
    const path = found?.path ?? `${prefix}${key}`
    if (isObject(child) && path.length <= longestPath) {
      flatten(child, found?.prefix ?? `${path}.`, typeOf, metrics, found, seen)
      continue
    }
    seen.values++
    // Too long for a type: `parse` says so, once for all that is below.
    if (path.length > longestPath) add(typeOf(path.slice(0, longestPath)), true, metrics)
    else if (typeof child === 'number' || typeof child === 'boolean' || typeof child === 'string') add(found === undefined ? typeOf(path) : found.type(typeOf), child, metrics)
  }
  return seen.values <= mostMetrics
}

function add (type: string | undefined, value: Metric['value'], metrics: Metric[]): void {
  if (type !== undefined) metrics.push({ type, value })
}
