import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limitDefaults, readLimits } from '../../../lib/broker/limits.ts'
import { ConnectionLimits } from '../../../lib/broker/listening/connection-limits.ts'
import { Bans } from '../../../lib/broker/login/bans.ts'
import { AgentOwners } from '../../../lib/broker/persistence/agent-owners.ts'
import { IncomingBytes, type Writer } from '../../../lib/broker/stream/incoming-bytes.ts'
import { Turn, Turns } from '../../../lib/broker/stream/turns.ts'
import { UnreadBytes } from '../../../lib/broker/stream/unread-bytes.ts'
import { until } from '../../helpers/events.ts'

test('limits are read as numbers or text; what is no whole number from 0 up is the default, what MQTT cannot do is the most it can', () => {
  assert.deepEqual(readLimits(undefined), limitDefaults)
  const { connections, packetBytes, topicLevels, keepalive, messageRate } = readLimits({ connections: '5', packetBytes: 0, topicLevels: 1000, keepalive: -1, messageRate: '1.5', unknown: 3 })
  const expected = { connections: 5, packetBytes: 0, topicLevels: 100, keepalive: 0, messageRate: limitDefaults.messageRate }
  assert.deepEqual({ connections, packetBytes, topicLevels, keepalive, messageRate }, expected)
})

test('connections are admitted up to the limits in all, per address and per second', () => {
  let now = 0
  const admission = new ConnectionLimits(readLimits({ connections: 3, connectionsPerAddress: 2, connectionRate: 4 }), () => now)
  assert.deepEqual(['a', 'a', 'a', 'b', 'c'].map(address => admission.enter(address)), [undefined, undefined, 'connectionsPerAddress', undefined, 'connections'])
  admission.leave('a')
  assert.equal(admission.enter('a'), undefined)
  assert.equal(admission.enter('a'), 'connectionRate')
  now = 1000
  assert.equal(admission.enter('a'), 'connections')
  assert.equal(admission.open, 3)
})

test('0 stands for no limit of connections', () => {
  const admission = new ConnectionLimits(readLimits({ connections: 0, connectionsPerAddress: 0, connectionRate: 0 }), () => 0)
  for (let i = 0; i < 20_000; i++) assert.equal(admission.enter('a'), undefined)
})

test('a connection reads its rate of packets, messages and bytes, after a burst of one second', async () => {
  for (const [rates, messages] of [[{ packetRate: 200 }, 0], [{ messageRate: 200 }, 1], [{ byteRate: 2000 }, 0]] as const) {
    let now = 0
    const turn = new Turn(new Turns({ packetRate: 0, messageRate: 0, byteRate: 0, ...rates }, () => now), () => undefined)
    const read = async (): Promise<number> => {
      let count = 0
      while (turn.units > 0) {
        turn.spend(1, messages, 10)
        count++
        await new Promise(resolve => setImmediate(resolve))
      }
      // The clock is the test's own: what waits is woken by nobody.
      turn.end()
      return count
    }
    const first = await read()
    assert.ok(first >= 200 && first <= 202, `${first} at once`)
    now = 500
    assert.ok(Math.abs(await read() - 100) <= 2)
    now = 60_000
    assert.ok(Math.abs(await read() - 200) <= 2)
  }
})

test('connections share a turn of the event loop; those that have read little lately do not wait', async () => {
  const turns = new Turns({ packetRate: 100_000, messageRate: 0, byteRate: 0 })
  const read: string[] = []
  const busy = ['a', 'b', 'c'].map(name => {
    const turn: Turn = new Turn(turns, () => {
      if (turn.units === 0) return
      read.push(name)
      turn.spend(1_000, 0, 1_000)
    })
    return turn
  })
  for (const turn of [...busy, ...busy]) turn.wake()
  // Each was quiet once; then the turn is over.
  assert.deepEqual(read, ['a', 'b', 'c'])
  assert.ok(new Turn(turns, () => undefined).units > 0)
  await until(() => read.length, length => length === 6)
  assert.deepEqual(read, ['a', 'b', 'c', 'a', 'b', 'c'])
})

test('without a limit a connection reads as often as it likes', () => {
  const turn = new Turn(new Turns({ packetRate: 0, messageRate: 0, byteRate: 0 }), () => undefined)
  turn.spend(1, 1_000_000, 1_000_000_000)
  assert.ok(turn.units > 0)
  assert.equal(turn.messages, Infinity)
})

test('a client id is kept out for its time and no longer', () => {
  let now = 0
  const bans = new Bans(() => now)
  bans.add('a', 10)
  assert.equal(bans.has('a'), true)
  assert.equal(bans.has('b'), false)
  now = 10_001
  assert.equal(bans.has('a'), false)
})

test('bans are bounded, and none is lifted for another: one too many is refused until one is over', () => {
  let now = 0
  const bans = new Bans(() => now)
  for (let i = 0; i < 10_000; i++) assert.equal(bans.add(String(i), i === 5 ? 30 : 60), true)
  assert.equal(bans.add('10000', 60), false)
  assert.deepEqual(['0', '10000'].map(id => bans.has(id)), [true, false])
  // One that is there can be made longer.
  assert.equal(bans.add('0', 90), true)
  now = 30_000
  assert.equal(bans.add('10000', 60), true)
  assert.deepEqual(['0', '5', '10000'].map(id => bans.has(id)), [true, false, true])
})

test('an agent belongs to the user that spoke for it first', () => {
  const owners = new AgentOwners()
  assert.deepEqual([owners.claim('one', 'a'), owners.claim('one', 'b'), owners.claim('one', 'a'), owners.claim('two', 'b')], ['theirs', 'another', 'theirs', 'theirs'])
})

test('agents whose user is remembered are bounded for each user, and none is forgotten for another', () => {
  const owners = new AgentOwners()
  owners.configure({ mostPerUser: limitDefaults.agentsPerUser, enforced: true })
  owners.claim('mine', 'b')
  for (let i = 0; i < 100_000; i++) assert.equal(owners.claim(String(i), 'a'), 'theirs')
  assert.deepEqual([owners.claim('100000', 'a'), owners.claim('mine', 'a'), owners.claim('0', 'b')], ['tooMany', 'another', 'another'])
  assert.deepEqual([owners.claim('100000', 'b'), owners.claim('0', 'a')], ['theirs', 'theirs'])
})

test('an IPv6 client has one address, however many of its /64 it uses', () => {
  const admission = new ConnectionLimits(readLimits({ connections: 0, connectionsPerAddress: 2, connectionRate: 3 }), () => 0)
  const refusals = (count: number, addressOf: (i: number) => string): Array<string | undefined> => Array.from({ length: count }, (_, i) => admission.enter(addressOf(i)))
  assert.deepEqual(refusals(4, i => `2001:db8:0:1::${i + 1}`), [undefined, undefined, 'connectionsPerAddress', 'connectionRate'])
  assert.equal(admission.enter('2001:db8:0:2::1'), undefined)
  admission.leave('2001:db8:0:1::1')
  assert.deepEqual(refusals(2, i => `::ffff:192.0.2.${i}`), [undefined, undefined])
  assert.equal(admission.enter('192.0.2.1'), undefined)
  assert.equal(admission.enter('192.0.2.1'), 'connectionsPerAddress')
})

test('however many addresses come, the rate of one that came in this second is not forgotten', () => {
  let now = 0
  const admission = new ConnectionLimits(readLimits({ connections: 0, connectionsPerAddress: 0, connectionRate: 1 }), () => now)
  const come = (address: string): string | undefined => {
    const refusal = admission.enter(address)
    if (refusal === undefined) admission.leave(address)
    return refusal
  }
  assert.equal(come('192.0.2.1'), undefined)
  for (let i = 0; i < 50_001; i++) come(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  assert.equal(come('192.0.2.1'), 'connectionRate')
  now = 1_000
  assert.deepEqual([come('192.0.2.1'), come('203.0.113.1')], [undefined, undefined])
})

test('when clients together leave too much unread, those with the most are cut off, and what was read since does not count', () => {
  const readers = new Set(Array.from({ length: 10 }, (_, i) => ({ i, unread: 0, counted: 0 })))
  const gone: number[] = []
  const unread = new UnreadBytes(800, readers, reader => {
    gone.push(reader.i)
    readers.delete(reader)
  })
  const leave = (bytes: (i: number) => number): void => {
    for (const reader of readers) unread.count(reader, reader.unread = bytes(reader.i))
  }
  leave(() => 75)
  for (const reader of readers) reader.unread = 0
  leave(() => 70)
  assert.deepEqual(gone, [])
  leave(i => i * 20)
  assert.deepEqual(gone, [9, 8])
  unread.limit = 0
  leave(() => 10_000)
  assert.deepEqual(gone, [9, 8])
})

test('when connections together hold too much of what comes in, those that hold little are read, and one of the others at a time', async () => {
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

test('while others wait, those that leave a packet incomplete are hung up on after a while, those first that came on least, and as many as wait', async () => {
  const writers = new Set<Writer & { name: string, received: number | undefined }>()
  const gone: string[] = []
  const incoming = new IncomingBytes<Writer & { name: string }>(100_000, writers, writer => {
    gone.push(writer.name)
    writers.delete(writer as never)
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
