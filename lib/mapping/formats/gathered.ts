import type { Metric } from '../../messages/schema.ts'
import type { Read, ReadAgent, Reading } from '../reading.ts'

/** Metrics that one payload may have; tags count too, and columns. */
export const mostMetrics = 10_000
/** Messages that one payload may be: lines of different times or agents. */
export const mostReadings = 1_000
/** Metrics of a message. */
const mostPerMessage = 1_000
/** Characters of a type beyond which it is cut off: `parse` then says that it is too long. Lines can repeat a long name ten thousand times. */
export const longestType = 256

interface Group { agent: ReadAgent, timestamp: number | string | undefined, metrics: Map<string, Metric['value']> }

/** Puts metrics of one agent and time together, so that a payload of many lines is few messages. */
export class Gathered {
  readonly #groups: Group[] = []
  readonly #latest = new Map<string, Group>()
  #last: Group | undefined
  #metrics = 0

  /**
   * A type that comes again at the same time begins another message, so that nothing is lost.
   * @param timestamp absent: the time of receipt
   */
  add (agent: ReadAgent, timestamp: number | string | undefined, type: string, value: Metric['value']): void {
    this.#metrics++
    const bounded = type.length > longestType ? type.slice(0, longestType) : type
    let group = this.#last
    if (group === undefined || group.timestamp !== timestamp || group.agent.uuid !== agent.uuid) group = this.#latest.get(keyOf(agent, timestamp))
    if (group === undefined || group.metrics.size >= mostPerMessage || group.metrics.has(bounded)) {
      group = { agent, timestamp, metrics: new Map() }
      this.#latest.set(keyOf(agent, timestamp), group)
      this.#groups.push(group)
    }
    this.#last = group
    group.metrics.set(bounded, value)
  }

  /** Whether what is gathered is more than one payload may be: then there is no point in going on. */
  get isTooMuch (): boolean { return this.#metrics > mostMetrics || this.#groups.length > mostReadings }

  read (): Read {
    if (this.isTooMuch) {
      return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: `The payload has more than ${mostMetrics} metrics, or is more than ${mostReadings} messages, because its lines have different times or agents: send fewer lines at a time.` }
    }
    const readings = this.#groups.map(({ agent, timestamp, metrics }): Reading => ({
      kind: 'message',
      agent,
      metrics: Array.from(metrics, ([type, value]) => ({ type, value })),
      ...timestamp === undefined ? {} : { timestamp }
    }))
    return { ok: true, readings }
  }
}

function keyOf ({ uuid }: ReadAgent, timestamp: number | string | undefined): string {
  return `${timestamp ?? ''} ${uuid}`
}
