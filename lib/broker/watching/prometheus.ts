import { Counter, Gauge, Registry } from 'prom-client'
import type { BrokerSnapshot } from '../snapshot.ts'

export interface WatchedBroker {
  id: string
  /** The name of its node; may be empty. */
  name: string
  snapshot: BrokerSnapshot
}

/** Gives a number, or one for each value of a label. */
type Read = (snapshot: BrokerSnapshot) => number | Record<string, number>
type Label = 'reason' | 'version'
/** Help and source, by name; the label is that of several numbers, and `reason` where none is given. */
type Metrics = Record<string, [help: string, read: Read, label?: Label]>

const gauges: Metrics = {
  platziverse_broker_start_time_seconds: [
    'When the broker started, in seconds since 1970.',
    ({ startedAt }) => (performance.timeOrigin + startedAt) / 1000
  ],
  platziverse_broker_clients_connected: ['Clients that are connected.', ({ clients }) => clients.connected],
  platziverse_broker_clients_by_version: ['Clients that are connected, by the version of MQTT that they speak.', ({ clients }) => clients.byVersion, 'version'],
  platziverse_broker_clients_maximum: ['The most clients that were connected at one time.', ({ clients }) => clients.maximum],
  platziverse_broker_clients_disconnected: ['Sessions whose client is away.', ({ clients }) => clients.disconnected],
  platziverse_broker_messages_retained: ['Retained messages.', ({ retained }) => retained],
  platziverse_broker_messages_queued: ['Messages that are kept for clients, most of them away.', ({ messages }) => messages.stored],
  platziverse_broker_subscriptions: ['Subscriptions.', ({ subscriptions }) => subscriptions],
  platziverse_agents_connected: ['Agents that are connected.', ({ agents }) => agents],
  platziverse_deliveries_unsettled: ['Messages of agents that are not stored yet, and so not acknowledged.', ({ unsettled }) => unsettled],
  platziverse_deliveries_waiting: ['Messages of agents that wait because too many are unsettled.', ({ waiting }) => waiting]
}

const counters: Metrics = {
  platziverse_broker_clients_expired_total: ['Sessions that ended as their client was away too long.', ({ clients }) => clients.expired],
  platziverse_broker_messages_received_total: ['MQTT packets of any type received.', ({ messages }) => messages.received],
  platziverse_broker_messages_sent_total: ['MQTT packets of any type sent.', ({ messages }) => messages.sent],
  platziverse_broker_publish_messages_received_total: ['PUBLISH packets received.', ({ messages }) => messages.publishReceived],
  platziverse_broker_publish_messages_sent_total: ['PUBLISH packets sent.', ({ messages }) => messages.publishSent],
  platziverse_broker_bytes_received_total: ['Bytes received.', ({ bytes }) => bytes.received],
  platziverse_broker_bytes_sent_total: ['Bytes sent.', ({ bytes }) => bytes.sent],
  platziverse_broker_publish_bytes_received_total: ['Bytes of payloads of PUBLISH packets received.', ({ bytes }) => bytes.publishReceived],
  platziverse_broker_publish_bytes_sent_total: ['Bytes of payloads of PUBLISH packets sent.', ({ bytes }) => bytes.publishSent],
  platziverse_broker_connections_accepted_total: ['Connections that were accepted.', ({ connections }) => connections.accepted],
  platziverse_broker_connections_refused_total: ['Connections that were refused.', ({ connections }) => connections.refused],
  platziverse_broker_refused_total: ['What clients asked for and were refused, by the limit or the reason.', ({ refusedBy }) => refusedBy],
  platziverse_broker_dropped_total: ['Messages that did not reach a subscriber, by the limit or the reason.', ({ droppedBy }) => droppedBy],
  platziverse_messages_rejected_total: ['Messages of agents that could not be read.', ({ rejected }) => rejected]
}

const labelNames = ['broker', 'reason', 'version'] as const

/** Writes the state of brokers in Prometheus' text format. Each series has the label `broker`, some have `reason` or `version`. */
export class BrokerMetrics {
  /** For the HTTP answer. */
  readonly contentType: string = Registry.PROMETHEUS_CONTENT_TYPE

  /** @param brokers those that run now */
  collect (brokers: WatchedBroker[]): Promise<string> {
    // New each time: prom-client's counters can only grow, and a broker that is gone must leave no series.
    const registry = new Registry()
    const registers = [registry]
    for (const [name, [help, read, label]] of Object.entries(gauges)) {
      const gauge = new Gauge({ name, help, labelNames, registers })
      for (const { labels, value } of series(brokers, read, label)) gauge.set(labels, value)
    }
    for (const [name, [help, read]] of Object.entries(counters)) {
      const counter = new Counter({ name, help, labelNames, registers })
      for (const { labels, value } of series(brokers, read)) counter.inc(labels, value)
    }
    return registry.metrics()
  }
}

interface Sample { labels: { broker: string } & Partial<Record<Label, string>>, value: number }

function series (brokers: WatchedBroker[], read: Read, label: Label = 'reason'): Sample[] {
  return brokers.flatMap(({ id, name, snapshot }) => {
    // Prometheus refuses two series with the same labels: the id where another broker has the same name.
    const broker = name === '' || brokers.some(other => other.id !== id && other.name === name) ? id : name
    const value = read(snapshot)
    if (typeof value === 'number') return [{ labels: { broker }, value }]
    return Object.entries(value).map(([of, count]) => ({ labels: { broker, [label]: of }, value: count }))
  })
}
