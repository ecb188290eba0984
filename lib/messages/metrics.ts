import { Compile } from 'typebox/compile'
import { describe } from './describe.ts'
import { maxValueBytes, metric as schema, type Metric } from './schema.ts'

/** A metric that was left out of its message. */
export interface BadMetric {
  /** Its place in the message's metrics. */
  index: number
  reason: 'FIELD_INVALID' | 'METRIC_TYPE_REPEATED'
  detail: string
}

const validator = Compile(schema)

export const notText = 'must be Unicode text: it has half a surrogate pair, or a NUL.'

/** What every database can keep: PostgreSQL knows no NUL, nor does a text in MQTT [MQTT-1.5.3-2]. */
export function isText (text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** Whether metrics that fit the schema keep what it cannot say: Unicode, byte lengths, each type once. */
export function areGood (metrics: Metric[]): boolean {
  // An index, because entries() makes an array for each metric.
  for (let i = 0; i < metrics.length; i++) if (problemOf(metrics[i] as Metric, i) !== undefined) return false
  return !hasRepeatedType(metrics)
}

/** Tell the metrics that can be stored from those that cannot. Of several of one type the first stays. */
export function sortOut (metrics: unknown[]): { good: Metric[], bad: BadMetric[] } {
  const good = new Map<string, Metric>()
  const bad: BadMetric[] = []
  metrics.forEach((metric, index) => {
    const detail = validator.Check(metric) ? problemOf(metric, index) : describe(validator, schema, metric, `metrics[${index}]`)
    const { type } = (metric ?? {}) as Metric
    if (detail !== undefined) bad.push({ index, reason: 'FIELD_INVALID', detail })
    else if (good.has(type)) bad.push({ index, reason: 'METRIC_TYPE_REPEATED', detail: `metrics[${index}]: the type ${show(type)} is there twice: send one metric of a type per message.` })
    else good.set(type, metric as Metric)
  })
  return { good: [...good.values()], bad }
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

/** A value in a sentence. */
export function show (value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}
