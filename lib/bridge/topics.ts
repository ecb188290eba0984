import { errorsOf } from '../errors.ts'
import { covers, matches, parseFilter, type Filter } from '../mqtt/topic-filters.ts'

/** A row of a bridge. As in Mosquitto, `localPrefix + filter` here is `remotePrefix + filter` there; `filter` may be empty. */
export interface BridgeTopic {
  /** `out`: from here to the other broker. */
  direction: 'in' | 'out' | 'both'
  filter: string
  localPrefix: string
  remotePrefix: string
  /** The highest quality of service with which messages cross. */
  qos: Qos
}

type Qos = 0 | 1 | 2

export const invalid = errorsOf('BRIDGE_OPTION_INVALID')

/** One direction of a row: a topic that matches `filter` gets another prefix. */
interface Route {
  text: string
  filter: Filter
  from: string
  to: string
  qos: Qos
}

/** What a message is published to on the other side, and with which quality of service at most. */
export interface Destination { topic: string, qos: Qos }

/** A filter that the bridge subscribes to on one side. */
export interface BridgeSubscription { filter: string, qos: Qos }

/** The table of a bridge's topics. Where several rows match a topic, the first one decides. */
export class BridgeTopics {
  readonly #in: Route[]
  readonly #out: Route[]
  readonly #local: Route[]
  readonly #remote: Route[]

  /** @throws PlatziverseError BRIDGE_OPTION_INVALID, naming the row */
  constructor (topics: BridgeTopic[]) {
    if (topics.length === 0) throw invalid('There are no topics.')
    const rows = topics.map(({ direction, filter, localPrefix, remotePrefix, qos }, i) => {
      const local = parse(localPrefix, filter, i)
      const remote = parse(remotePrefix, filter, i)
      if (![0, 1, 2].includes(qos)) throw invalid(`The QoS of topic ${i + 1} must be 0, 1 or 2.`)
      return {
        in: direction !== 'out' ? [{ text: remotePrefix + filter, filter: remote, from: remotePrefix, to: localPrefix, qos }] : [],
        out: direction !== 'in' ? [{ text: localPrefix + filter, filter: local, from: localPrefix, to: remotePrefix, qos }] : []
      }
    })
    this.#in = rows.flatMap(row => row.in)
    this.#out = rows.flatMap(row => row.out)
    this.#local = leastOf(this.#out)
    this.#remote = leastOf(this.#in)
  }

  get local (): BridgeSubscription[] {
    return this.#local.map(({ text, qos }) => ({ filter: text, qos }))
  }

  get remote (): BridgeSubscription[] {
    return this.#remote.map(({ text, qos }) => ({ filter: text, qos }))
  }

  /** Whether subscription `i` of `local` is the first that matches a topic: filters may overlap, and each then brings the message. */
  isFirst (i: number, topic: string): boolean {
    if (i === 0) return true
    const levels = topic.split('/')
    return this.#local.findIndex(({ filter }) => matches(filter, levels)) === i
  }

  /** Where a message of this broker goes on the other one; undefined: nowhere. */
  outward (topic: string): Destination | undefined {
    return route(this.#out, topic)
  }

  /** Where a message of the other broker goes here; undefined: nowhere. */
  inward (topic: string): Destination | undefined {
    return route(this.#in, topic)
  }
}

function route (routes: Route[], topic: string): Destination | undefined {
  const levels = topic.split('/')
  const found = routes.find(({ filter }) => matches(filter, levels))
  if (found === undefined) return undefined
  const target = found.to + topic.slice(found.from.length)
  const isTopic = target !== '' && Buffer.byteLength(target) <= 65_535
  return isTopic ? { topic: target, qos: found.qos } : undefined
}

export function lowerQos (one: Qos, other: Qos): Qos {
  return one < other ? one : other
}

/** The fewest filters that match the same topics: a broker may send a message once for each filter that matches [MQTT-3.3.5-1]. */
function leastOf (routes: Route[]): Route[] {
  const all = routes.filter((route, i) => !routes.some((other, j) => {
    if (!covers(other.filter, route.filter)) return false
    return covers(route.filter, other.filter) ? j < i : true
  }))
  return all.map(route => {
    const qos = Math.max(...routes.filter(other => covers(route.filter, other.filter)).map(other => other.qos)) as Qos
    return { ...route, qos }
  })
}

function parse (prefix: string, filter: string, i: number): Filter {
  if (/[+#]/.test(prefix)) throw invalid(`A prefix of topic ${i + 1} has a wildcard: ${prefix}.`)
  const parsed = parseFilter(prefix + filter)
  if (parsed === undefined) throw invalid(`Topic ${i + 1} is not a topic filter: ${prefix + filter || 'it is empty'}.`)
  return parsed
}
