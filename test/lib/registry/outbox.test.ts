import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { addUnsettled, claimDelivery, type Delivery, type Unsettled } from '../../../lib/intake/pending-deliveries.ts'
import { attachOutbox, startOutboxes, stopOutboxes, type Outbox, type OutboxHandler } from '../../../lib/registry/outbox.ts'
import { messageArrived } from '../../../lib/registry/travel.ts'

beforeEach(startOutboxes)
afterEach(stopOutboxes)

interface Instance { outbox: Outbox, handler: OutboxHandler, sent: object[] }

function attach (id: string, fails?: Error): Instance {
  const sent: object[] = []
  const handler: OutboxHandler = {
    receive (msg) { sent.push({ received: msg }) },
    send (msg) {
      if (fails !== undefined) throw fails
      sent.push(msg)
    },
    clone: msg => structuredClone(msg)
  }
  return { outbox: attachOutbox(id, handler), handler, sent }
}

/** A delivery that a store has in its hands. */
function delivered () {
  const ends: Array<Error | undefined> = []
  const delivery: Delivery = { id: '', clientId: 'c', username: undefined, qos: 1, retain: false, receivedAt: 0 }
  const entry: Unsettled = { id: '', delivery, owner: {}, since: 0, claims: 0, end: error => { ends.push(error) } }
  addUnsettled(entry)
  return { ends, entry, claim: claimDelivery(delivery.id) }
}

const turns = async (count = 10): Promise<void> => { for (let i = 0; i < count; i++) await nextTurn() }
const nothing = (): void => undefined

test('a message is sent at once, and its delivery is settled when it has passed the wires', async () => {
  const { outbox, sent } = attach(randomUUID())
  const { ends, claim } = delivered()
  outbox.pass({ msg: { a: 1 }, claim, sent: nothing })
  assert.deepEqual(sent, [{ a: 1 }])
  assert.equal(ends.length, 0)
  await turns()
  assert.deepEqual(ends, [undefined])
})

test('what is ready between the stop and the start of the flows is sent by the next instance', async () => {
  const id = randomUUID()
  const first = attach(id)
  stopOutboxes()
  first.outbox.detach(first.handler)
  const { ends, claim } = delivered()
  first.outbox.pass({ msg: { a: 1 }, claim, sent: nothing })
  const second = attach(id)
  // The next instance is there, and those to which it sends may not be.
  first.outbox.pass({ msg: { a: 2 }, claim: undefined, sent: nothing })
  await turns()
  assert.deepEqual([first.sent, second.sent, ends], [[], [], []])
  startOutboxes()
  assert.deepEqual(second.sent, [{ a: 1 }, { a: 2 }])
  await turns()
  assert.deepEqual(ends, [undefined])
})

test('a delivery whose message was on a wire when the flows stopped is given back', async () => {
  const { outbox } = attach(randomUUID())
  const { ends, claim, entry } = delivered()
  outbox.pass({ msg: {}, claim, sent: nothing })
  stopOutboxes()
  await turns()
  assert.deepEqual([ends.length, entry.claims], [0, 0])
})

/** A first message arrives after its turns: those that follow are on their way for longer than their publishers wait. */
async function late ({ outbox, sent }: Instance): Promise<void> {
  const _msgid = randomUUID()
  outbox.pass({ msg: { _msgid }, claim: delivered().claim, sent: nothing })
  await turns()
  messageArrived(_msgid)
  sent.splice(0)
}

test('where messages arrive late, their publishers do not wait, and a stop of the flows sends them once more, as they were', async () => {
  const instance = attach(randomUUID())
  const { outbox, sent } = instance
  await late(instance)
  const { ends, claim } = delivered()
  outbox.pass({ msg: { a: 1 }, claim, sent: nothing })
  await turns()
  assert.deepEqual(ends, [undefined])
  ;(sent[0] as { a: number }).a = 2
  const waiting = delivered()
  outbox.pass({ msg: { a: 3 }, claim: waiting.claim, sent: nothing })
  stopOutboxes()
  startOutboxes()
  // The last one is given back.
  assert.deepEqual([sent, waiting.ends.length, waiting.entry.claims], [[{ a: 2 }, { a: 3 }, { a: 1 }], 0, 0])
  await sleep(300)
  stopOutboxes()
  startOutboxes()
  assert.equal(sent.length, 3)
})

test('of what is on its way for longer than its publishers wait, no more than 8 MB are kept', async () => {
  const instance = attach(randomUUID())
  const { outbox, sent } = instance
  await late(instance)
  for (let i = 0; i < 12; i++) {
    outbox.pass({ msg: { i, payload: 'x'.repeat(125_000) }, claim: undefined, sent: nothing })
    await nextTurn()
  }
  await turns()
  sent.splice(0)
  stopOutboxes()
  startOutboxes()
  assert.deepEqual(sent.map(msg => (msg as { i: number }).i), [5, 6, 7, 8, 9, 10, 11])
})

test('a message without a delivery that was on a wire goes once more, as it was', async () => {
  const id = randomUUID()
  const { outbox, sent } = attach(id)
  outbox.pass({ msg: { a: 1 }, claim: undefined, sent: nothing })
  ;(sent[0] as { a: number }).a = 2
  stopOutboxes()
  startOutboxes()
  assert.deepEqual(sent, [{ a: 2 }, { a: 1 }])
  await turns()
  stopOutboxes()
  startOutboxes()
  assert.equal(sent.length, 2)
})

test('what no instance takes up is settled: it is stored, and nobody is there to send it', () => {
  const { outbox, handler } = attach(randomUUID())
  stopOutboxes()
  outbox.detach(handler)
  const early = delivered()
  const late = delivered()
  outbox.pass({ msg: {}, claim: early.claim, sent: nothing })
  startOutboxes()
  outbox.pass({ msg: {}, claim: late.claim, sent: nothing })
  assert.deepEqual([early.ends, late.ends], [[undefined], [undefined]])
})

test('a message that cannot be sent is reported, and settled all the same', () => {
  const { outbox } = attach(randomUUID(), new Error('no clone'))
  const { ends, claim } = delivered()
  const errors: Array<Error | undefined> = []
  outbox.pass({ msg: {}, claim, sent: error => { errors.push(error) } })
  assert.deepEqual([ends, errors.map(error => error?.message)], [[undefined], ['no clone']])
})

test('what an instance could not deal with is received by the next one, or lost', () => {
  const id = randomUUID()
  const first = attach(id)
  const lost: string[] = []
  stopOutboxes()
  first.outbox.forward({ a: 1 }, () => { lost.push('first') })
  first.outbox.detach(first.handler)
  const second = attach(id)
  startOutboxes()
  assert.deepEqual(second.sent, [{ received: { a: 1 } }])
  stopOutboxes()
  second.outbox.forward({ a: 2 }, () => { lost.push('second') })
  second.outbox.detach(second.handler)
  startOutboxes()
  second.outbox.forward({ a: 3 }, () => { lost.push('late') })
  assert.deepEqual(lost, ['second', 'late'])
})

test('an instance that goes late does not take the next one\'s place away', () => {
  const id = randomUUID()
  const first = attach(id)
  const second = attach(id)
  first.outbox.detach(first.handler)
  second.outbox.pass({ msg: { a: 1 }, claim: undefined, sent: nothing })
  assert.deepEqual(second.sent, [{ a: 1 }])
})
