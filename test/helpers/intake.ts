import assert from 'node:assert/strict'
import type { MqttClient } from 'mqtt'
import { claimDelivery, type Claim } from '../../lib/intake/pending-deliveries.ts'
import type { Heard } from './broker.ts'

/** Claims what an intake handed on. */
export function claim (heard: Heard | undefined): Claim {
  const claim = claimDelivery(heard?.incoming?.delivery.id)
  assert.ok(claim, 'the delivery is settled or unknown')
  return claim
}

/** Publishes, and says whether the acknowledgement came. */
export function publish (client: MqttClient, topic: string, payload: string, qos: 1 | 2 = 1) {
  const state = { acknowledged: false, failed: false, done: Promise.resolve() as Promise<unknown> }
  state.done = client.publishAsync(topic, payload, { qos }).then(() => { state.acknowledged = true }, () => { state.failed = true })
  return state
}
