import type { RejectReason } from '../messages/parse.ts'
import type { Matched, ReadAgent } from './reading.ts'
import { parseTemplate, type Template } from './template.ts'
import { invalid, parsePattern } from './topic-pattern.ts'
import type { TopicRule } from './topic-rule.ts'

export type FoundAgent = { ok: true, agent: ReadAgent } | { ok: false, reason: RejectReason, detail: string }

/** Tells of which agent a payload is. */
export interface AgentFinder {
  /** Fields of the payload that say who it is: they are no metrics. */
  readonly paths: readonly string[]
  /** @param payload where the fields of `{$.field}` are */
  find (matched: Matched, payload?: unknown): FoundAgent
}

/**
 * @param hasFields whether payloads of the format have fields, for `{$.field}`
 * @throws PlatziverseError TOPIC_RULE_INVALID
 */
export function agentOf (rule: TopicRule, hasFields: boolean): AgentFinder {
  const { names } = parsePattern(rule.topic)
  const template = (text: string | undefined, what: string): Template | undefined => {
    if (!text) return undefined
    const parsed = parseTemplate(text, names, what)
    if (!hasFields && parsed.paths.length > 0) throw invalid(`The ${what} ${text} needs a field, which a payload of the format ${rule.format} does not have.`)
    return parsed
  }
  if (!rule.uuid && !names.includes('uuid')) throw invalid(`Nothing tells the agents of ${rule.topic} apart: call a level of the topic {uuid}, or say what the uuid is.`)
  const uuidTemplate = template(rule.uuid || '{uuid}', 'uuid')!
  const nameTemplate = template(rule.name, 'name')
  const { username } = rule
  return {
    paths: [...uuidTemplate.paths, ...nameTemplate?.paths ?? []],
    find: (matched, payload) => {
      const uuid = uuidTemplate.fill(matched.names, payload)
      if (uuid === undefined) return { ok: false, reason: 'FIELD_INVALID', detail: `The payload does not have ${uuidTemplate.paths.join(' and ')}, of which the uuid is made.` }
      const agent: ReadAgent = { uuid }
      // A name that is not there is no reason to lose the metrics.
      const name = nameTemplate?.fill(matched.names, payload)
      if (name) agent.name = name
      if (username) agent.username = username
      return { ok: true, agent }
    }
  }
}
