import { Compile } from 'typebox/compile'
import { describe } from './describe.ts'
import { maxValueBytes, metric as schema, type Metric } from './schema.ts'

/** A metric that was left out of its message. */
export interface BadMetric {
  /** Its place in the message's metrics. */
  index: number
  reason: 'FIELD_INVALID' | 'METRIC_TYPE_REPEATED'
  detail: string
  /** How many more were left out after it, which are not in the list. */
  more?: number
}

/** Bad metrics of a message that are reported one by one: a stranger can send a thousand in two kilobytes. */
const mostReported = 20

const validator = Compile(schema)
const typeValidator = Compile(schema.properties.type)

export const notText = 'must be Unicode text: it has half a surrogate pair, or a NUL.'

/** Whether every database can keep a text: PostgreSQL allows no NUL, nor does MQTT [MQTT-1.5.3-2]. */
export function isText (text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** Whether metrics that fit the schema keep the rules that it cannot express: Unicode, byte lengths, each type once. */
export function areGood (metrics: Metric[]): boolean {
  // An index, because entries() makes an array for each metric.
  for (let i = 0; i < metrics.length; i++) if (problemOf(metrics[i] as Metric, i) !== undefined) return false
  return !hasRepeatedType(metrics)
}

/** Separate the metrics that can be stored from those that cannot. Of several of one type the first stays. */
export function sortOut (metrics: unknown[]): { good: Metric[], bad: BadMetric[] } {
  const good = new Map<string, Metric>()
  const bad: BadMetric[] = []
  let left = 0
  metrics.forEach((metric, index) => {
    if (isGood(metric) && !good.has(metric.type)) good.set(metric.type, metric)
    else if (++left <= mostReported) bad.push({ index, ...whyBad(metric, index) })
  })
  const last = bad.at(-1)
  if (last !== undefined && left > bad.length) {
    last.more = left - bad.length
    last.detail += ` ${last.more} more metrics of the message were left out.`
  }
  return { good: [...good.values()], bad }
}

function isGood (metric: unknown): metric is Metric {
  return validator.Check(metric) && problemOf(metric, 0) === undefined
}

function whyBad (metric: unknown, index: number): Omit<BadMetric, 'index'> {
  const detail = validator.Check(metric) ? problemOf(metric, index) : flawOf(metric, index)
  if (detail !== undefined) return { reason: 'FIELD_INVALID', detail }
  return { reason: 'METRIC_TYPE_REPEATED', detail: `metrics[${index}]: the type ${show((metric as Metric).type)} is given twice: send one metric of a type per message.` }
}

/** Sentences by how a metric breaks the schema: finding the words takes a thousand times as long as the check. */
const flaws = new Map<string, string>()
const place = 'metrics[]'

function flawOf (metric: unknown, index: number): string {
  const { type, value } = (metric ?? {}) as Partial<Metric>
  const isObject = typeof metric === 'object' && metric !== null && !Array.isArray(metric)
  const flaw = [isObject, isObject && 'type' in metric, isObject && 'value' in metric, typeof type, type === '', typeValidator.Check(type), typeof value].join()
  let sentence = flaws.get(flaw)
  if (sentence === undefined) flaws.set(flaw, sentence = describe(validator, schema, metric, place))
  return sentence.replace(place, `metrics[${index}]`)
}

function problemOf (metric: Metric, index: number): string | undefined {
  if (!isText(metric.type) || (typeof metric.value === 'string' && !isText(metric.value))) return `metrics[${index}] ${notText}`
  return isTooLong(metric) ? `metrics[${index}].value must be at most ${maxValueBytes} bytes of UTF-8.` : undefined
}

function isTooLong ({ value }: Metric): boolean {
  // A UTF-16 unit takes at most three bytes, so short texts need no counting.
  return typeof value === 'string' && value.length * 3 > maxValueBytes && Buffer.byteLength(value) > maxValueBytes
}

function hasRepeatedType (metrics: Metric[]): boolean {
  // Comparing pairs beats a Set while there are few, and most messages have few.
  if (metrics.length > 8) return new Set(metrics.map(({ type }) => type)).size < metrics.length
  for (let i = 1; i < metrics.length; i++) {
    const type = metrics[i]?.type
    for (let j = 0; j < i; j++) if (metrics[j]?.type === type) return true
  }
  return false
}

/** A value as part of a sentence. */
export function show (value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}
