import { isObject } from '../../is-object.ts'
import { decode } from '../../messages/decode.ts'
import type { Metric } from '../../messages/schema.ts'
import { agentOf } from '../agent.ts'
import { choiceOf, type Choice } from '../choice.ts'
import type { MakeReader, Read } from '../reading.ts'
import { fieldOf, parseTemplate } from '../template.ts'
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
  const notMetrics = new Set([...agents.paths, ...beginning?.paths ?? [], ...time === undefined ? [] : [time.path]])
  const typeOf = choiceOf(rule)
  return matched => {
    // This is how a retained message is cleared.
    if (matched.payload.length === 0) return nothing
    const decoded = decode(matched.payload)
    if (!decoded.ok) return decoded
    const { value } = decoded
    if (!isObject(value)) return { ok: false, reason: 'FIELD_INVALID', detail: 'The payload is one value, and no object: read this topic as a value.' }
    const found = agents.find(matched, value)
    if (!found.ok) return found
    const timed = time === undefined ? undefined : timeOf(fieldOf(value, time.path), time.unit)
    if (timed?.ok === false) return timed
    const begin = beginning === undefined ? '' : beginning.fill(matched.names, value)
    if (begin === undefined) return { ok: false, reason: 'FIELD_INVALID', detail: `The payload does not have ${beginning?.paths.join(' and ')}, of which the types are made.` }
    const metrics: Metric[] = []
    const isWhole = flatten(value, '', path => notMetrics.has(path) ? undefined : typeOf(begin === '' ? path : `${begin}.${path}`), metrics)
    if (!isWhole) return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: `The payload has more than ${mostMetrics} values: send fewer at a time.` }
    if (metrics.length === 0) return nothing
    return { ok: true, readings: [{ kind: 'message', agent: found.agent, metrics, ...timed?.timestamp === undefined ? {} : { timestamp: timed.timestamp } }] }
  }
}

/**
 * Add every value of an object or a list, by its path. It is not nested deeper than `decode` allows.
 * @param seen values that were looked at so far, left out or not
 * @returns whether that is all: there may be too many
 */
export function flatten (value: object, prefix: string, typeOf: Choice, metrics: Metric[], seen = { values: 0 }): boolean {
  for (const [key, child] of Object.entries(value) as Array<[string, unknown]>) {
    if (seen.values > mostMetrics) return false
    const path = prefix + key
    if (isObject(child) && path.length <= longestPath) {
      flatten(child, `${path}.`, typeOf, metrics, seen)
      continue
    }
    seen.values++
    // Too long for a type: `parse` says so, once for all that is below.
    if (path.length > longestPath) add(path.slice(0, longestPath), true, typeOf, metrics)
    else if (typeof child === 'number' || typeof child === 'boolean' || typeof child === 'string') add(path, child, typeOf, metrics)
  }
  return seen.values <= mostMetrics
}

function add (path: string, value: Metric['value'], typeOf: Choice, metrics: Metric[]): void {
  const type = typeOf(path)
  if (type !== undefined) metrics.push({ type, value })
}
