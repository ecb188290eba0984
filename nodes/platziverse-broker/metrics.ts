import type { BrokerSnapshot } from '../../lib/broker/snapshot.ts'
import { BrokerMetrics } from '../../lib/broker/watching/prometheus.ts'
import { reasonOf } from '../../lib/errors.ts'
import type { RED } from '../shared/red.ts'

interface Measured { id: string, name: string, snapshot: () => BrokerSnapshot | undefined }

const measured = new Map<string, Measured>()
const served = new WeakSet<object>()

/** Serves Prometheus at `/platziverse/metrics`, guarded as Node-RED's admin API is, with the brokers that were added. */
export function serveMetrics (RED: RED): { add (id: string, name: string, snapshot: Measured['snapshot']): () => void } {
  // Node-RED without an editor has no admin API.
  if (RED.httpAdmin && !served.has(RED.httpAdmin)) {
    served.add(RED.httpAdmin)
    const metrics = new BrokerMetrics()
    RED.httpAdmin.get('/platziverse/metrics', RED.auth.needsPermission('platziverse-broker.read'), (_request, response) => {
      // As if the path did not exist, while no broker is measured.
      if (measured.size === 0) return response.sendStatus(404)
      const brokers = [...measured.values()].flatMap(({ id, name, snapshot: take }) => {
        const snapshot = take()
        return snapshot === undefined ? [] : [{ id, name, snapshot }]
      })
      return metrics.collect(brokers).then(
        text => { response.type(metrics.contentType).send(text) },
        (error: unknown) => { response.status(500).send(reasonOf(error)) }
      )
    })
  }
  return {
    add (id, name, snapshot) {
      const entry = { id, name, snapshot }
      measured.set(id, entry)
      return () => { if (measured.get(id) === entry) measured.delete(id) }
    }
  }
}
