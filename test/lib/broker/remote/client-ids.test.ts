import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RuleTable } from '../../../../lib/mapping/rules/rule-table.ts'
import { clientIdBeside } from '../../../../lib/broker/remote/client-ids.ts'
import { openIntake } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker, type Peer } from '../../../helpers/scripted-broker.ts'

const purposes = ['send', 'topics', 'retained']

test('client ids of other connections fit where the worker\'s own fits, and are all different', () => {
  const made = new Set<string>()
  let count = 0
  for (let length = 1; length <= 23; length++) {
    for (const last of 'ab') {
      for (const purpose of purposes) {
        const id = clientIdBeside('a'.repeat(length - 1) + last, purpose)
        assert.ok(Buffer.byteLength(id) <= 23, id)
        assert.ok(id.endsWith(`-${purpose}`), id)
        made.add(id)
        count++
      }
    }
  }
  assert.equal(made.size, count)
})

test('a client id that fits is not changed, nor one of a broker that takes long ones', () => {
  assert.equal(clientIdBeside('workshop-line-02', 'topics'), 'workshop-line-02-topics')
  assert.equal(clientIdBeside('workshop-line-0002', 'topics'), 'worksho-f41ac16e-topics')
  assert.equal(clientIdBeside('platziverse-workshop-line-02', 'topics'), 'platziverse-workshop-line-02-topics')
  // Its seventh character has two bytes, of which one would fit.
  assert.match(clientIdBeside('fabricñandú-00000', 'topics'), /^fabric-[0-9a-f]{8}-topics$/)
})

test('a broker that takes no client ids of more than 23 bytes lets in all connections of a worker whose own is no longer', async t => {
  const act = (peer: Peer): void => {
    if (Buffer.byteLength(peer.connect.clientId) <= 23) return answers(peer)
    peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 2, reasonCode: 0x85, ...peer.version === 5 ? { properties: {} } : {} })
    peer.socket.end()
  }
  const broker = await scriptedBroker(t, act, act)
  const remote = await openRemote(t, remoteOptions(broker.url, { clientId: 'workshop-line-0000000001', group: '' }))
  await until(() => remote.problems[0]?.code, code => code === 'BROKER_REFUSED')

  const fitting = await openRemote(t, remoteOptions(broker.url, { clientId: 'workshop-line-000000001', group: '' }))
  openIntake(t, fitting.id, { otherTopics: new RuleTable([{ topic: 'tele/{uuid}/SENSOR', format: 'json' }]) })
  await fitting.connected()
  await fitting.place.publish({ topic: 'a', payload: Buffer.from('1'), qos: 1, retain: false })
  const connected = (): string[] => [...broker.consumers, ...broker.senders].map(({ connect }) => connect.clientId).filter(id => Buffer.byteLength(id) <= 23).sort()
  await until(connected, ids => ids.length === 3)
  assert.deepEqual(connected().map(id => id.replace(/[0-9a-f]{8}(?=-)/, 'HASH')), ['worksho-HASH-topics', 'workshop--HASH-send', 'workshop-line-000000001'])
  assert.deepEqual(fitting.problems, [])
})
