import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { openIntake, removeBroker } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'

async function publisher (t: TestContext, url: string): Promise<MqttClient> {
  const client = await connectAsync(url)
  t.after(() => { client.end(true) })
  return client
}

for (const version of ['5', '3.1.1'] as const) {
  suite(`a broker elsewhere, MQTT ${version}`, { skip: withoutMosquitto }, () => {
    test('a message that was not settled comes again to the worker that comes back, and one that was does not', async t => {
      const { port } = await openMosquitto(t)
      const url = `mqtt://127.0.0.1:${port}`
      const clientId = `worker-${randomUUID()}`
      const remote = await openRemote(t, remoteOptions(url, { clientId, version }))
      const intake = openIntake(t, remote.id)
      await remote.connected()
      const client = await publisher(t, url)
      for (let i = 0; i < 10; i++) await client.publishAsync('agent/message', reading('a', { timestamp: 1_700_000_000_000 + i }), { qos: 1 })
      await until(() => intake.heard.length, length => length === 10)
      // The third one stays: what comes behind it is not acknowledged before it.
      for (const [i, heard] of intake.heard.entries()) if (i !== 2) claim(heard).settle()
      await removeBroker(remote.id)

      const again = await openRemote(t, remoteOptions(url, { clientId, version }))
      const second = openIntake(t, again.id)
      await until(() => second.heard.length, length => length === 8)
      const times = second.heard.map(({ incoming }) => (incoming?.payload as { timestamp: number }).timestamp - 1_700_000_000_000)
      assert.deepEqual(times, [2, 3, 4, 5, 6, 7, 8, 9])
      second.heard.forEach(heard => { claim(heard).settle() })
      assert.deepEqual(again.problems, [])
    })
  })
}
