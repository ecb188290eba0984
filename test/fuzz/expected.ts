import { createHash } from 'node:crypto'
import type { Written } from './json.ts'

/** What docs/messages.md says of a message. Nothing here comes from the code that it judges. */
export type Expected =
  | { taken: false }
  | { taken: true, uuid: string, description: Description, metrics: Array<{ type: string, value: number | string }>, time: number | 'receipt', seq: number | 'any', left: number }

export interface Description { username?: string, name?: string, hostname?: string, pid?: number }

export interface Range { past: number, future: number }

const refused = { taken: false } as const
const latest = 8.64e15
const mostLevels = 500
/** Texts that are times, among those that are made. */
const isoTimes: Record<string, number> = { '2023-11-14T22:13:20Z': 1_700_000_000_000, '2023-11-14': 1_699_920_000_000, '2016-12-31T23:59:60Z': 1_483_228_799_000 }

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const characters = (text: string): number => [...text].length
/** What every database and MQTT can carry. */
const isText = (value: unknown): value is string => typeof value === 'string' && !/\p{Cs}|\0/u.test(value)
const isTextUpTo = (value: unknown, most: number): value is string => isText(value) && characters(value) <= most

export function expectedOf (topic: string, { text, value }: Written, receivedAt: number, range: Range): Expected {
  if (levelsOf(text) > mostLevels || !isObject(value) || !isObject(value.agent)) return refused
  const { uuid, username, name, hostname, pid } = value.agent
  if (!isTextUpTo(uuid, 128) || uuid === '' || /[\p{C}\p{Zl}\p{Zp}]/u.test(uuid)) return refused
  if (topic === 'agent/disconnected') return { taken: true, uuid, description: {}, metrics: [], time: 'receipt', seq: 'any', left: 0 }
  if ([username, name, hostname].some(one => one !== undefined && !isTextUpTo(one, 255)) || (pid !== undefined && !isWhole(pid))) return refused
  const description = Object.fromEntries(Object.entries({ username, name, hostname, pid }).filter(([, one]) => one !== undefined)) as Description
  if (topic === 'agent/connected') return { taken: true, uuid, description, metrics: [], time: 'receipt', seq: 'any', left: 0 }

  if (!Array.isArray(value.metrics) || value.metrics.length === 0 || value.metrics.length > 1_000) return refused
  const good = new Map<string, number | string>()
  for (const metric of value.metrics as unknown[]) if (isMetric(metric) && !good.has(metric.type)) good.set(metric.type, typeof metric.value === 'boolean' ? Number(metric.value) : metric.value)
  const { seq, timestamp } = value
  if (good.size === 0 || (seq !== undefined && !isWhole(seq))) return refused
  const time = timestamp === undefined ? 'receipt' : timeOf(timestamp, receivedAt, range)
  if (time === undefined) return refused
  return {
    taken: true,
    uuid,
    description,
    metrics: [...good].map(([type, value]) => ({ type, value })),
    time,
    // No message of a sender has the same one; of one with a time it is a hash of its bytes.
    seq: seq !== undefined ? seq + 0 : time === 'receipt' ? 'any' : Number.parseInt(createHash('sha1').update(text).digest('hex').slice(0, 12), 16),
    left: value.metrics.length - good.size
  }
}

function isMetric (metric: unknown): metric is { type: string, value: number | boolean | string } {
  if (!isObject(metric) || !isTextUpTo(metric.type, 128) || metric.type === '') return false
  const { value } = metric
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)) || (isText(value) && Buffer.byteLength(value) <= 1_024)
}

/** UTC ms; undefined: it is no time, or out of range. */
function timeOf (given: unknown, now: number, { past, future }: Range): number | undefined {
  const isWithin = (ms: number): boolean => ms >= 0 && ms <= latest && (past === 0 || ms >= now - past) && (future === 0 || ms <= now + future)
  if (typeof given === 'string') return Object.hasOwn(isoTimes, given) && isWithin(isoTimes[given]!) ? isoTimes[given] : undefined
  if (typeof given !== 'number' || !Number.isFinite(given) || given < 0) return undefined
  const ms = Math.trunc(given) + 0
  if (isWithin(ms)) return ms
  const others = [Math.round(given * 1_000), Math.trunc(given / 1_000), Math.trunc(given / 1_000_000 + 0.000_5)].filter(isWithin)
  return others.length === 1 ? others[0] : undefined
}

function levelsOf (json: string): number {
  let level = 0
  let most = 0
  for (const [sign] of json.replace(/"(?:[^"\\]|\\.)*"/gs, '').matchAll(/[[\]{}]/g)) most = Math.max(most, '[{'.includes(sign) ? ++level : --level)
  return most
}
