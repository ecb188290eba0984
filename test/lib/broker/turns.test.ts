import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turn, Turns } from '../../../lib/broker/turns.ts'

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
  assert.ok(units < 20 * 8 + 2 * 128, `${units} units`)
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
