import { test } from 'node:test'
import type { ClientEvent, ListenerState } from '../../../../lib/broker/broker.ts'
import { openEmbeddedBroker } from '../../../../lib/broker/engine/embedded-broker.ts'
import type { Settle } from '../../../../lib/broker/publication.ts'
import { brokerOptions } from '../../../helpers/broker.ts'
import { until, waitFor } from '../../../helpers/events.ts'
import { publishPacket, rawClient } from '../../../helpers/raw-client.ts'

test('what was being handled of clients that went is not counted after its end as what is coming in', { timeout: 30_000 }, async t => {
  const settles: Settle[] = []
  const take = (_: unknown, settle: Settle): void => { settles.push(settle) }
  const broker = await openEmbeddedBroker({ takes: () => true, take, gone: () => undefined }, brokerOptions({ host: '127.0.0.1', limits: { incomingBytes: 100_000 } }))
  t.after(() => broker.close())
  if (broker.listenerStates[0]?.state !== 'listening') await waitFor<ListenerState>(broker, 'listener', ({ state }) => state === 'listening')
  const [state] = broker.listenerStates
  const port = state?.state === 'listening' ? state.port : 0
  const left = publishPacket('left', Buffer.alloc(30_000), 1)
  for (let i = 0; i < 4; i++) {
    const client = await rawClient(t, port, `client ${i}`)
    client.write(left)
    await until(() => settles.length, count => count === i + 1)
    const gone = waitFor<ClientEvent>(broker, 'client', ({ event }) => event === 'disconnected')
    client.destroy()
    await gone
  }
  for (const settle of settles.splice(0)) settle()
  // Were they counted, only the first of the large ones would be read now.
  const large = publishPacket('large', Buffer.alloc(30_000), 1)
  const [begun, whole] = [await rawClient(t, port, 'begun'), await rawClient(t, port, 'whole')]
  for (const part of [large.subarray(0, 20_000), large.subarray(20_000, -1)]) {
    for (const client of [begun, whole]) {
      client.write(part)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  whole.write(large.subarray(-1))
  await until(() => settles.length, count => count === 1)
})
