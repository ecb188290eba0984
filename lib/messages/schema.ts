import Type, { type Static, type TSchema } from 'typebox'

/** No control, format, surrogate or unassigned characters: what a log line or a topic can show. */
const printable = '^[^\\p{C}\\p{Zl}\\p{Zp}]+$'

const uuid = Type.String({ minLength: 1, maxLength: 128, pattern: printable, description: '1 to 128 printable characters; a UUID is recommended, a chip id is fine' })
const text = (what: string) => Type.String({ maxLength: 255, description: `${what}; at most 255 characters` })

const agent = Type.Object({
  uuid,
  username: Type.Optional(text('the user that the agent reports for')),
  name: Type.Optional(text('the agent\'s name')),
  hostname: Type.Optional(text('the machine that it runs on')),
  pid: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'its process id, a whole number from 0 up' }))
}, { description: 'who reports' })

/** The longest string that a metric's value may be, in bytes of UTF-8. */
export const maxValueBytes = 1024

export const metric = Type.Object({
  type: Type.String({ minLength: 1, maxLength: 128, description: '1 to 128 characters; once per message' }),
  value: Type.Union([Type.Number(), Type.Boolean(), Type.String({ maxLength: maxValueBytes })], { description: 'a finite number, a boolean, or a string of at most 1 KiB' })
})

const time = 'ms since 1970 (s, µs and ns are recognised), or ISO 8601 (UTC where it names no zone)'
/** Of who comes and goes nothing but who it is may make a message invalid: what is no time, or no whole number, counts as absent. */
const presence = (timestamp: string, seq: string) => ({
  timestamp: Type.Optional(Type.Unknown({ description: `${timestamp}: ${time}; absent: what comes last counts` })),
  seq: Type.Optional(Type.Unknown({ description: `a whole number that tells two of one timestamp apart${seq}` }))
})

/**
 * The payload of each kind of message. The one source of its TypeScript type, of the check in `parse` and of the
 * table in docs/messages.md. Unknown fields pass through.
 */
export const schemas = {
  connected: Type.Object({ agent, ...presence('when it connected', ': the greater one is newer') }),
  disconnected: Type.Object({
    agent: Type.Object({ uuid }, { description: 'who went' }),
    ...presence('when it left; in a last will, when it had connected', '; absent: after everything of that timestamp')
  }),
  message: Type.Object({
    agent,
    metrics: Type.Array(metric, { minItems: 1, maxItems: 1000, description: '1 to 1,000 metrics' }),
    timestamp: Type.Optional(Type.Union([Type.Number({ minimum: 0 }), Type.String()], { description: `${time}; absent: the time of receipt` })),
    seq: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'a whole number that tells two messages of one timestamp apart; absent, and no timestamp either: one of its own' }))
  })
} as const

export type Agent = Static<typeof agent>
export type Metric = Static<typeof metric>
/** As checked: `timestamp` is in UTC ms. */
export type ConnectedPayload = Omit<Static<typeof schemas.connected>, 'timestamp' | 'seq'> & { timestamp?: number, seq?: number }
export type DisconnectedPayload = Omit<Static<typeof schemas.disconnected>, 'timestamp' | 'seq'> & { timestamp?: number, seq?: number }
/** As checked: `timestamp` is always there and in UTC ms. */
export type MessagePayload = Omit<Static<typeof schemas.message>, 'timestamp'> & { timestamp: number }

/** The schemas as one document of JSON Schema, which docs/messages.schema.json is: any of the three, and each by its name. */
export function jsonSchema (): object {
  const { message, connected, disconnected } = schemas
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'The payload of a message of an agent',
    description: 'The topics are agent/message, agent/connected and agent/disconnected. Beyond this, types are different within a message, strings are measured in bytes of UTF-8, and times are read in several units.',
    anyOf: ['message', 'connected', 'disconnected'].map(name => ({ $ref: `#/$defs/${name}` })),
    $defs: { message, connected, disconnected }
  }
}

export interface FieldRow { field: string, required: boolean, description: string }

/** The fields of a schema as rows of a documentation table: `agent.uuid`, `metrics[].type`, … */
export function fieldsOf (schema: TSchema, prefix = ''): FieldRow[] {
  const node = schema as { properties?: Record<string, TSchema>, required?: string[] }
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const field = `${prefix}${name}`
    const { description, items } = child as { description?: string, items?: TSchema }
    const row = { field, required: node.required?.includes(name) ?? false, description: description ?? '' }
    return [row, ...fieldsOf(items ?? child, items ? `${field}[].` : `${field}.`)]
  })
}
