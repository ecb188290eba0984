import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { generate, type Packet } from 'mqtt-packet'
import { openBroker } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { publishPacket, rawClient } from '../../../helpers/raw-client.ts'

const subscribe = (topic: string): Buffer => generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 0 }] } as Packet)

for (const [qos, hears] of [[0, false], [1, false], [2, false], [0, true], [1, true]] as const) {
  test(`subscribers that leave under load end nothing: QoS ${qos}${hears ? ', and this process hears it all' : ''}`, async t => {
    const { place, port } = await openBroker(t)
    let heard = 0
    if (hears) t.after(place.subscribe('agent/#', () => { heard++ }))
    const subscribers = await Promise.all(Array.from({ length: 10 }, async (_, i) => {
      const socket = await rawClient(t, port, `subscriber-${i}`)
      socket.write(subscribe('agent/#'))
      await once(socket, 'data')
      return socket.resume()
    }))
    const burst = Buffer.concat(Array.from({ length: 1000 }, (_, i) => publishPacket(`agent/${i}`, 'x', qos, i + 1)))
    const agents = await Promise.all(Array.from({ length: 20 }, (_, i) => rawClient(t, port, `agent-${i}`)))
    for (const agent of agents) agent.resume().write(burst)
    await until(() => place.statistics().delivered, delivered => delivered > 100)
    for (const subscriber of subscribers) subscriber.destroy()
    await until(() => place.statistics(), ({ received, clients }) => received === 20_000 && clients === 20)
    await turn()
    if (hears) await until(() => heard, heard => heard === 20_000)
    assert.equal((await rawClient(t, port, 'another')).destroyed, false)
  })
}

test('2,000 publications under way, because subscribers are slow, are not taken for a leak', async t => {
  const { place, port } = await openBroker(t)
  const warnings: string[] = []
  const warn = ({ message }: Error): void => { warnings.push(message) }
  process.on('warning', warn)
  t.after(() => process.off('warning', warn))
  let [underWay, most, heard] = [0, 0, 0]
  t.after(place.subscribe('agent/#', () => {
    // More than may be routed in one turn.
    if (++heard % 100 === 1) spin(30)
  }))
  const burst = Buffer.concat(Array.from({ length: 200 }, (_, i) => publishPacket('agent/a', 'x', 1, i + 1)))
  const agents = await Promise.all(Array.from({ length: 10 }, (_, i) => rawClient(t, port, `agent-${i}`)))
  for (const agent of agents) agent.resume().write(burst)
  for (let i = 0; i < 2000; i++) {
    most = Math.max(most, ++underWay)
    void place.publish({ topic: 'agent/b', payload: 'x', qos: 0, retain: false }).finally(() => { underWay-- })
  }
  await until(() => heard, heard => heard === 4000)
  await turn()
  assert.deepEqual([warnings, most], [[], 2000])
})

function spin (ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
