import Type, { type Static } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { decode } from './decode.ts'
import { describe } from './describe.ts'
import { numbersFromTexts } from './numeric-text.ts'
import { areGood, isText, notText, show, sortOut, type BadMetric } from './metrics.ts'
import { kindOf, topics, type MessageKind } from './topics.ts'
import { schemas, type ConnectedPayload, type DisconnectedPayload, type MessagePayload } from './schema.ts'
import { timeWithin, toTimestamp, type TimeRange, type Unit } from './timestamp.ts'
import type { Weight } from './weigh.ts'

// What the package exports as `./messages`.
export { schemas, type Agent, type ConnectedPayload, type DisconnectedPayload, type MessagePayload, type Metric } from './schema.ts'
export { topics, type AgentTopic, type MessageKind } from './topics.ts'

/** Why a message was rejected. Public: flows switch on them. */
export const rejectReasons = {
  TOPIC_UNKNOWN: 'the topic is none of agent/connected, agent/disconnected, agent/message',
  PAYLOAD_NOT_UTF8: 'the payload is not UTF-8',
  PAYLOAD_NOT_JSON: 'the payload is not JSON',
  PAYLOAD_TOO_DEEP: 'the payload is nested deeper than 500 levels',
  PAYLOAD_TOO_LARGE: 'the payload would take more than 8 MB of memory once it is read, by its bytes and by how many values are in it',
  FIELD_INVALID: 'a field is missing or breaks its limits; of a metric: it alone is left out',
  TIMESTAMP_INVALID: 'the timestamp is neither ms since 1970 nor ISO 8601',
  TIMESTAMP_OUT_OF_RANGE: 'the time is further in the past or the future than agent-in allows, in whatever unit it is read',
  METRIC_TYPE_REPEATED: 'one message has two metrics of one type: the first is stored, the other left out',
  AGENT_NOT_THEIRS: 'the agent carries another username, or another user spoke for it first',
  AGENTS_TOO_MANY: 'the user, or all anonymous clients together, speak for as many agents as the limit agentsPerUser allows',
  PAYLOAD_MALFORMED: 'of other topics: the payload is not in the format of its row, such as line protocol, CSV or Sparkplug B',
  BIRTH_UNKNOWN: 'of Sparkplug B: no birth since the start says what a metric is, its name or its data type; the node is asked for one'
} as const

export type RejectReason = keyof typeof rejectReasons

export type Message =
  | { kind: 'connected', topic: typeof topics.connected, payload: ConnectedPayload }
  | { kind: 'disconnected', topic: typeof topics.disconnected, payload: DisconnectedPayload }
  | { kind: 'message', topic: typeof topics.message, payload: MessagePayload }

export type Parsed = Good | { ok: false, reason: RejectReason, detail: string }

interface Good {
  ok: true
  message: Message
  /** The timestamp is the time of receipt, which a redelivery does not repeat. */
  untimed: boolean
  /** Metrics that were left out. */
  bad: BadMetric[]
  /** What the sender should correct, in one sentence: its time was in another unit, or was replaced by the time of receipt. */
  notice?: Notice
}

export interface Notice { kind: Unit | 'receipt', detail: string }

/** What a message has to comply with beyond the contract, and what becomes of it otherwise. */
export interface Rules extends TimeRange {
  /** What becomes of a message whose time is out of range: it is rejected, or gets the time of receipt. */
  outside: 'reject' | 'receipt'
  /** Whether texts that are decimal numbers are taken as numbers. */
  numericText: boolean
}

type Given = Omit<MessagePayload, 'timestamp'> & { timestamp?: string | number }
type GivenPresence = Static<typeof schemas.connected>
type Bad = Extract<Parsed, { ok: false }>

const validators: Record<MessageKind, Validator> = {
  connected: Compile(schemas.connected),
  disconnected: Compile(schemas.disconnected),
  message: Compile(schemas.message)
}
/** A message whose metrics may be anything: so the time it takes to say what is wrong with it does not grow with their number. */
const { items: _, ...list } = schemas.message.properties.metrics
const frame = Type.Object({ ...schemas.message.properties, metrics: Type.Unsafe<unknown[]>(list) })
const frameValidator: Validator = Compile(frame)
const none: BadMetric[] = []
const anything: Rules = { past: 0, future: 0, outside: 'reject', numericText: false }

/**
 * Check one message against the public contract. Metrics that break it are left out; a message is rejected when none is left.
 * @param topic the topic that it came on
 * @param payload JSON as bytes or text, or its value; never changed
 * @param receivedAt UTC ms, the timestamp of a message that carries none
 * @param weight of the payload, where it is known already
 */
export function parse (topic: unknown, payload: unknown, receivedAt: number, weight?: Weight, rules: Rules = anything): Parsed {
  const kind = typeof topic === 'string' ? kindOf(topic) : undefined
  if (kind === undefined) return reject('TOPIC_UNKNOWN', `${show(topic)} is none of ${Object.values(topics).join(', ')}.`)

  let value = payload
  if (payload instanceof Uint8Array || typeof payload === 'string') {
    const decoded = decode(payload, weight)
    if (!decoded.ok) return decoded
    value = decoded.value
  }

  let bad = none
  let isGood = validators[kind].Check(value)
  if (kind === 'message' && !(isGood && areGood((value as Given).metrics)) && frameValidator.Check(value)) {
    const sorted = sortOut((value as Given).metrics)
    bad = sorted.bad
    isGood = sorted.good.length > 0
    const [first] = bad
    if (!isGood && first !== undefined) return reject(first.reason, first.detail)
    value = { ...value as Given, metrics: sorted.good }
  }
  if (!isGood) return reject('FIELD_INVALID', kind === 'message' ? describe(frameValidator, frame, value) : describe(validators[kind], schemas[kind], value))

  const { agent } = value as ConnectedPayload
  // Of who disconnects, only the uuid is in the contract: anything else may be anything.
  const broken = kind === 'disconnected' ? undefined : (['username', 'name', 'hostname'] as const).find(field => agent[field] !== undefined && !isText(agent[field]))
  if (broken !== undefined) return reject('FIELD_INVALID', `agent.${broken} ${notText}`)
  return kind === 'message' ? timed(value as Given, receivedAt, bad, rules) : presence(kind, value as GivenPresence, receivedAt, rules)
}

type Time = Extract<ReturnType<typeof timeWithin>, object | string>

/** A time that a message carries; `ms` is undefined where the time of receipt takes its place. */
function timeOf (given: string | number, time: Time, rules: Rules): { ok: true, ms: number | undefined, notice?: Notice } | Bad {
  if (time === 'outside') {
    const detail = `The timestamp ${show(given)} is too far in the past or in the future`
    if (rules.outside === 'reject') return reject('TIMESTAMP_OUT_OF_RANGE', `${detail}: set the sender's clock, or send ms since 1970.`)
    return { ok: true, ms: undefined, notice: { kind: 'receipt', detail: `${detail}, and the time of receipt was taken.` } }
  }
  const { ms, unit } = time
  if (unit === undefined) return { ok: true, ms }
  return { ok: true, ms, notice: { kind: unit, detail: `The timestamp ${show(given)} was taken as ${unit}, because it is not a time in ms: ${new Date(ms).toISOString()}.` } }
}

/** Times before this show a clock that was never set. */
const firstTime = Date.UTC(2000, 0)

/** How long ago an agent connected is its own affair: its last will says so, however long it was there. */
function presence (kind: 'connected' | 'disconnected', value: GivenPresence, receivedAt: number, rules: Rules): Parsed {
  const { timestamp: given, seq, ...others } = value
  const good = (payload: object, notice?: Notice): Good => ({
    ok: true, message: { kind, topic: topics[kind], payload } as Message, untimed: false, bad: none, ...notice === undefined ? {} : { notice }
  })
  const found = typeof given === 'number' || typeof given === 'string' ? timeWithin(given, receivedAt, { future: rules.future, past: Math.max(0, receivedAt - firstTime) }) : undefined
  if (found === undefined || (typeof given !== 'number' && typeof given !== 'string')) return good(others)
  // A clock that was never set tells nothing; one that is ahead would make all that follows late.
  if (found === 'outside' && !(Number(toTimestamp(given)) > receivedAt)) return good(others)
  const time = timeOf(given, found, rules)
  if (!time.ok) return time
  if (time.ms === undefined) return good(others, time.notice)
  const isWhole = Number.isSafeInteger(seq) && Number(seq) >= 0
  return good(time.ms === given && (isWhole || seq === undefined) ? value : { ...others, timestamp: time.ms, ...isWhole ? { seq } : {} }, time.notice)
}

function timed (value: Given, receivedAt: number, bad: BadMetric[], rules: Rules): Parsed {
  const given = value.timestamp
  const found = given === undefined ? undefined : timeWithin(given, receivedAt, rules)
  if (given !== undefined && found === undefined) return reject('TIMESTAMP_INVALID', `The timestamp ${show(given)} is neither ms since 1970 nor ISO 8601.`)
  const time = given === undefined || found === undefined ? undefined : timeOf(given, found, rules)
  if (time?.ok === false) return time
  const untimed = time?.ms === undefined
  const timestamp = time?.ms ?? receivedAt
  const notice = time?.notice
  const metrics = rules.numericText ? numbersFromTexts(value.metrics) : value.metrics
  const payload = timestamp === given && metrics === value.metrics ? value as MessagePayload : { ...value, metrics, timestamp }
  const good: Good = { ok: true, message: { kind: 'message', topic: topics.message, payload }, untimed, bad }
  if (notice !== undefined) good.notice = notice
  return good
}

function reject (reason: RejectReason, detail: string): Bad {
  return { ok: false, reason, detail }
}
