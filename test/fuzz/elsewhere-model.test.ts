import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Settle, Taker } from '../../lib/broker/publication.ts'
import { Consumer } from '../../lib/broker/remote/consumer.ts'
import { resolveRemoteOptions } from '../../lib/broker/remote/settings.ts'
import { agentsTask } from '../../lib/broker/remote/tasks.ts'
import { Problems } from '../../lib/problems.ts'
import { remoteOptions } from '../helpers/remote-broker.ts'
import { scriptedBroker, type Peer, type ScriptedBroker } from '../helpers/scripted-broker.ts'
import { holds } from './fuzz.ts'

// A worker beside a model of what it owes its broker: what is acknowledged was settled, in the order of receipt, and all that is settled is acknowledged.

type Step =
  | { step: 'publish', count: number, topic: string }
  | { step: 'settle' | 'reject' | 'repeat', which: number }
  | { step: 'wait' }
  | { step: 'cut', isKept: boolean, ids: 'same' | 'new', settled: number }
  | { step: 'replace', settled: number }

const which = fc.nat(20)
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ step: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 5 }), topic: fc.constantFrom('agent/message', 'agent/message', 'agent/other') }) },
  { weight: 6, arbitrary: fc.record({ step: fc.constantFrom('settle' as const, 'settle' as const, 'settle' as const, 'reject' as const, 'repeat' as const), which }) },
  fc.record({ step: fc.constant('wait' as const) }),
  { weight: 2, arbitrary: fc.record({ step: fc.constant('cut' as const), isKept: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)), ids: fc.constantFrom('same' as const, 'new' as const), settled: fc.nat(2) }) },
  fc.record({ step: fc.constant('replace' as const), settled: fc.nat(1) })
)

/** ms */
const patience = 10_000

/** A message that the broker keeps. */
interface Kept { name: string, packetId: number, isTaken: boolean }

class Model {
  readonly #broker: ScriptedBroker
  readonly #clientId: string
  readonly #receiveMaximum: number
  readonly #tick: (ms: number) => void
  #consumer: Consumer
  /** In the order in which they were sent on this connection. */
  #unacknowledged: Kept[] = []
  /** What the flow has of the worker that is there, and what it gave back. */
  #held = new Map<string, Settle>()
  #rejected = new Set<string>()
  #settled = new Set<string>()
  #faults: string[] = []
  #count = 0
  #packetId = 0
  /** Messages of QoS 0 that came: what was sent before them is here, too. */
  #fences = 0

  constructor (broker: ScriptedBroker, clientId: string, receiveMaximum: number, tick: (ms: number) => void) {
    this.#broker = broker
    this.#clientId = clientId
    this.#receiveMaximum = receiveMaximum
    this.#tick = tick
    this.#consumer = this.#open()
  }

  get #peer (): Peer { return this.#broker.consumers.findLast(({ connect }) => connect.clientId === this.#clientId) as Peer }

  get #connections (): number { return this.#broker.consumers.filter(({ connect }) => connect.clientId === this.#clientId).length }

  #open (): Consumer {
    const held = this.#held = new Map()
    this.#rejected.clear()
    this.#settled.clear()
    const taker: Taker = {
      takes: topic => {
        if (topic === 'fence') this.#fences++
        return topic === 'agent/message'
      },
      take: ({ payload }, settle) => {
        const name = payload.toString()
        if (held.has(name) && held === this.#held) this.#faults.push(`${name} was given twice`)
        this.#rejected.delete(name)
        // Of what a connection left, a worker remembers no more than its window.
        if (this.#settled.delete(name) && this.#receiveMaximum > 100) this.#faults.push(`${name} was given again, and is settled`)
        held.set(name, settle)
      },
      gone: () => undefined
    }
    const settings = resolveRemoteOptions(remoteOptions(this.#broker.url, { version: '3.1.1', clientId: this.#clientId, receiveMaximum: this.#receiveMaximum }))
    const consumer = new Consumer(agentsTask(taker, settings), settings.filters, settings, new Problems(() => undefined), () => undefined)
    consumer.open()
    return consumer
  }

  /** @param isKept whether the broker still has the session */
  async connected (count: number, isKept: boolean, ids: 'same' | 'new'): Promise<void> {
    await this.#until(() => {
      this.#tick(30_000)
      return this.#connections === count
    }, 'a connection')
    const peer = this.#peer
    peer.send({ cmd: 'connack', sessionPresent: isKept, returnCode: 0 })
    if (!isKept) this.#unacknowledged = []
    if (ids === 'new') this.#packetId = 0
    for (const kept of this.#unacknowledged) {
      if (ids === 'new') kept.packetId = ++this.#packetId
      this.#send(kept, true)
    }
    peer.on(packet => {
      if (packet.cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 1) })
      if (packet.cmd === 'puback') this.#acknowledged(packet.messageId)
    })
    await this.#until(() => this.#consumer.state.state === 'connected' || this.#isFull, 'SUBACK')
    await this.rest()
  }

  get #isFull (): boolean { return this.#unacknowledged.length >= this.#receiveMaximum }

  #send ({ name, packetId, isTaken }: Kept, dup: boolean): void {
    this.#peer.send({ cmd: 'publish', topic: isTaken ? 'agent/message' : 'agent/other', payload: name, qos: 1, messageId: packetId, dup, retain: false })
  }

  #acknowledged (packetId = -1): void {
    const first = this.#unacknowledged.shift()
    if (first?.packetId !== packetId) this.#faults.push(`PUBACK ${packetId} in the turn of ${first?.packetId ?? 'none'}`)
    else if (first.isTaken && !this.#settled.has(first.name)) this.#faults.push(`PUBACK of ${first.name}, which is not settled`)
  }

  /** Until everything has come of what happened. */
  async rest (): Promise<void> {
    const isSettled = ({ name, isTaken }: Kept): boolean => !isTaken || this.#settled.has(name)
    await this.#until(() => this.#unacknowledged[0] === undefined || !isSettled(this.#unacknowledged[0]), 'PUBACK of what is settled')
    // What is beyond the window may wait.
    await this.#until(() => this.#unacknowledged.slice(0, this.#receiveMaximum).every(kept => isSettled(kept) || this.#held.has(kept.name) || this.#rejected.has(kept.name)), 'delivery')
    assert.deepEqual(this.#faults, [])
  }

  async #until (test: () => boolean, what: string): Promise<void> {
    const end = performance.now() + patience
    while (!test()) {
      assert.ok(performance.now() < end, `no ${what}: ${JSON.stringify([this.#unacknowledged, [...this.#held.keys()], [...this.#settled]])}`)
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  #settle (which: number, error?: Error): void {
    const [name, settle] = [...this.#held][which % Math.max(1, this.#held.size)] ?? []
    if (name === undefined || settle === undefined) return
    this.#held.delete(name)
    if (error === undefined) this.#settled.add(name)
    else this.#rejected.add(name)
    settle(error)
    settle()
  }

  async take (step: Step): Promise<void> {
    if (step.step === 'publish') {
      for (let i = 0; i < step.count; i++) {
        const kept = { name: `message ${this.#count++}`, packetId: ++this.#packetId, isTaken: step.topic !== 'agent/other' }
        this.#unacknowledged.push(kept)
        this.#send(kept, false)
      }
    } else if (step.step === 'settle') this.#settle(step.which)
    else if (step.step === 'reject') this.#settle(step.which, new Error('not now'))
    else if (step.step === 'wait') this.#tick(2_000)
    else if (step.step === 'repeat') {
      const kept = this.#unacknowledged[step.which % Math.max(1, this.#unacknowledged.length)]
      if (kept === undefined || this.#receiveMaximum < 100) return
      // As NATS does while it waits for an acknowledgement; not after it.
      this.#send(kept, true)
      const fences = this.#fences
      this.#peer.send({ cmd: 'publish', topic: 'fence', payload: '', qos: 0, dup: false, retain: false })
      await this.#until(() => this.#fences > fences, 'fence')
    } else if (step.step === 'cut') {
      const before = this.#connections
      // A worker that reads nothing does not see the end before it reads again.
      while (this.#isFull) {
        this.#tick(2_000)
        this.#settle(0)
        await this.rest()
      }
      this.#peer.socket.resetAndDestroy()
      // What it acknowledges before it sees the end is lost, and comes again.
      await this.#until(() => this.#consumer.state.state !== 'connected', 'end of the connection')
      for (let i = 0; i < step.settled; i++) this.#settle(i)
      await this.connected(before + 1, step.isKept, step.ids)
    } else if (step.step === 'replace') {
      const before = this.#connections
      const old = this.#held
      await this.close()
      this.#consumer = this.#open()
      // What a worker that is gone had counts no more.
      for (const settle of [...old.values()].slice(0, step.settled)) settle()
      await this.connected(before + 1, true, 'same')
    }
    await this.rest()
  }

  /** Everything is settled in the end, and nothing keeps a place. */
  async end (): Promise<void> {
    await this.#until(() => {
      this.#tick(2_000)
      while (this.#held.size > 0) this.#settle(0)
      return this.#unacknowledged.length === 0
    }, 'end')
    assert.deepEqual(this.#faults, [])
    assert.equal(this.#consumer.unacknowledged, 0)
  }

  async close (): Promise<void> {
    const closed = this.#consumer.close()
    // One that reads nothing does not see the broker's end.
    this.#tick(1_000)
    await closed
  }
}

test('whatever happens to a worker of a broker elsewhere, what is settled is acknowledged, in the order of receipt, and nothing else is', async t => {
  const broker = await scriptedBroker(t, () => undefined)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let number = 0
  await holds(t, fc.asyncProperty(fc.array(steps, { maxLength: 30, size: 'max' }), fc.constantFrom(3, 1_000), async (all, receiveMaximum) => {
    const model = new Model(broker, `worker ${number++}`, receiveMaximum, ms => { t.mock.timers.tick(ms) })
    try {
      await model.connected(1, false, 'new')
      for (const step of all) await model.take(step)
      await model.end()
    } finally {
      await model.close()
    }
  }), 25)
})
