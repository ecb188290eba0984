import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KnownNetworks } from '../../../../lib/broker/login/known-networks.ts'

function rememberedOf (networks: KnownNetworks<number>, username: string, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i).filter(i => networks.get(username, `network ${i}`) === i)
}

test('one user has up to 10,000 networks, and loses the oldest eighth of them at most', () => {
  const networks = new KnownNetworks<number>()
  for (let i = 0; i < 10_000; i++) networks.set('ana', `network ${i}`, i)
  assert.equal(rememberedOf(networks, 'ana', 10_000).length, 10_000)
  for (let i = 10_000; i < 12_000; i++) networks.set('ana', `network ${i}`, i)
  const remembered = rememberedOf(networks, 'ana', 12_000)
  assert.ok(remembered.length >= 8_750 && remembered.length <= 10_000, `${remembered.length} networks`)
  assert.deepEqual(remembered, Array.from({ length: remembered.length }, (_, i) => 12_000 - remembered.length + i))
})

test('among many users each keeps 16 networks, and the one it came from last', () => {
  const networks = new KnownNetworks<number>()
  for (let i = 0; i < 1_000; i++) networks.set(`user ${i}`, 'network 0', 0)
  for (let i = 1; i <= 40; i++) {
    networks.set('user 7', `network ${i}`, i)
    networks.set('user 7', 'network 0', 0)
    const remembered = rememberedOf(networks, 'user 7', i + 1)
    assert.equal(remembered.length, Math.min(i + 1, 16))
    assert.deepEqual([remembered[0], remembered.at(-1)], [0, i])
  }
  assert.deepEqual(rememberedOf(networks, 'user 8', 2), [0])
  networks.forget('user 7')
  assert.equal(networks.knows('user 7'), false)
})
