import { isUtf8 } from 'node:buffer'
import { Compile, type Validator } from 'typebox/compile'
import { kindOf, topics, type MessageKind } from './topics.ts'
import { maxValueBytes, schemas, type ConnectedPayload, type DisconnectedPayload, type MessagePayload, type Metric } from './schema.ts'
import { toTimestamp } from './timestamp.ts'

/** Why a message was rejected. Public: flows switch on them. */
export const rejectReasons = {
  TOPIC_UNKNOWN: 'the topic is none of agent/connected, agent/disconnected, agent/message',
  PAYLOAD_NOT_UTF8: 'the payload is not UTF-8',
  PAYLOAD_NOT_JSON: 'the payload is not JSON',
  PAYLOAD_TOO_DEEP: 'the payload is nested deeper than 500 levels',
  FIELD_INVALID: 'a field is missing or breaks its limits',
  TIMESTAMP_INVALID: 'the timestamp is neither ms since 1970 nor ISO 8601',
  METRIC_TYPE_REPEATED: 'one message has two metrics of one type',
  AGENT_NOT_THEIRS: 'the agent carries another username, or another user spoke for it first',
  AGENTS_TOO_MANY: 'the user speaks for as many agents as the limit agentsPerUser allows'
} as const
const mostLevels = 500
const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = [...'"\\[]{}'].map(character => character.charCodeAt(0))

export type RejectReason = keyof typeof rejectReasons

export type Message =
  | { kind: 'connected', topic: typeof topics.connected, payload: ConnectedPayload }
  | { kind: 'disconnected', topic: typeof topics.disconnected, payload: DisconnectedPayload }
  | { kind: 'message', topic: typeof topics.message, payload: MessagePayload }

/** `untimed`: the timestamp is the time of receipt, which a redelivery does not repeat. */
export type Parsed = { ok: true, message: Message, untimed: boolean } | { ok: false, reason: RejectReason, detail: string }

const validators: Record<MessageKind, Validator> = {
  connected: Compile(schemas.connected),
  disconnected: Compile(schemas.disconnected),
  message: Compile(schemas.message)
}

/**
 * Check one message against the public contract.
 * @param topic the topic that it came on
 * @param payload JSON as bytes or text, or the value that it stands for; never changed
 * @param receivedAt UTC ms, the timestamp of a message that carries none
 */
export function parse (topic: unknown, payload: unknown, receivedAt: number): Parsed {
  const kind = typeof topic === 'string' ? kindOf(topic) : undefined
  if (kind === undefined) return reject('TOPIC_UNKNOWN', `${show(topic)} is none of ${Object.values(topics).join(', ')}.`)

  let value = payload
  if (payload instanceof Uint8Array) {
    if (!isUtf8(payload)) return reject('PAYLOAD_NOT_UTF8', 'The payload is not UTF-8.')
    value = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString()
  }
  if (typeof value === 'string') {
    if (isTooDeep(value)) return reject('PAYLOAD_TOO_DEEP', `The payload is nested deeper than ${mostLevels} levels.`)
    try {
      value = JSON.parse(value)
    } catch (error) {
      return reject('PAYLOAD_NOT_JSON', `The payload is not JSON: ${(error as Error).message}.`)
    }
  }

  if (!validators[kind].Check(value)) return reject('FIELD_INVALID', describeFirst(kind, value))
  const { agent } = value as ConnectedPayload
  const broken = (['username', 'name', 'hostname'] as const).find(field => agent[field] !== undefined && !isText(agent[field]))
  if (broken !== undefined) return reject('FIELD_INVALID', `agent.${broken} ${notText}`)
  if (kind !== 'message') return { ok: true, message: { kind, topic, payload: value } as Message, untimed: false }
  return checkMessage(value as Omit<MessagePayload, 'timestamp'> & { timestamp?: string | number }, receivedAt)
}

/** Unknown fields pass through, and whoever clones or writes them later calls itself once per level. */
function isTooDeep (json: string): boolean {
  if (json.length <= mostLevels * 2) return false
  let level = 0
  let inText = false
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (inText) {
      if (code === backslash) i++
      else if (code === quote) inText = false
    } else if (code === quote) {
      inText = true
    } else if (code === openBracket || code === openBrace) {
      if (++level > mostLevels) return true
    } else if (code === closeBracket || code === closeBrace) {
      level--
    }
  }
  return false
}

/** What the schema cannot say: byte lengths, repeated types, ISO 8601. */
function checkMessage (value: Omit<MessagePayload, 'timestamp'> & { timestamp?: string | number }, receivedAt: number): Parsed {
  // An index, because entries() makes an array for each metric.
  for (let i = 0; i < value.metrics.length; i++) {
    const metric = value.metrics[i] as Metric
    if (!isText(metric.type) || (typeof metric.value === 'string' && !isText(metric.value))) return reject('FIELD_INVALID', `metrics[${i}] ${notText}`)
    if (isTooLong(metric)) return reject('FIELD_INVALID', `metrics[${i}].value must be at most ${maxValueBytes} bytes of UTF-8.`)
  }
  const repeated = repeatedType(value.metrics)
  if (repeated !== undefined) return reject('METRIC_TYPE_REPEATED', `The type ${show(repeated)} is there twice: send one metric of a type per message.`)

  const timestamp = value.timestamp === undefined ? receivedAt : toTimestamp(value.timestamp)
  if (timestamp === undefined) return reject('TIMESTAMP_INVALID', `The timestamp ${show(value.timestamp)} is neither ms since 1970 nor ISO 8601.`)
  const payload = timestamp === value.timestamp ? value as MessagePayload : { ...value, timestamp }
  return { ok: true, message: { kind: 'message', topic: topics.message, payload }, untimed: value.timestamp === undefined }
}

const notText = 'must be Unicode text: it has half a surrogate pair, or a NUL.'

/** What every database can keep: PostgreSQL knows no NUL, nor does a text in MQTT [MQTT-1.5.3-2]. */
function isText (text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

function isTooLong ({ value }: Metric): boolean {
  // A UTF-16 unit takes at most three bytes, so short texts need no counting.
  return typeof value === 'string' && value.length * 3 > maxValueBytes && Buffer.byteLength(value) > maxValueBytes
}

function repeatedType (metrics: Metric[]): string | undefined {
  // Comparing pairs beats a Set while there are few, and most messages have few.
  if (metrics.length <= 8) {
    for (let i = 1; i < metrics.length; i++) {
      const type = metrics[i]?.type
      for (let j = 0; j < i; j++) if (metrics[j]?.type === type) return type
    }
    return undefined
  }
  const seen = new Set<string>()
  return metrics.find(({ type }) => seen.size === seen.add(type).size)?.type
}

function reject (reason: RejectReason, detail: string): Parsed {
  return { ok: false, reason, detail }
}

/** One sentence on the first thing that is wrong with `value`. */
function describeFirst (kind: MessageKind, value: unknown): string {
  const errors = validators[kind].Errors(value)
  // A union reports each of its branches before itself; the union's own description is the useful one.
  const first = errors.find(error => error.keyword === 'anyOf') ?? errors[0]
  if (first === undefined) return 'The payload breaks the contract.'
  const where = first.instancePath.replace(/^\//, '').replace(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.') || 'the payload'
  const description = first.keyword === 'anyOf' || first.keyword === 'pattern' ? descriptionAt(schemas[kind], first.instancePath) : undefined
  return `${where} ${description === undefined ? first.message : `must be ${description}`}.`
}

function descriptionAt (schema: unknown, path: string): string | undefined {
  let node = schema as { properties?: Record<string, unknown>, items?: unknown, description?: string } | undefined
  for (const key of path.split('/').slice(1)) {
    node = (node?.items ?? node?.properties?.[key]) as typeof node
  }
  return node?.description
}

function show (value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}
