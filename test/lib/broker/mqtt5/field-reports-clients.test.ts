import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimDelivery } from '../../../../lib/intake/pending-deliveries.ts'
import { openBroker, openIntake } from '../../../helpers/broker.ts'

// What was reported of clients that speak MQTT 5, seen with the clients themselves. Each test names the report.

// https://github.com/faststream-community/zMQTT/issues/72, https://github.com/emqx/emqx/issues/12922: clients that do not keep to the broker's receive maximum, as
// MQTT.js 5.16 does not.
test('a client that sends more than the receive maximum is held back, not cut off', async t => {
  const broker = await openBroker(t)
  const intake = openIntake(t, broker.id, { clientWindow: 10 })
  const client = await broker.client({ protocolVersion: 5, clientId: 'hasty' })
  let most = 0
  const settling = setInterval(() => {
    most = Math.max(most, intake.heard.length)
    for (const { incoming } of intake.heard.splice(0)) claimDelivery(incoming!.delivery.id)!.settle()
  }, 5)
  t.after(() => { clearInterval(settling) })
  await Promise.all(Array.from({ length: 300 }, (_, value) => client.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'a' }, metrics: [{ type: 'a', value }] }), { qos: 1 })))
  assert.ok(most <= 10, `${most} at a time`)
  assert.deepEqual(broker.events.filter(({ event }) => event === 'disconnected'), [])
})
