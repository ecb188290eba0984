import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turn, Turns } from '../../../../lib/broker/stream/turns.ts'
import { until } from '../../../helpers/events.ts'

const rates = { packetRate: 20_000, messageRate: 0, byteRate: 0 }

/** Reads as long as it may. @returns the units */
function flood (turn: Turn): number {
  let sum = 0
  for (let units = turn.units; units > 0; units = turn.units) {
    turn.spend(units, 0, 0)
    sum += units
  }
  return sum
}

test('in one turn of the event loop connections that flood get little more than one of them, however slow the machine is', () => {
  const turns = new Turns(rates, () => 0)
  const flooding = Array.from({ length: 20 }, () => new Turn(turns, () => undefined))
  const units = flooding.map(flood).reduce((a, b) => a + b)
  assert.ok(units < 20 * 8 + 2 * 256, `${units} units`)
})

test('a connection that is quiet reads in a turn that others have used up', async () => {
  const turns = new Turns(rates, () => 0)
  flood(new Turn(turns, () => undefined))
  const quiet = new Turn(turns, () => undefined)
  assert.ok(quiet.units > 0)
  quiet.spend(2, 0, 0)
  assert.equal(quiet.units, 0)
  await new Promise(setImmediate)
  assert.ok(quiet.units > 0)
})

for (const [name, packetRate] of [['however many packets it may send', 1_000_000], ['without a limit of packets', 0]] as const) {
  test(`a connection that floods is not quiet ${name}`, async () => {
    let now = 1_000_000
    const turns = new Turns({ ...rates, packetRate }, () => now)
    const [flooding, quiet] = [new Turn(turns, () => undefined), new Turn(turns, () => undefined)]
    flood(flooding)
    now += 10
    await new Promise(setImmediate)
    assert.ok(flooding.units > 8, 'it takes its part of a turn')
    assert.equal(quiet.units, 8)
    flooding.spend(1, 0, 0)
    quiet.spend(1, 0, 0)
    now += 100_000
    await new Promise(setImmediate)
    assert.equal(flooding.units, 8, 'it has been quiet for long enough')
  })
}

test('less is read in a turn while what is read takes long, and as much as before when it does not', async () => {
  let now = 0
  const turns = new Turns(rates, () => now)
  const read = async (took: number): Promise<number> => {
    const units = flood(new Turn(turns, () => undefined)) - 8
    now += took
    // One for the end of the turn, and one for the look at what it took.
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    return units
  }
  const all = await read(30)
  assert.ok(await read(30) < all / 3)
  for (let i = 0; i < 5; i++) await read(30)
  assert.ok(await read(1) <= 2, 'at worst one at a time')
  for (let i = 0; i < 255; i++) await read(1)
  assert.equal(await read(1), all)
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
