import { longestTimer } from '../../time.ts'
import type { BrokerSnapshot } from '../snapshot.ts'
import { LoadAverage } from './load-average.ts'

/** Publishes a retained message. */
export type PublishValue = (topic: string, payload: string) => void

/**
 * Publishes the state of a broker under `$SYS/broker/…`, with the names and formats of Mosquitto 2. A name is left out where the
 * broker does not have what Mosquitto means by it. Only `clients/version/…` is a name of our own.
 */
export class SysTopics {
  #source: () => BrokerSnapshot
  #publish: PublishValue
  #version: string
  #interval: number
  #now: () => number
  #published = new Map<string, string>()
  #loads = new Map<string, LoadAverage>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param version as it is published
   * @param options `interval`: seconds between two publications, more than 0; `now`: ms of the clock of `startedAt`
   */
  constructor (
    source: () => BrokerSnapshot,
    publish: PublishValue,
    version: string,
    { interval, now = () => performance.now() }: { interval: number, now?: () => number }
  ) {
    this.#source = source
    this.#publish = publish
    this.#version = version
    this.#interval = interval
    this.#now = now
  }

  /** Publish everything now, and what changed at every interval. */
  start (): void {
    this.stop()
    this.#update()
    this.#timer = setInterval(() => { this.#update() }, Math.min(this.#interval * 1000, longestTimer)).unref()
  }

  /** Publish no more; what was published stays. */
  stop (): void {
    clearInterval(this.#timer)
  }

  /** Remove what was published: it would become stale. */
  clear (): void {
    for (const topic of this.#published.keys()) this.#publish(topic, '')
    this.#published.clear()
  }

  #update (): void {
    const snapshot = this.#source()
    this.#publishIfChanged('version', this.#version)
    this.#publishIfChanged('uptime', `${Math.floor((this.#now() - snapshot.startedAt) / 1000)} seconds`)
    for (const [name, value] of Object.entries(valuesOf(snapshot))) this.#publishIfChanged(name, String(value))
    for (const [name, count] of Object.entries(countersOf(snapshot))) {
      const load = this.#loads.get(name)
      load?.update(count)
      const { values } = load ?? this.#average(name, count)
      for (const [span, value] of Object.entries(values)) this.#publishIfChanged(`load/${name}/${span}`, value.toFixed(2))
    }
  }

  #average (name: string, count: number): LoadAverage {
    const load = new LoadAverage(count, this.#now)
    this.#loads.set(name, load)
    return load
  }

  #publishIfChanged (name: string, payload: string): void {
    const topic = `$SYS/broker/${name}`
    if (this.#published.get(topic) === payload) return
    this.#published.set(topic, payload)
    this.#publish(topic, payload)
  }
}

function valuesOf (snapshot: BrokerSnapshot): Record<string, number> {
  const { clients, messages, bytes, retained, subscriptions } = snapshot
  // Mosquitto's message store includes the retained messages.
  const stored = messages.stored + retained
  return {
    'clients/connected': clients.connected,
    'clients/active': clients.connected,
    'clients/disconnected': clients.disconnected,
    'clients/inactive': clients.disconnected,
    'clients/expired': clients.expired,
    'clients/maximum': clients.maximum,
    'clients/total': clients.total,
    'clients/version/3.1': clients.byVersion['3.1'],
    'clients/version/3.1.1': clients.byVersion['3.1.1'],
    'clients/version/5': clients.byVersion['5'],
    'messages/received': messages.received,
    'messages/sent': messages.sent,
    'messages/stored': stored,
    'store/messages/count': stored,
    'publish/messages/received': messages.publishReceived,
    'publish/messages/sent': messages.publishSent,
    'publish/messages/dropped': lost(snapshot),
    'publish/bytes/received': bytes.publishReceived,
    'publish/bytes/sent': bytes.publishSent,
    'bytes/received': bytes.received,
    'bytes/sent': bytes.sent,
    'retained messages/count': retained,
    'subscriptions/count': subscriptions
  }
}

/** The counters that have load averages. */
function countersOf (snapshot: BrokerSnapshot): Record<string, number> {
  const { messages, bytes, connections } = snapshot
  return {
    connections: connections.connects,
    sockets: connections.sockets,
    'messages/received': messages.received,
    'messages/sent': messages.sent,
    'publish/received': messages.publishReceived,
    'publish/sent': messages.publishSent,
    'publish/dropped': lost(snapshot),
    'bytes/received': bytes.received,
    'bytes/sent': bytes.sent
  }
}

/** Mosquitto does not count messages that the rules forbid. */
function lost ({ messages, droppedBy }: BrokerSnapshot): number {
  return messages.publishDropped - (droppedBy['rules'] ?? 0)
}
