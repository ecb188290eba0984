import type { BrokerOverview, DatabaseOverview, Part } from '../../lib/overview/shown.ts'
import { attachedBrokers, type RegisteredBroker } from '../../lib/registry/registry.ts'
import { translated } from '../../lib/texts/error-text.ts'
import type { Language } from '../../lib/texts/languages.ts'
import type { DatabaseNode } from '../platziverse-database/platziverse-database.ts'
import { databases } from '../shared/databases.ts'
import type { RED } from '../shared/red.ts'

// What there is around the sidebar: brokers and databases, by the ids of their nodes.

/** Two nodes may stand for one database: the first one does. */
export function databasesById (): Map<string, DatabaseNode> {
  const known = new Set<string>()
  return new Map([...databases].flatMap(node => {
    if (known.has(node.database)) return []
    known.add(node.database)
    return [[node.id, node]]
  }))
}

export function brokerOverviews (RED: RED, language: Language): BrokerOverview[] {
  return attachedBrokers().map(([id, broker]) => brokerOverview(id, RED.nodes.getNode(id)?.name ?? '', broker, language)).sort(byName)
}

function brokerOverview (id: string, name: string, broker: RegisteredBroker, language: Language): BrokerOverview {
  const { clients, received, delivered, refused, dropped } = broker.statistics()
  const ports = broker.listenerStates.flatMap(listener => listener.state === 'listening' ? listener.port : [])
  const failed = broker.listenerStates.find(({ state }) => state === 'failed')
  const problem = failed?.state === 'failed' ? { code: failed.error.code, detail: translated(failed.error.detail, language) } : {}
  const state = failed === undefined ? ports.length > 0 ? 'listening' : broker.listener.state : 'failed'
  const address = broker.listener.state === 'connected' ? { address: broker.listener.address } : {}
  return { id, name, state, ports, ...address, isElsewhere: broker.isElsewhere, ...problem, clients, received, delivered, refused, dropped }
}

export function databaseOverviews (language: Language): DatabaseOverview[] {
  return [...databasesById().values()].map(({ id, name = '', store, count }) => {
    const { state } = store
    const { queued, spooled } = store.statistics()
    const counted = count.look()
    const problem = state.state === 'waiting' ? { code: state.error.code, detail: translated(state.error.detail, language) } : {}
    return { id, name, state: state.state, ...problem, ...counted && { counted }, queued, spooled }
  }).sort(byName)
}

/** A few numbers of each part: it is worth asking for when they are others. Costs microseconds, whatever there is. */
export function marks (): Record<Part, string> {
  const brokers = attachedBrokers().map(([id, broker]) => {
    const { clients, connections, received, delivered, refused, dropped } = broker.statistics()
    const states = broker.listenerStates.map(({ state }) => state).join()
    return {
      brokers: [id, states, clients, received, delivered, refused, dropped].join(),
      clients: [id, clients, connections].join(),
      retained: [id, states, broker.retainedChanges].join()
    }
  })
  const stores = [...databases].map(({ id, store, forgetting }) => {
    const { metrics, messages, queued, spooled } = store.statistics()
    const { state } = store.state
    return { brokers: [id, state, metrics, queued, spooled].join(), agents: [id, state, messages, forgetting.statistics().agents].join() }
  })
  return {
    brokers: [...brokers, ...stores].map(({ brokers }) => brokers).join(';'),
    clients: brokers.map(({ clients }) => clients).join(';'),
    agents: stores.map(({ agents }) => agents).join(';'),
    retained: brokers.map(({ retained }) => retained).join(';')
  }
}

function byName (one: { name: string, id: string }, other: { name: string, id: string }): number {
  return one.name.localeCompare(other.name) || (one.id < other.id ? -1 : 1)
}
