import { PlatziverseError, reasonOf } from '../errors.ts'
import { parse } from '../messages/parse.ts'
import { schemas, type Metric } from '../messages/schema.ts'
import { topics } from '../messages/topics.ts'

// 1,000 long texts would be more than a megabyte; brokers commonly refuse packets far smaller than that.
const maxMessageBytes = 64 * 1024
const { maxItems: maxMetrics } = schemas.message.properties.metrics as unknown as { maxItems: number }

/** The error for a metric that could not be reported. */
export function metricFailed (type: unknown, reason: unknown): PlatziverseError {
  const which = typeof type === 'string' ? `The metric ${JSON.stringify(type)}` : 'A metric without a type'
  const detail = `${which} was not reported: ${reasonOf(reason).replace(/\.$/, '')}.`
  return new PlatziverseError('AGENT_METRIC_FAILED', detail, { cause: reason })
}

/** Separate the metrics that keep to the contract from those that do not. */
export function checkMetrics (metrics: readonly unknown[]): { good: Metric[], bad: PlatziverseError[] } {
  const good = new Map<string, Metric>()
  const bad: PlatziverseError[] = []
  for (const metric of metrics) {
    const type = (metric as Partial<Metric> | null | undefined)?.type
    const parsed = parse(topics.message, { agent: { uuid: '-' }, metrics: [metric], timestamp: 0 }, 0)
    if (!parsed.ok) bad.push(metricFailed(type, parsed.detail.replace(/^metrics\[0\]\.?/, '').trimStart()))
    else if (good.has(type!)) bad.push(metricFailed(type, 'it is given twice'))
    else good.set(type!, { type: type!, value: (metric as Metric).value })
  }
  return { good: [...good.values()], bad }
}

/** Metrics in groups, each small enough for one message. */
export function inMessages (metrics: readonly Metric[]): Metric[][] {
  const messages: Metric[][] = []
  let bytes = Infinity
  for (const metric of metrics) {
    const size = Buffer.byteLength(JSON.stringify(metric))
    const last = messages.at(-1)
    if (last === undefined || last.length >= maxMetrics || bytes + size > maxMessageBytes) {
      messages.push([metric])
      bytes = size
    } else {
      last.push(metric)
      bytes += size
    }
  }
  return messages
}
