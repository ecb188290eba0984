import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlatziverseError } from '../../../lib/errors.ts'
import { aedesBroker, listen, openBridge, row } from '../../helpers/bridge.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'

// node-red/node-red#3367, mqttjs/MQTT.js#768: whoever sent what a broker hangs up on sent it at each connection again, and nothing else.
for (const [what, limit, topic, payload] of [
  ['is too large for it', '\nmax_packet_size 1000', 'a/large', 'x'.repeat(5_000)],
  ['has a topic that it does not allow', '', 'a/b\tc', 'x']
] as const) {
  test(`a message that the other broker hangs up on, because it ${what}, is given up, and those behind it go`, { skip: withoutMosquitto }, async t => {
    const { port } = await openMosquitto(t, `allow_anonymous true${limit}`)
    const remote = { url: `mqtt://127.0.0.1:${port}`, port }
    const local = await aedesBroker(t)
    const bridge = await openBridge(t, local, remote, { topics: [row('out', 'a/#')] })
    const { texts } = await listen(t, remote)
    const problem = waitFor<PlatziverseError>(bridge, 'problem', ({ code }) => code === 'BRIDGE_REMOTE_REFUSED')
    await local.publish({ topic, payload: Buffer.from(payload), qos: 1, retain: false })
    for (let i = 0; i < 30; i++) await local.publish({ topic: 'a/small', payload: Buffer.from(String(i)), qos: 1, retain: false })
    await problem
    await until(texts, got => got.length === 30)
    assert.deepEqual(texts(), Array.from({ length: 30 }, (_, i) => `a/small ${i}`))
    await until(() => bridge.statistics().buffered, count => count === 0)
    assert.equal(bridge.statistics().dropped, 1)
  })
}
