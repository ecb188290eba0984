import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Packet } from 'mqtt-packet'
import { RememberedFilters } from '../../../../../lib/broker/remote/session/remembered-filters.ts'
import { Subscriptions } from '../../../../../lib/broker/remote/session/subscriptions.ts'
import type { Wire } from '../../../../../lib/mqtt/link/wire.ts'
import { temporaryFolder } from '../../../../helpers/folder.ts'

test('a subscription is left once the broker says so: cut off before, the next connection, or the next process, ends it', async t => {
  const remembered = new RememberedFilters(await temporaryFolder(t), 'worker')
  const old = Array.from({ length: 10 }, (_, i) => `old/${i}`)
  remembered.write(old)
  const sent: Packet[] = []
  const wire = { send: (packet: Packet) => { sent.push(packet) } } as Wire
  const left = () => sent.flatMap(packet => packet.cmd === 'unsubscribe' ? [packet] : [])
  const subscriptions = new Subscriptions(['new'], 1, remembered)
  subscriptions.begin(wire, 5, true)
  assert.deepEqual(left().map(({ unsubscriptions }) => unsubscriptions), [old.slice(0, 8), old.slice(8)])
  subscriptions.left(left()[0]?.messageId)
  assert.deepEqual(remembered.read(), ['new', ...old.slice(8)])
  sent.length = 0
  subscriptions.begin(wire, 5, true)
  assert.deepEqual(left().map(({ unsubscriptions }) => unsubscriptions), [old.slice(8)])
  subscriptions.left(left()[0]?.messageId)
  assert.deepEqual(remembered.read(), ['new'])
})
