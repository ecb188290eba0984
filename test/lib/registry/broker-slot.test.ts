import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { AgentOwnership } from '../../../lib/broker/agent-ownership.ts'
import type { Arrival } from '../../../lib/broker/arrival.ts'
import type { Broker, BrokerEvents, BrokerStatistics, ListenerState } from '../../../lib/broker/broker.ts'
import type { Delivered, OutgoingPublication, Publication, Subscriber, Taker } from '../../../lib/broker/publication.ts'
import { Intake } from '../../../lib/intake/intake.ts'
import { BrokerSlot } from '../../../lib/registry/broker-slot.ts'
import { brokerOptions } from '../../helpers/broker.ts'

/** An engine that holds no client's connection: all that the contract asks of one, and nothing beyond. */
class OtherEngine extends EventEmitter<BrokerEvents> implements Broker {
  readonly listenerStates: ListenerState[] = [{ state: 'listening', host: '192.0.2.1', port: 1883 }]
  readonly hasSubscribers = true
  readonly owners: AgentOwnership = { mostPerUser: 0, claim: () => 'theirs', mayEnd: () => undefined, forget: async () => undefined, forgetUser: async () => 0 }
  readonly published: OutgoingPublication[] = []
  readonly subscribers = new Set<Subscriber>()
  closed = false
  readonly #taker: Taker

  constructor (taker: Taker) {
    super()
    this.#taker = taker
  }

  statistics (): BrokerStatistics {
    return { clients: 0, clientsByVersion: { '3.1': 0, '3.1.1': 0, '5': 0 }, connections: 0, refused: 0, refusedBy: {}, received: 1, delivered: 0, dropped: 0, droppedBy: {}, cutOff: 0 }
  }

  configure (): void {}

  async publish (publication: OutgoingPublication): Promise<void> {
    this.published.push(publication)
  }

  bring (publication: Publication): Promise<void> {
    return new Promise((resolve, reject) => { this.#taker.take(publication, error => { if (error === undefined) resolve(); else reject(error) }) })
  }

  subscribe (_filter: string, subscriber: Subscriber): () => void {
    this.subscribers.add(subscriber)
    return () => { this.subscribers.delete(subscriber) }
  }

  async * retained (): AsyncGenerator<Delivered> {}

  async close (): Promise<void> {
    this.closed = true
  }
}

test('a slot takes any engine: messages go to the intakes and to subscribers, and there is nothing where it has no clients of its own', async t => {
  const engines: OtherEngine[] = []
  const slot = new BrokerSlot(async taker => {
    const engine = new OtherEngine(taker)
    engines.push(engine)
    return engine
  })
  const topics: string[] = []
  const intake = new Intake({ acknowledge: 'arrival', timeLimit: 1_000, clientWindow: 10, totalWindow: 10 }, () => slot.owners, publication => slot.publish(publication))
  intake.attach({ message: ({ topic }) => { topics.push(topic) }, rejected: () => undefined, unsettled: () => undefined }, { acknowledge: 'arrival', timeLimit: 1_000, clientWindow: 10, totalWindow: 10 })
  t.after(() => { intake.close() })
  slot.intakes.set('agent-in', intake)
  const end = slot.subscribe('#', () => undefined)
  await slot.open(brokerOptions())
  const [engine] = engines as [OtherEngine]

  assert.deepEqual(slot.listener, engine.listenerStates[0])
  await slot.publish({ topic: 'a', payload: '1', qos: 0, retain: false })
  assert.deepEqual(engine.published.map(({ topic }) => topic), ['a'])
  await slot.bring({ topic: 'agent/connected', payload: Buffer.from('{"agent":{"uuid":"u"}}'), qos: 1, retain: false, will: false, connection: undefined })
  assert.deepEqual(topics, ['agent/connected'])
  const { received, messages } = slot.statistics()
  assert.deepEqual([received, messages], [1, 1])
  assert.equal(engine.subscribers.size, 1)
  end()
  assert.equal(engine.subscribers.size, 0)

  const stream = new PassThrough()
  slot.accept(stream, {} as Arrival)
  assert.equal(stream.destroyed, true)
  slot.refused('tls', 'no reason', undefined)
  assert.deepEqual([slot.clients(), slot.control.disconnect('c'), slot.snapshot()], [[], false, undefined])
  assert.deepEqual(await slot.control.endSession('c'), { disconnected: false, ended: false })
  assert.equal(await slot.control.clearRetained('a'), false)
  await slot.close()
  assert.equal(engine.closed, true)
})
