import { isObject } from '../is-object.ts'
import { show } from '../messages/metrics.ts'
import { invalid } from './topic-pattern.ts'

/** A text made of the names of a topic and of fields of a payload. */
export interface Template {
  /** The fields that it is made of: `device.id`. */
  readonly paths: readonly string[]
  /**
   * @param names what the names stand for
   * @param payload where its fields are
   * @returns undefined: the payload lacks a field
   */
  fill (names: Readonly<Record<string, string>>, payload?: unknown): string | undefined
}

/**
 * `{uuid}` is a name of the topic, `{$.device.id}` a field of the payload; everything else stays as it is.
 * @param names those of the topic
 * @param what it makes, for the error
 * @throws PlatziverseError TOPIC_RULE_INVALID
 */
export function parseTemplate (text: string, names: readonly string[], what: string): Template {
  const parts = text.split(/(\{[^{}]*\})/).filter(part => part !== '').map(part => {
    if (!part.startsWith('{') || !part.endsWith('}')) {
      if (/[{}]/.test(part)) throw invalid(`The ${what} ${show(text)} has a brace too many.`)
      return { text: part }
    }
    const inner = part.slice(1, -1)
    if (inner.startsWith('$.') && inner.length > 2) return { path: inner.slice(2) }
    if (!names.includes(inner)) throw invalid(`The ${what} ${show(text)} needs {${inner}}, which the topic does not have${inner.startsWith('$') ? ': a field of the payload is {$.field}' : ''}.`)
    return { name: inner }
  })
  return {
    paths: parts.flatMap(({ path }) => path ?? []),
    fill: (given, payload) => {
      let filled = ''
      for (const { text = '', name, path } of parts) {
        const value = name !== undefined ? given[name] : path !== undefined ? textOf(fieldOf(payload, path)) : text
        if (value === undefined) return undefined
        filled += value
      }
      return filled
    }
  }
}

/** What is at a path such as `device.0.id`; undefined: nothing. */
export function fieldOf (payload: unknown, path: string): unknown {
  let value = payload
  for (const key of path.split('.')) {
    // The length of a list is no field of it.
    if (!isObject(value) || !Object.prototype.propertyIsEnumerable.call(value, key)) return undefined
    value = value[key]
  }
  return value
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
