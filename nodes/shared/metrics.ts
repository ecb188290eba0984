import type { BrokerSnapshot } from '../../lib/broker/snapshot.ts'
import { BrokerMetrics } from '../../lib/broker/watching/prometheus.ts'
import { reasonOf } from '../../lib/errors.ts'
import { collectValues, type WatchedDatabase } from '../../lib/query/prometheus.ts'
import type { RED } from './red.ts'

interface Measured { id: string, name: string, snapshot: () => BrokerSnapshot | undefined }

const measured = new Map<string, Measured>()
const watched = new Map<string, WatchedDatabase>()
const served = new WeakSet<object>()

/** Where nodes say what Prometheus gets; what they call when they close is the answer. */
export interface Metrics {
  addBroker (id: string, name: string, snapshot: Measured['snapshot']): () => void
  addDatabase (database: WatchedDatabase): () => void
}

/** Serves Prometheus at `/platziverse/metrics`, guarded as Node-RED's admin API is, with the brokers and databases that were added. */
export function serveMetrics (RED: RED): Metrics {
  // Node-RED without an editor has no admin API.
  if (RED.httpAdmin && !served.has(RED.httpAdmin)) {
    served.add(RED.httpAdmin)
    const metrics = new BrokerMetrics()
    RED.httpAdmin.get('/platziverse/metrics', RED.auth.needsPermission('platziverse-broker.read'), (_request, response) => {
      // As if the path did not exist, while nothing is measured.
      if (measured.size === 0 && watched.size === 0) return response.sendStatus(404)
      const brokers = [...measured.values()].flatMap(({ id, name, snapshot: take }) => {
        const snapshot = take()
        return snapshot === undefined ? [] : [{ id, name, snapshot }]
      })
      return Promise.all([measured.size > 0 ? metrics.collect(brokers) : '', watched.size > 0 ? collectValues([...watched.values()]) : '']).then(
        texts => { response.type(metrics.contentType).send(texts.join('')) },
        (error: unknown) => { response.status(500).send(reasonOf(error)) }
      )
    })
  }
  return {
    addBroker: (id, name, snapshot) => add(measured, { id, name, snapshot }),
    addDatabase: database => add(watched, database)
  }
}

function add<Entry extends { id: string }> (entries: Map<string, Entry>, entry: Entry): () => void {
  entries.set(entry.id, entry)
  // The next instance of the node may be there already.
  return () => { if (entries.get(entry.id) === entry) entries.delete(entry.id) }
}
