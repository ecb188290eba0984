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
  const paths: string[] = []
  const parts = text.split(/(\{[^{}]*\})/).filter(part => part !== '').map((part): Part => {
    if (!part.startsWith('{') || !part.endsWith('}')) {
      if (/[{}]/.test(part)) throw invalid(`The ${what} ${show(text)} has a brace too many.`)
      return () => part
    }
    const inner = part.slice(1, -1)
    if (inner.startsWith('$.') && inner.length > 2) {
      const path = inner.slice(2)
      const field = fieldAt(path)
      paths.push(path)
      return (_given, payload) => textOf(field(payload))
    }
    if (!names.includes(inner)) throw invalid(`The ${what} ${show(text)} needs {${inner}}, which the topic does not have${inner.startsWith('$') ? ': a field of the payload is {$.field}' : ''}.`)
    return given => given[inner]
  })
  return {
    paths,
    fill: (given, payload) => {
      let filled = ''
      for (const part of parts) {
        const value = part(given, payload)
        if (value === undefined) return undefined
        filled += value
      }
      return filled
    }
  }
}

/** A text, a name or a field of a template. */
type Part = Template['fill']

/** Makes what reads a path such as `device.0.id` of payloads; it gives undefined where nothing is. */
export function fieldAt (path: string): (payload: unknown) => unknown {
  const keys = path.split('.')
  return payload => {
    let value = payload
    for (const key of keys) {
      // The length of a list is no field of it.
      if (!isObject(value) || !Object.hasOwn(value, key) || (key === 'length' && Array.isArray(value))) return undefined
      value = value[key]
    }
    return value
  }
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
