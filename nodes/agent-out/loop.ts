import { PlatziverseError } from '../../lib/errors.ts'
import { mayGive } from '../../lib/messages/template-fields.ts'
import { returningTopics } from '../../lib/registry/registry.ts'

/** Why nothing may be published by a template: agent-in might get it back from the broker, and it would go round for ever. Undefined: it may. */
export function loopBy (brokerId: string, template: string): PlatziverseError | undefined {
  const topic = returningTopics(brokerId).find(topic => mayGive(template, topic))
  return topic === undefined ? undefined : loopOn(topic, template)
}

/** The error of a topic that comes back. */
export function loopOn (topic: string, template: string): PlatziverseError {
  return new PlatziverseError('AGENT_OUT_LOOP', `What is published on ${topic} may come back to agent-in, which reads from the same broker. Use a topic such as ${otherThan(template)}.`)
}

/** A template that says as much, and under which no agent publishes. */
function otherThan (template: string): string {
  return template === '' ? 'platform/{kind}' : `platform/${template.replace(/^\/?(?:agent\/)?/, '')}`
}
