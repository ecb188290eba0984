import { isUtf8 } from 'node:buffer'
import { agentOf } from '../agent.ts'
import { choiceOf } from '../choice.ts'
import type { MakeReader, Read, Reading } from '../reading.ts'
import { parseTemplate } from '../template.ts'
import { textValue } from '../text-value.ts'
import { invalid, parsePattern } from '../topic-pattern.ts'

const nothing: Read = { ok: true, readings: [] }

/** One number, boolean or text. A number with a unit is a text; nothing, `nan`, `null`, `unavailable` and `unknown` are no value. */
export const value: MakeReader = rule => {
  const agents = agentOf(rule, false)
  const { names } = parsePattern(rule.topic)
  const type = rule.type || names.includes('type') ? parseTemplate(rule.type || '{type}', names, 'type') : undefined
  if (type !== undefined && type.paths.length > 0) throw invalid(`The type ${rule.type} needs a field, which a payload of the format value does not have.`)
  const typeOf = choiceOf(rule)
  return matched => {
    const chosen = typeOf(type?.fill(matched.names) ?? lastLevel(matched.topic))
    if (chosen === undefined) return nothing
    const text = matched.text ?? (isUtf8(matched.payload) ? matched.payload.toString() : undefined)
    if (text === undefined) return { ok: false, reason: 'PAYLOAD_NOT_UTF8', detail: 'The payload is not UTF-8.' }
    const read = valueOf(text.trim())
    if (read === undefined) return nothing
    if (read === structured) return { ok: false, reason: 'FIELD_INVALID', detail: 'The payload is an object or a list: read this topic as JSON.' }
    const found = agents.find(matched)
    if (!found.ok) return found
    const reading: Reading = { kind: 'message', agent: found.agent, metrics: [{ type: chosen, value: read }] }
    return { ok: true, readings: [reading] }
  }
}

const structured = Symbol('structured')
/** Characters of a payload that is looked at as JSON. */
const longest = 100_000

function valueOf (text: string): number | boolean | string | typeof structured | undefined {
  // A longer one is no value either way: `parse` says so.
  if (/^[[{"]/.test(text) && text.length > longest) return text
  if (/^[[{]/.test(text)) return isJson(text) ? structured : text
  // As JSON writes a text.
  return textValue(text.startsWith('"') && isJson(text) ? String(JSON.parse(text)) : text)
}

function isJson (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function lastLevel (topic: string): string {
  return topic.slice(topic.lastIndexOf('/') + 1)
}
