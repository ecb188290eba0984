/** The fields of a topic template that an agent fills in. */
export const agentFields = ['uuid', 'username', 'name', 'hostname', 'pid'] as const

/** All fields of a topic template; `kind` and `type` are the message's. */
export const templateFields = [...agentFields, 'kind', 'type'] as const

/** Whether a template may give a topic, whatever the message says. Empty: it gives the message's own, which may be any. */
export function mayGive (template: string, topic: string): boolean {
  if (template === '') return true
  const pattern = template.split(/(\{[^{}]*\})/).map(part => {
    if (part === '{kind}') return '(?:connected|disconnected|message)'
    if (part === '{type}') return '.*'
    return /^\{.*\}$/.test(part) ? '[^/]*' : part.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&')
  })
  return new RegExp(`^${pattern.join('')}$`, 's').test(topic)
}
