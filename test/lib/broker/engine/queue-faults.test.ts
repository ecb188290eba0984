import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, test, type TestContext } from 'node:test'
import { generate, parser as packetParser, type IPublishPacket, type Packet } from 'mqtt-packet'
import { GrantedDelivery } from '../../../../lib/broker/aedes/granted-delivery.ts'
import { Queues } from '../../../../lib/broker/persistence/queues.ts'
import { openBroker, type TestBroker } from '../../../helpers/broker.ts'
import { closing, until } from '../../../helpers/events.ts'
import { rawSocket } from '../../../helpers/raw-client.ts'

// A fault while the queue of a session is sent out: the one connection ends, the process and the others live, and the queue keeps what was not acknowledged.

const fault = (): never => { throw new Error('a fault of ours') }

const uncaught: unknown[] = []
const note = (error: unknown): void => { uncaught.push(error) }
before(() => { process.on('uncaughtException', note).on('unhandledRejection', note) })
after(() => { process.off('uncaughtException', note).off('unhandledRejection', note) })

const queued = ['m0', 'm1', 'm2', 'm3', 'm4']

/** Calls the method of ours, but for the one time that `strikes`, when it does `instead`. */
function strikeOnce <This, Result> (t: TestContext, prototype: This, name: keyof This & string, at: number, instead: () => Result): { struck: () => boolean } {
  const real = prototype[name] as (...args: unknown[]) => Result
  let calls = 0
  t.mock.method(prototype as object, name as never, function (this: This, ...args: unknown[]) {
    return calls++ === at ? instead() : real.apply(this, args)
  } as never)
  return { struck: () => calls > at }
}

/** Makes the first stream of a queue another one. */
function streamOnce (t: TestContext, other: (all: AsyncIterable<object>) => AsyncGenerator<object>): { struck: () => boolean } {
  const real = Queues.prototype.stream
  let calls = 0
  t.mock.method(Queues.prototype, 'stream', function (this: Queues, client: Parameters<Queues['stream']>[0]): Readable {
    const stream = real.call(this, client)
    return calls++ > 0 ? stream : Readable.from(other(stream as AsyncIterable<object>))
  })
  return { struck: () => calls > 0 }
}

const faults: Record<string, (t: TestContext) => { struck: () => boolean }> = {
  'reading the queue fails at its beginning': t => streamOnce(t, async function * () { fault() }),
  'reading the queue fails in the middle of it': t => streamOnce(t, async function * (all) {
    let left = 2
    for await (const packet of all) {
      if (left-- === 0) fault()
      yield packet
    }
  }),
  'there is no queue to read': t => strikeOnce(t, Queues.prototype, 'stream', 0, fault),
  'a message has no form on the wire': t => streamOnce(t, async function * (all) {
    let left = 2
    for await (const packet of all) yield left-- === 0 ? { ...packet, topic: 'x'.repeat(70_000) } : packet
  }),
  'writing down that a message is sent fails': t => strikeOnce(t, Queues.prototype, 'update', 2, async () => fault()),
  'looking whether the client may have a message fails': t => strikeOnce(t, GrantedDelivery.prototype, 'sentFromQueue', 2, fault)
}

interface Session { got: string[], closed: Promise<unknown>, acknowledges: boolean, end (): void }

/** A client with a session that says what it gets. */
async function come (t: TestContext, { port }: TestBroker, acknowledges: boolean): Promise<Session> {
  const socket = await rawSocket(t, port)
  const session: Session = { got: [], closed: new Promise(resolve => socket.once('close', resolve)), acknowledges, end: () => { socket.destroy() } }
  const parser = packetParser()
  parser.on('packet', (packet: Packet) => {
    if (packet.cmd !== 'publish') return
    session.got.push((packet as IPublishPacket).payload.toString())
    if (session.acknowledges) socket.write(generate({ cmd: 'puback', messageId: packet.messageId } as Packet))
  })
  socket.on('data', bytes => { parser.parse(bytes) })
  socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'kept', keepalive: 0, clean: false } as Packet))
  return session
}

async function withQueue (t: TestContext): Promise<TestBroker> {
  const broker = await openBroker(t)
  const kept = await broker.client({ clientId: 'kept', clean: false })
  await kept.subscribeAsync('a', { qos: 1 })
  await kept.endAsync()
  for (const payload of queued) await broker.place.publish({ topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false })
  return broker
}

async function assertOnlyItEnds (broker: TestBroker, gone: Session): Promise<void> {
  await gone.closed
  const other = await broker.client()
  await other.publishAsync('other', 'x', { qos: 1 })
  assert.deepEqual(uncaught.splice(0), [])
}

for (const [what, strike] of Object.entries(faults)) {
  for (const acknowledges of [false, true]) {
    test(`when ${what}, only this connection ends, and nothing is lost from the queue${acknowledges ? ' but what was acknowledged' : ''}`, async t => {
      const broker = await withQueue(t)
      const { struck } = strike(t)
      const first = await come(t, broker, acknowledges)
      await assertOnlyItEnds(broker, first)
      assert.ok(struck())
      const second = await come(t, broker, true)
      await until(() => [...new Set([...acknowledges ? first.got : [], ...second.got])].sort().join(), all => all === queued.join(), 5_000)
      second.end()
    })
  }
}

test('a fault while a message is sent to a client with a session leaves it in the queue', async t => {
  const broker = await openBroker(t)
  const kept = await broker.client({ clientId: 'kept', clean: false })
  await kept.subscribeAsync('a', { qos: 1 })
  const closed = closing(kept)
  const { struck } = strikeOnce(t, GrantedDelivery.prototype, 'sentFromQueue', 0, fault)
  await broker.place.publish({ topic: 'a', payload: Buffer.from('m0'), qos: 1, retain: false })
  await closed
  assert.ok(struck())
  const again = await come(t, broker, true)
  await until(() => again.got.join(), all => all === 'm0', 5_000)
  assert.deepEqual(uncaught.splice(0), [])
})
