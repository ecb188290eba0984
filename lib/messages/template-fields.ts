/** The fields of a topic template that an agent fills in. */
export const agentFields = ['uuid', 'username', 'name', 'hostname', 'pid'] as const

/** All fields of a topic template; `kind` and `type` are the message's. */
export const templateFields = [...agentFields, 'kind', 'type'] as const
