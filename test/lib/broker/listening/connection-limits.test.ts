import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLimits } from '../../../../lib/broker/limits.ts'
import { ConnectionLimits } from '../../../../lib/broker/listening/connection-limits.ts'

test('connections are admitted up to the limits in all, per address and per second', () => {
  let now = 0
  const limits = new ConnectionLimits(readLimits({ connections: 3, connectionsPerAddress: 2, connectionRate: 4 }), () => now)
  assert.deepEqual(['a', 'a', 'a', 'b', 'c'].map(address => limits.enter(address)), [undefined, undefined, 'connectionsPerAddress', undefined, 'connections'])
  limits.leave('a')
  assert.equal(limits.enter('a'), undefined)
  assert.equal(limits.enter('a'), 'connectionRate')
  now = 1000
  assert.equal(limits.enter('a'), 'connections')
  assert.equal(limits.open, 3)
})

test('0 stands for no limit of connections', () => {
  const limits = new ConnectionLimits(readLimits({ connections: 0, connectionsPerAddress: 0, connectionRate: 0 }), () => 0)
  for (let i = 0; i < 20_000; i++) assert.equal(limits.enter('a'), undefined)
})

test('an IPv6 client has one address, however many of its /64 it uses', () => {
  const limits = new ConnectionLimits(readLimits({ connections: 0, connectionsPerAddress: 2, connectionRate: 3 }), () => 0)
  const refusals = (count: number, addressOf: (i: number) => string): Array<string | undefined> => Array.from({ length: count }, (_, i) => limits.enter(addressOf(i)))
  assert.deepEqual(refusals(4, i => `2001:db8:0:1::${i + 1}`), [undefined, undefined, 'connectionsPerAddress', 'connectionRate'])
  assert.equal(limits.enter('2001:db8:0:2::1'), undefined)
  limits.leave('2001:db8:0:1::1')
  assert.deepEqual(refusals(2, i => `::ffff:192.0.2.${i}`), [undefined, undefined])
  assert.equal(limits.enter('192.0.2.1'), undefined)
  assert.equal(limits.enter('192.0.2.1'), 'connectionsPerAddress')
})

test('however many addresses come, the rate of one that came in this second is not forgotten', () => {
  let now = 0
  const limits = new ConnectionLimits(readLimits({ connections: 0, connectionsPerAddress: 0, connectionRate: 1 }), () => now)
  const come = (address: string): string | undefined => {
    const refusal = limits.enter(address)
    if (refusal === undefined) limits.leave(address)
    return refusal
  }
  assert.equal(come('192.0.2.1'), undefined)
  for (let i = 0; i < 50_001; i++) come(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  assert.equal(come('192.0.2.1'), 'connectionRate')
  now = 1_000
  assert.deepEqual([come('192.0.2.1'), come('203.0.113.1')], [undefined, undefined])
})
