import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Alerts } from '../../lib/alerts/alerts.ts'
import { alertRules } from '../../lib/alerts/rules/alert-rule.ts'
import { savedRuleDefaults } from '../../lib/alerts/rules/saved-rule.ts'
import type { AlertsState } from '../../lib/alerts/terms.ts'
import type { Message } from '../../lib/messages/parse.ts'
import { topics } from '../../lib/messages/topics.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { Store } from '../../lib/store/store.ts'

/** What judging costs; a median of its rounds. */
export interface StateFigures {
  states: number
  /** µs of CPU that the alerts take for a stored message, other threads of the process included. */
  perMessage: number
  /** ms until a process that begins watches all of them, and MB that they take. */
  startMs: number
  megabytes: number
  /** Rows of `alert_states` after that. */
  written: number
}

const typesOfAgent = 5
/** Messages a round; each has a value of each type, and one in a thousand raises or ends an alert. */
const messages = 100_000

/** Measures a message of five metrics with so many states: a rule for each series, and no news and agent gone for each agent. */
export async function measureStates (states: number, rounds = 5): Promise<StateFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'platziverse-alerts-'))
  const store = new Store(dialectOf({ client: 'sqlite', filename: join(folder, 'alerts.sqlite') }), { instance: 'bench' })
  const agents = Math.round(states / (typesOfAgent + 2))
  const start = Date.now()
  const messageOf = (i: number, round: number, value: number): Message => ({
    kind: 'message',
    topic: topics.message,
    payload: { agent: { uuid: `agent-${i}`, name: `Agent ${i}` }, metrics: Array.from({ length: typesOfAgent }, (_, type) => ({ type: `type-${type}`, value })), timestamp: start + round * 1000 }
  })
  try {
    for (let i = 0; i < agents; i += 1000) {
      await Promise.all(Array.from({ length: Math.min(1000, agents - i) }, (_, n) => new Promise<void>((resolve, reject) => {
        store.write(messageOf(i + n, 0, 20), start, error => { if (error === null) resolve(); else reject(error) })
      })))
    }
    global.gc?.()
    const before = process.memoryUsage().heapUsed
    const states: AlertsState[] = []
    const rules = [
      { ...savedRuleDefaults, id: 'hot', name: 'hot', types: 'type-*', value: 90, end: 80 },
      { ...savedRuleDefaults, id: 'silent', name: 'silent', condition: 'noNews' as const, value: 3600 },
      { ...savedRuleDefaults, id: 'gone', name: 'gone', condition: 'agentGone' as const }
    ]
    const alerts = new Alerts(store, {
      node: 'bench',
      rules: alertRules(rules),
      maintenance: [],
      digest: { more: 10, within: 60_000 },
      announce: () => undefined,
      state: now => { states.push(now) },
      failed: error => { throw error }
    })
    const began = performance.now()
    alerts.start()
    while (!states.includes('watching')) await pause(5)
    const startMs = performance.now() - began
    const { watched } = alerts.count()
    global.gc?.()
    const megabytes = (process.memoryUsage().heapUsed - before) / 1e6
    const took: number[] = []
    for (let round = 1; round <= rounds; round++) {
      // As the store tells of a commit: a batch of a few hundred.
      const batches = Array.from({ length: messages / 500 }, (_, batch) => Array.from({ length: 500 }, (_, n) => {
        const i = (batch * 500 + n) % agents
        return { message: messageOf(i, round * 1000 + Math.floor((batch * 500 + n) / agents), (batch * 500 + n) % 1000 === 0 ? 99 : 20), seq: round }
      }))
      const from = process.cpuUsage()
      for (const batch of batches) store.feed.tell(batch)
      const { user, system } = process.cpuUsage(from)
      took.push((user + system) / messages)
      await pause(200)
    }
    const db = await store.read()
    const written = (await db('alert_states').count({ n: '*' }).first<{ n: number }>()).n
    await alerts.close()
    return { states: watched, perMessage: took.sort((a, b) => a - b)[Math.floor(rounds / 2)] as number, startMs, megabytes, written }
  } finally {
    await store.close()
    await rm(folder, { recursive: true })
  }
}
