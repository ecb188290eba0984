import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientEvent, ListenerState } from '../../../../lib/broker/broker.ts'
import { openEmbeddedBroker } from '../../../../lib/broker/engine/embedded-broker.ts'
import type { Settle } from '../../../../lib/broker/publication.ts'
import { IncomingBytes, type Writer } from '../../../../lib/broker/stream/incoming-bytes.ts'
import { brokerOptions } from '../../../helpers/broker.ts'
import { until, waitFor } from '../../../helpers/events.ts'
import { publishPacket, rawClient } from '../../../helpers/raw-client.ts'

interface NamedWriter extends Writer { name: string }

test('packets of clients that left stop counting as incoming once they are handled', { timeout: 30_000 }, async t => {
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

test('when incoming packets together take too much room, connections that hold little are still read, and one of the others at a time', async () => {
  const incoming = new IncomingBytes(100_000, new Set<Writer>(), () => undefined)
  const read: string[] = []
  const writerOf = (name: string) => {
    const writer = { name, held: 0, missing: 0, received: undefined, goOn: () => { if (incoming.admits(writer)) read.push(name) } }
    return writer
  }
  const [a, b, c, modest] = ['a', 'b', 'c', 'modest'].map(writerOf) as [ReturnType<typeof writerOf>, ReturnType<typeof writerOf>, ReturnType<typeof writerOf>, ReturnType<typeof writerOf>]
  for (const writer of [a, b, c]) incoming.count(writer, 50_000)
  incoming.count(modest, 10_000)
  assert.deepEqual([a, b, c, modest, a].map(writer => incoming.admits(writer)), [true, false, false, true, true])
  assert.deepEqual([a, b, c].map(writer => incoming.holdsBack(writer)), [false, true, true])
  // It grows on, and is done with its packet.
  incoming.count(a, 90_000)
  incoming.count(a, 20_000)
  await until(() => read, names => names.length > 0)
  assert.deepEqual(read, ['b'])
  incoming.leave(b)
  await until(() => read, names => names.length > 1)
  assert.deepEqual(read, ['b', 'c'])
  incoming.limit = 0
  assert.equal(incoming.admits(a), true)
})

test('when connections wait for room, as many that leave a packet incomplete are disconnected after a while, the slowest first', async () => {
  const writers = new Set<NamedWriter>()
  const gone: string[] = []
  const incoming = new IncomingBytes(100_000, writers, writer => {
    gone.push(writer.name)
    writers.delete(writer)
    incoming.leave(writer)
  })
  const writerOf = (name: string, held: number, received: number | undefined) => {
    const writer = { name, held: 0, missing: 0, received, goOn: () => { incoming.admits(writer) } }
    writers.add(writer)
    incoming.count(writer, held)
    return writer
  }
  const trickling = writerOf('trickling', 30_000, 30_000)
  writerOf('stalled', 30_000, 30_000)
  const busy = writerOf('busy', 30_000, 30_000)
  writerOf('handled', 30_000, undefined)
  writerOf('modest', 10_000, 10_000)
  incoming.admits(busy)
  assert.deepEqual(gone, [])
  const waiting = writerOf('waiting', 20_000, undefined)
  assert.equal(incoming.admits(waiting), false)
  const coming = setInterval(() => {
    busy.received = (busy.received ?? 0) + 5_000
    trickling.received = (trickling.received ?? 0) + 10
  }, 100)
  await until(() => gone, names => names.length > 0)
  assert.deepEqual(gone, ['stalled'])
  const other = writerOf('other', 20_000, undefined)
  assert.equal(incoming.admits(other), false)
  await until(() => gone, names => names.length > 1)
  clearInterval(coming)
  assert.deepEqual(gone, ['stalled', 'trickling'])
})
