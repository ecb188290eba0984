import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { connectAsync } from 'mqtt'
import type { HostileKind } from '../../../fixtures/hostile-publisher.ts'
import { files, type Database } from '../../../helpers/databases.ts'
import { until } from '../../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { remoteOptions } from '../../../helpers/remote-broker.ts'
import { openWorker } from '../../../helpers/worker.ts'
import { day } from '../../../../lib/time.ts'

// What one publisher that may publish on agent/+ alone can do to the others: docs/scaling.md has the figures.

const perSecond = 200
/** ms of each attack. */
const length = 1_000
/** Megabytes that an attack may leave behind, of heap and buffers. */
const most = 100

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function used (): number {
  collect()
  return process.memoryUsage().heapUsed + process.memoryUsage().external
}

interface Figures { stored: number, p50: number, p99: number, megabytes: number }

/** Honest agents send at a steady rate for as long as `attack` lasts; resolves once each of their messages is stored. */
async function honestDuring (t: TestContext, attack: (url: string) => Promise<void>): Promise<Figures> {
  const { port } = await openMosquitto(t, 'allow_anonymous true\nacl_file FOLDER/acl\nmax_queued_messages 0', { acl: 'topic write agent/+\n\nuser worker\ntopic readwrite #\n' })
  const url = `mqtt://127.0.0.1:${port}`
  const database = await (files[0] as Database).open(t)
  const worker = await openWorker(t, remoteOptions(url, { username: 'worker' }), database)
  const sent: number[] = []
  const delays: number[] = []
  const write = worker.store.write.bind(worker.store)
  // Not a mock of node:test, which keeps the arguments of every call.
  worker.store.write = (message, receivedAt, done, ...more) => {
    write(message, receivedAt, (error, stored) => {
      const { agent, seq } = message.payload as { agent: { uuid: string }, seq?: number }
      if (error === null && agent.uuid.startsWith('honest') && seq !== undefined) delays.push(performance.now() - (sent[seq] as number))
      done(error, stored)
    }, ...more)
  }
  const honest = await connectAsync(url)
  t.after(() => honest.endAsync(true))
  const before = used()
  const started = performance.now()
  const timer = setInterval(() => {
    for (const due = (performance.now() - started) * perSecond / 1000; sent.length < due;) {
      const seq = sent.push(performance.now()) - 1
      honest.publish('agent/message', JSON.stringify({ agent: { uuid: `honest-${seq % 4}` }, metrics: [{ type: 'cpu', value: seq }], timestamp: Date.now(), seq }), { qos: 1 })
    }
  }, 5)
  try {
    await attack(url)
  } finally {
    clearInterval(timer)
  }
  await until(() => delays.length, count => count === sent.length, 100_000)
  const megabytes = Math.round((used() - before) / 1e6)
  const [{ count } = { count: 0 }] = await database.query('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').where('uuid', 'like', 'honest-%').count('* as count')
  assert.equal(Number(count), sent.length, 'each honest message is stored once')
  assert.equal(worker.place.statistics().connections, 1, 'the worker keeps its connection')
  delays.sort((a, b) => a - b)
  const at = (share: number): number => delays[Math.floor(delays.length * share)] as number
  return { stored: worker.store.statistics().messages - sent.length, p50: at(0.5), p99: at(0.99), megabytes }
}

function attack (kind: HostileKind): void {
  test(kind, { skip: withoutMosquitto, timeout: 120_000 }, async t => {
    let published = 0
    const figures = await honestDuring(t, async url => {
      const thread = new Worker(new URL('../../../fixtures/hostile-publisher.ts', import.meta.url), { workerData: { url, kind } })
      t.after(() => thread.terminate())
      await once(thread, 'message')
      await pause(length)
      thread.postMessage('over')
      ;[published] = await once(thread, 'message') as [number]
    })
    t.diagnostic(`${published} published, ${figures.stored} of them stored; others' p50 ${figures.p50.toFixed(0)} ms, p99 ${figures.p99.toFixed(0)} ms; ${figures.megabytes} MB`)
    assert.ok(figures.megabytes < most, `${figures.megabytes} MB were left behind`)
  })
}

test('nobody attacks', { skip: withoutMosquitto }, async t => {
  const { p50, p99 } = await honestDuring(t, () => pause(length))
  t.diagnostic(`p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`)
})

attack('messages of QoS 1')
attack('messages of QoS 0, as fast as the broker reads')
attack('payloads of 16 MB')
attack('payloads that unfold to 8 MB')
attack('JSON nested 400 times')
attack('payloads that are rejected')
attack('topics of 65,506 bytes')
attack('retained messages on thousands of topics')
attack('a new agent in each message')
attack('1,000 new series in each message')
attack('each message of another hour of nine years')
attack('the same metric again and again, with another value')
attack('goodbyes of agents that are not there')
attack('agents that come and go')
attack('last wills')

// Whoever may publish on agent/+ may speak for every agent there: the broker does not say who published.
test('a forged goodbye lasts as long as agent-in lets times be ahead, and of an agent that gives no times until it connects again', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t)
  const database = await (files[0] as Database).open(t)
  await openWorker(t, remoteOptions(`mqtt://127.0.0.1:${port}`), database, { past: 10 * 365 * day, future: day, outside: 'reject', numericText: false })
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
  t.after(() => client.endAsync(true))
  const now = Date.now()
  let marks = 0
  /** Publishes, and resolves with whether the agent is connected once that is stored. */
  const isConnected = async (kind: string, more: object = {}): Promise<boolean> => {
    await client.publishAsync(`agent/${kind}`, JSON.stringify({ agent: { uuid: 'victim' }, ...more }), { qos: 1 })
    const uuid = `mark ${++marks}`
    await client.publishAsync('agent/connected', JSON.stringify({ agent: { uuid } }), { qos: 1 })
    await until(() => database.query('agents').where({ uuid }).catch(() => []), rows => rows.length === 1)
    const [row] = await database.query('agents').where({ uuid: 'victim' })
    return Boolean(row.connected)
  }
  const metrics = [{ type: 'cpu', value: 1 }]
  assert.equal(await isConnected('message', { metrics, timestamp: now }), true)
  // Further ahead than is allowed.
  assert.equal(await isConnected('disconnected', { timestamp: now + 2 * day }), true)
  assert.equal(await isConnected('disconnected', { timestamp: now + day / 2, seq: Number.MAX_SAFE_INTEGER }), false)
  assert.equal(await isConnected('message', { metrics, timestamp: now + 1_000 }), false)
  assert.equal(await isConnected('message', { metrics, timestamp: now + day / 2 + 1 }), true, 'what the agent says half a day later counts')
  // As if it had given times.
  assert.equal(await isConnected('connected', { timestamp: now + day * 0.8 }), true)
  assert.equal(await isConnected('disconnected', { timestamp: now + day * 0.9 }), false)
  assert.equal(await isConnected('message', { metrics, timestamp: now + day * 0.95 }), false)
  assert.equal(await isConnected('connected'), true, 'its next start counts')
})
