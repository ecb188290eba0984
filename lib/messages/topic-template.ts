import { show } from './metrics.ts'
import type { Message } from './parse.ts'
import { agentFields } from './template-fields.ts'

export type TemplateResult = { ok: true, topics: string[] } | { ok: false, detail: string }

/**
 * The topics that a template such as `agent/{uuid}/{type}` gives for a message.
 * `{uuid} {username} {name} {hostname} {pid}` are the agent's, `{kind}` is connected, disconnected or message.
 * `{type}` is the metric's: one topic per metric, in their order; for the other two kinds it is the kind.
 * Devices choose the values, and access rules are about levels: so an agent's field stays one level, and no topic begins with `$` unless the template does.
 */
export function fillTemplate (template: string, message: Message): TemplateResult {
  const agent = message.payload.agent as Partial<Record<string, unknown>>
  const types = message.kind === 'message' && template.includes('{type}') ? message.payload.metrics.map(metric => metric.type) : [message.kind]
  let missing: string | undefined
  let slashed: string | undefined
  const topics = types.map(type => template.replace(/\{([^{}]*)\}/g, (_, field: string) => {
    if (field === 'type') return type
    if (field === 'kind') return message.kind
    const value = (agentFields as readonly string[]).includes(field) ? agent[field] : undefined
    // Of who disconnects, only the uuid is checked.
    if (typeof value !== 'string' && typeof value !== 'number') {
      missing ??= field
      return ''
    }
    if (String(value).includes('/')) slashed ??= field
    return String(value)
  }))
  if (missing !== undefined) return { ok: false, detail: `The template ${template} needs {${missing}}, which the message does not have.` }
  if (slashed !== undefined) return { ok: false, detail: `The template ${template} makes one level of {${slashed}}, and ${show(agent[slashed])} has a slash.` }
  const special = template.startsWith('$') ? undefined : topics.find(topic => topic.startsWith('$'))
  return special === undefined ? { ok: true, topics } : { ok: false, detail: `The template ${template} gives ${show(special)}, which begins with $.` }
}

/** Whether a text that is not empty is one level of a topic that can be published to. */
export function isLevel (text: string): boolean {
  return !/[/+#\0]/.test(text)
}

/** Why `topic` cannot be published to, or undefined when it can. [MQTT-3.3.2-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3] */
export function topicProblem (topic: unknown): string | undefined {
  if (typeof topic !== 'string' || topic === '') return 'The message has no topic.'
  if (/[+#]/.test(topic)) return `The topic ${JSON.stringify(topic).slice(1, -1)} has a wildcard.`
  if (topic.includes('\0')) return 'The topic has a NUL.'
  if (Buffer.byteLength(topic) > 65_535) return 'The topic is longer than 65,535 bytes.'
  return undefined
}
