import { PlatziverseError, reasonOf } from '../errors.ts'
import { parse } from './parse.ts'
import { fillTemplate, topicProblem } from './topic-template.ts'

export interface TopicAndPayload { topic: string, payload: unknown }

export type Publications = { ok: true, publications: TopicAndPayload[] } | { ok: false, error: PlatziverseError }

/**
 * What to publish for one message.
 * @param template topic to publish to instead of the message's own; with `{type}` in it each metric is published alone
 * @param isValue whether only metrics are published, each as its value alone
 */
export function publicationsOf (topic: unknown, payload: unknown, template: string, isValue = false): Publications {
  if (isValue && !template.includes('{type}')) return refuse(`The template ${template} needs {type}: a value alone does not say of which metric it is.`)
  if (template === '') return checked([{ topic: topic as string, payload }])
  if (!template.includes('{')) return checked([{ topic: template, payload }])
  const parsed = parse(topic, payload, Date.now())
  if (!parsed.ok) return refuse(`The template ${template} needs a message of the contract: ${parsed.detail}`)
  const [bad] = parsed.bad
  if (bad !== undefined) return refuse(`The template ${template} needs a message of the contract: ${bad.detail}`)
  const { message } = parsed
  if (isValue && message.kind !== 'message') return checked([])
  const filled = fillTemplate(template, message)
  if (!filled.ok) return refuse(filled.detail)
  if (message.kind !== 'message' || !template.includes('{type}')) return checked(filled.topics.map(topic => ({ topic, payload: message.payload })))
  const { metrics } = message.payload
  return checked(filled.topics.map((topic, i) => ({ topic, payload: isValue ? String(metrics[i]?.value) : { ...message.payload, metrics: [metrics[i]] } })))
}

function checked (candidates: TopicAndPayload[]): Publications {
  const problem = candidates.map(({ topic }) => topicProblem(topic)).find(problem => problem !== undefined)
  return problem === undefined ? { ok: true, publications: candidates } : refuse(problem)
}

function refuse (detail: string): Publications {
  return { ok: false, error: new PlatziverseError('PUBLISH_TOPIC_INVALID', detail) }
}

/**
 * A payload as MQTT carries it: text and bytes as they are, anything else as JSON.
 * @throws PlatziverseError PUBLISH_FAILED when JSON cannot hold it
 */
export function encodePayload (payload: unknown): string | Buffer {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return payload
  try {
    return payload === undefined ? '' : JSON.stringify(payload)
  } catch (error) {
    throw new PlatziverseError('PUBLISH_FAILED', `The payload cannot be written as JSON: ${reasonOf(error)}.`, { cause: error })
  }
}
