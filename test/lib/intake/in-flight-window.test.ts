import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InFlightWindow } from '../../../lib/intake/in-flight-window.ts'

const large = { sourceBytes: Infinity, totalBytes: Infinity, left: Infinity }

function enter (window: InFlightWindow, id: number, work: () => void, bytes = 0): void {
  if (window.tryEnter(id, bytes)) work()
  else window.wait(id, work, undefined, bytes)
}

test('a source over its limit waits, another does not', () => {
  const window = new InFlightWindow({ perSource: 1, total: 10, ...large })
  const ran: string[] = []
  for (const [source, name] of [[1, 'a1'], [1, 'a2'], [2, 'b1']] as const) enter(window, source, () => { ran.push(name) })
  assert.deepEqual(ran, ['a1', 'b1'])
  assert.deepEqual([window.size, window.waiting], [2, 1])
  window.leave(1)
  assert.deepEqual(ran, ['a1', 'b1', 'a2'])
})

test('room goes to the waiting sources in turn', () => {
  const window = new InFlightWindow({ perSource: 10, total: 1, ...large })
  const ran: string[] = []
  enter(window, 0, () => undefined)
  for (const name of ['a1', 'a2', 'a3']) enter(window, 1, () => { ran.push(name) })
  enter(window, 2, () => { ran.push('b1') })
  for (let i = 0; i < 4; i++) window.leave(i === 0 ? 0 : ran.at(-1)?.startsWith('a') ? 1 : 2)
  assert.deepEqual(ran, ['a1', 'b1', 'a2', 'a3'])
})

test('a source that always has more waiting keeps no other from its turn', () => {
  const window = new InFlightWindow({ perSource: 10, total: 10, ...large })
  const open: number[] = []
  const send = (id: number): void => { enter(window, id, () => { open.push(id) }) }
  for (const greedy of [1, 2]) for (let i = 0; i < 20; i++) send(greedy)
  send(3)
  for (let left = 0; left < 10; left++) {
    const id = open.shift() as number
    window.leave(id)
    send(id)
  }
  assert.ok(open.includes(3), String(open))
})

test('what is large has its turn, however many small ones come', () => {
  const window = new InFlightWindow({ ...large, perSource: 100, total: 100, totalBytes: 100 })
  const open: Array<[number, number]> = []
  const send = (id: number, bytes: number): void => { enter(window, id, () => { open.push([id, bytes]) }, bytes) }
  for (let i = 0; i < 12; i++) send(1, 10)
  send(2, 50)
  for (let left = 0; left < 20 && !open.some(([id]) => id === 2); left++) {
    const [id, bytes] = open.shift() as [number, number]
    window.leave(id, bytes)
    send(id, bytes)
    send(10 + left, bytes)
  }
  assert.ok(open.some(([id]) => id === 2), String(open))
  while (open.length > 0) {
    const [id, bytes] = open.shift() as [number, number]
    window.leave(id, bytes)
  }
  assert.equal(window.waiting, 0)
})

test('nothing is admitted while it is paused, and what waits from a source can be forgotten', () => {
  const window = new InFlightWindow({ perSource: 10, total: 10, ...large })
  const ran: string[] = []
  window.pause()
  enter(window, 1, () => { ran.push('a') })
  enter(window, 2, () => { ran.push('b') })
  assert.equal(window.forget(1), 1)
  assert.deepEqual([ran.length, window.waiting], [0, 1])
  window.resume()
  assert.deepEqual(ran, ['b'])
})

test('what was held for sources that went is free again', () => {
  const window = new InFlightWindow({ perSource: 10, total: 10, ...large })
  window.tryEnter(1)
  window.pause()
  window.wait(2, () => undefined)
  window.leave(1)
  assert.equal(window.forget(2), 1)
  window.resume()
  assert.equal(window.tryEnter(3), true)
})

test('what nobody sends again stays when its source went, as far as the limits, and until it is too old', () => {
  const window = new InFlightWindow({ perSource: 10, total: 3, sourceBytes: 100, totalBytes: 100, left: 3 })
  const [ran, forgotten]: [string[], string[]] = [[], []]
  const wait = (id: number, name: string, bytes: number, comesAgain: boolean): void => {
    window.wait(id, () => { ran.push(name) }, () => { forgotten.push(name) }, bytes, comesAgain)
  }
  window.pause()
  wait(1, 'again', 10, true)
  wait(1, 'once', 60, false)
  wait(2, 'large', 50, true)
  for (const name of ['a', 'b', 'c']) wait(2, name, 10, true)
  assert.equal(window.forget(1), 1)
  assert.equal(window.forget(2, false), 2)
  assert.deepEqual([forgotten, window.waiting], [['again', 'large', 'c'], 3])
  wait(3, 'here', 10, true)
  assert.equal(window.expire(0), 0)
  window.resume()
  assert.deepEqual([ran, window.waits(2)], [['once', 'a', 'here'], true])
  assert.equal(window.expire(Infinity), 1)
  assert.deepEqual([forgotten.at(-1), window.waiting], ['b', 0])
})

test('work that leaves at once makes room for the next', () => {
  const window = new InFlightWindow({ perSource: 1, total: 1, ...large })
  let ran = 0
  window.pause()
  for (let i = 0; i < 100_000; i++) enter(window, i % 3, () => { ran++; window.leave(i % 3) })
  window.resume()
  assert.deepEqual([ran, window.size, window.waiting], [100_000, 0, 0])
})

test('bytes count as well, of one source and of all', () => {
  const window = new InFlightWindow({ perSource: 100, total: 100, sourceBytes: 10, totalBytes: 15, left: 10 })
  const ran: string[] = []
  for (const [source, bytes, name] of [[1, 6, 'a1'], [1, 5, 'a2'], [2, 6, 'b1'], [3, 6, 'c1'], [3, 1, 'c2']] as const) enter(window, source, () => { ran.push(name) }, bytes)
  assert.deepEqual(ran, ['a1', 'b1'])
  assert.deepEqual([window.bytes, window.waiting], [12, 3])
  window.leave(1, 6)
  assert.deepEqual(ran, ['a1', 'b1', 'a2'])
  window.leave(2, 6)
  assert.deepEqual(ran, ['a1', 'b1', 'a2', 'c1', 'c2'])
  assert.equal(window.bytes, 12)
})

test('what is larger than the limits has its turn when nothing else is open', () => {
  const window = new InFlightWindow({ perSource: 100, total: 100, sourceBytes: 10, totalBytes: 15, left: 10 })
  const ran: string[] = []
  enter(window, 1, () => { ran.push('small') }, 1)
  enter(window, 1, () => { ran.push('large') }, 100)
  enter(window, 1, () => { ran.push('next') }, 1)
  window.leave(1, 1)
  assert.deepEqual(ran, ['small', 'large'])
  window.leave(1, 100)
  assert.deepEqual(ran, ['small', 'large', 'next'])
})
