import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { MqttClient } from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import { hashPassword } from '../../../../lib/broker/access/passwords.ts'
import type { Rule } from '../../../../lib/broker/access/rules.ts'
import { openBroker } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { rawClient } from '../../../helpers/raw-client.ts'

const filter = '$share/group/room/#'
const names = ['ana', 'bea', 'cai']
const full: Rule = { subject: 'everyone', access: 'readwrite', topic: '#' }
const deny = (username: string): Rule => ({ subject: 'user', username, access: 'deny', topic: 'room/#' })

function count (client: MqttClient): () => number {
  let messages = 0
  client.on('message', () => { messages++ })
  return () => messages
}

for (const qos of [0, 1, 2] as const) {
  for (const clean of [true, false]) {
    test(`a member of a shared subscription that lost its right leaves its share to the others: QoS ${qos}, ${clean ? 'clean' : 'kept'} sessions`, async t => {
      const hash = await hashPassword('x')
      const users = names.map(username => ({ username, hash }))
      const broker = await openBroker(t, { users, rules: [full] })
      const [ana, bea, cai] = await Promise.all(names.map(username => broker.client({ clientId: username, username, password: 'x', clean }))) as [MqttClient, MqttClient, MqttClient]
      const counts = [count(ana), count(bea)]
      for (const member of [ana, bea]) await member.subscribeAsync(filter, { qos })
      const send = async (): Promise<void> => { for (let i = 0; i < 20; i++) await cai.publishAsync('room/1', 'x', { qos }) }
      await send()
      await until(() => counts.map(count => count()).join(), text => text === '10,10')

      await broker.place.control.reload(async () => ({ rules: [full, deny('ana')] }))
      await send()
      await until(() => counts.map(count => count()).join(), text => text === '10,30')
      assert.equal(broker.place.statistics().droppedBy['rules'], undefined)

      await broker.place.control.reload(async () => ({ rules: [full, deny('ana'), deny('bea')] }))
      await send()
      await until(() => broker.place.statistics().droppedBy['rules'], dropped => dropped === 20)
      assert.deepEqual(counts.map(count => count()), [10, 30])
    })
  }
}

test('a member of a shared subscription that does not read leaves its share to the others', async t => {
  const broker = await openBroker(t)
  const deaf = await rawClient(t, broker.port, 'deaf')
  deaf.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos: 0 }] } as Packet))
  await once(deaf, 'data')
  deaf.pause()
  const [member, publisher] = await Promise.all([broker.client(), broker.client()])
  const got = count(member)
  await member.subscribeAsync(filter)
  const payload = Buffer.alloc(128 * 1024)
  for (let i = 0; i < 200; i++) await publisher.publishAsync('room/1', payload, { qos: 1 })
  // 1 MiB waits in this process, and some more in the system's buffers.
  await until(got, messages => messages > 130)
  assert.equal(broker.place.statistics().droppedBy['slowReader'], undefined)
})
