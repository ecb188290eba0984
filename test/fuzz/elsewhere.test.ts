import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc, { type Arbitrary } from 'fast-check'
import { until, waitFor } from '../helpers/events.ts'
import type { Order, Said, Usage } from '../fixtures/fuzzed-worker.ts'
import { sessions, type Session } from './broker-packets.ts'
import { Conversation, type Hostilities } from './conversation.ts'
import { factor, holds } from './fuzz.ts'

// What a broker elsewhere sends: whatever it is, the worker's process goes on, nothing stalls, nothing is left of a connection, what is acknowledged was
// settled, in the order of receipt, and once the broker is as it should be, everything reaches the flow and the broker.

/** ms of the main thread. */
const longestStall = 200
/** Bytes that the process may keep more than after its first workers. */
const mostKept = 30_000_000

class Workers {
  readonly #child: ChildProcess
  readonly #conversations = new Map<number, Conversation>()
  #count = 0
  #usage: ((usage: Usage) => void) | undefined
  #errors = ''
  faults: string[] = []

  constructor (child: ChildProcess) {
    this.#child = child
    child.stderr?.on('data', bytes => { this.#errors += bytes })
    child.on('message', (said: Said) => {
      if (said.said === 'fault') this.faults.push(said.fault)
      else if (said.said === 'usage') this.#usage?.(said.usage)
      else if (said.said !== 'ready') this.#conversations.get(said.worker)?.hear(said)
    })
  }

  async talk (hostilities: Hostilities): Promise<void> {
    const worker = this.#count++
    const conversation = new Conversation(worker, hostilities, order => { this.#order(order) })
    this.#conversations.set(worker, conversation)
    try {
      await conversation.run()
    } catch (error) {
      throw new Error(`${String(error)}\nFor ${fc.stringify(hostilities)}`, { cause: error })
    } finally {
      this.#conversations.delete(worker)
    }
  }

  /** Fails if the process has ended, or something was thrown that nobody caught. */
  lives (): void {
    assert.ok(this.#child.exitCode === null && this.#child.signalCode === null, `the process of the workers ended: ${this.#errors}`)
    assert.deepEqual(this.faults, [])
  }

  async usage (): Promise<Usage> {
    const answer = new Promise<Usage>(resolve => { this.#usage = resolve })
    this.#order({ order: 'ask' })
    return await answer
  }

  #order (order: Order): void {
    if (this.#child.connected) this.#child.send(order)
  }
}

async function start (t: TestContext): Promise<Workers> {
  const path = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
  const child = fork(path('fuzzed-worker.ts'), [], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], execArgv: ['--expose-gc', '--import', new URL('../fixtures/fast-timers.ts', import.meta.url).href] })
  t.after(() => { child.kill('SIGKILL') })
  const workers = new Workers(child)
  await waitFor<Said>(child, 'message', ({ said }) => said === 'ready')
  return workers
}

const hostilities = (transport: Hostilities['transport']): Arbitrary<Hostilities> => {
  const some: Arbitrary<Session[]> = fc.array(sessions, { maxLength: 3 })
  return fc.record({
    transport: fc.constant(transport), version: fc.constantFrom('auto', '5', '3.1.1'), group: fc.constantFrom('', 'platziverse'), receiveMaximum: fc.constantFrom(3, 20, 1_000), consumer: some, sender: some,
    settling: fc.array(fc.constantFrom('now', 'late', 'fails first'), { minLength: 1, maxLength: 5 })
  })
}

for (const [transport, runs] of [['mqtt', 8], ['ws', 4]] as const) {
  test(`whatever a broker elsewhere sends over ${transport}, the worker goes on, and acknowledges what was settled`, { timeout: 600_000 * Math.max(1, factor) }, async t => {
    const workers = await start(t)
    const quiet: Hostilities = { transport, version: 'auto', group: '', receiveMaximum: 20, consumer: [], sender: [], settling: ['now'] }
    const before = await workers.usage()
    await Promise.all(Array.from({ length: 8 }, () => workers.talk(quiet)))
    const { heap } = await workers.usage()
    let longest = 0
    await holds(t, fc.asyncProperty(fc.array(hostilities(transport), { minLength: 4, maxLength: 8, size: 'max' }), async all => {
      await Promise.all(all.map(one => workers.talk(one)))
      workers.lives()
      const { longest: ms } = await workers.usage()
      longest = Math.max(longest, ms)
      assert.ok(ms < longestStall, `nobody else had a turn for ${ms} ms`)
    }), runs)
    const { sockets, timers } = before
    await until(() => workers.usage(), usage => usage.sockets === sockets && usage.timers === timers && usage.heap < heap + mostKept)
    t.diagnostic(`longest turn of the main thread: ${longest.toFixed(1)} ms`)
  })
}
