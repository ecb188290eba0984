import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientEvent } from '../../../../lib/broker/broker.ts'
import { openBroker } from '../../../helpers/broker.ts'
import { once, waitFor } from '../../../helpers/events.ts'
import { Peer } from '../../../helpers/peer.ts'

const payload = Buffer.alloc(100_000)

for (const version of [4, 5]) {
  test(`what expires while a session's queue is being sent does not come behind it (level ${version})`, async t => {
    const { port, place } = await openBroker(t)
    const kept = { clean: false, ...version === 5 && { properties: { sessionExpiryInterval: 60 } } }
    const away = await Peer.open(port, version)
    await away.connect('away', kept)
    await away.subscribe('a')
    await away.end()
    const publisher = await Peer.open(port)
    t.after(() => { publisher.cut() })
    await publisher.connect('publisher')
    for (let i = 0; i < 70; i++) await publisher.publish('a', payload, { qos: 1 })

    const socket = connect(port, '127.0.0.1')
    t.after(() => { socket.destroy() })
    await once(socket, 'connect')
    const back = new Peer(socket, version)
    socket.pause()
    const connected = waitFor<ClientEvent>(place, 'client', ({ event, clientId }) => event === 'connected' && clientId === 'away')
    const connack = back.connect('away', kept)
    await connected
    for (const qos of [0, 1, 2] as const) await publisher.publish('a', 'short', { qos, properties: { messageExpiryInterval: 1 } })
    await publisher.publish('a', 'long', { qos: 1, properties: { messageExpiryInterval: 100 } })
    await pause(1_100)
    await publisher.publish('a', 'last', { qos: 1 })
    socket.resume()
    await connack
    const messages = await back.through('last')
    assert.equal(messages.length, 71)
    assert.equal(String(messages.at(-1)!.payload), 'long')
    const { expired = 0 } = place.statistics().droppedBy
    assert.equal(expired, 3)
  })
}
