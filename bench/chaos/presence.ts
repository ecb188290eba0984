import { setTimeout as pause } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { SubscriberReport } from './actors/subscribers.ts'
import type { Violations } from './audit.ts'
import type { Deployment } from './deployments.ts'
import { agentOf, kinds, type Kind, type KindName } from './kinds.ts'

/** Who is connected in the database, and who was said to be gone. */

/** The agents that stay connected until the end. */
export function lastingAgents (publishers: ReadonlyArray<{ kind: KindName, number: number }>): string[] {
  return publishers.filter(({ kind }) => !comesAndGoes(kinds[kind])).map(({ kind, number }) => agentOf(kind, number))
}

/** Those that are not connected in the database although they are there; a last message may be on its way. @param patience ms */
export async function untilThere (db: Knex, agents: string[], patience: number): Promise<string[]> {
  return await until(patience, async () => {
    const connected = new Set(await readConnected(db))
    return agents.filter(uuid => !connected.has(uuid))
  })
}

/**
 * The agents that stay connected in the database although nobody is there any more.
 * @param lasting those that were there in the end
 * @param patience ms; agents of a crash have their grace
 */
export async function untilAbsent (db: Knex, { presence }: Deployment, lasting: string[], patience: number): Promise<string[]> {
  // A broker of its own that is killed forgets last wills; and what is stored of an agent long after its goodbye brings it back until a silence ends it.
  const isOwed = (uuid: string): boolean => presence === undefined || lasting.includes(uuid)
  return await until(patience, async () => (await readConnected(db)).filter(isOwed))
}

/** Each agent that was there in the end left in peace: a subscriber heard its goodbye, and once. */
export function checkGoodbyes ({ clientId, goodbyes }: SubscriberReport, agents: string[], violations: Violations): void {
  for (const uuid of agents) {
    const count = goodbyes.get(uuid) ?? 0
    if (count !== 1) violations.add('an agent that leaves says goodbye once', `${uuid}: ${clientId} heard ${count}`)
  }
}

function comesAndGoes ({ hasty, reconnects }: Kind): boolean {
  return hasty === true || reconnects === true
}

/** The honest publishers that count as connected. */
async function readConnected (db: Knex): Promise<string[]> {
  return await db('agents').where('connected', true).where('uuid', 'like', 'chaos-%').pluck('uuid') as string[]
}

/** What is left of a list that should become empty. */
async function until (patience: number, look: () => Promise<string[]>): Promise<string[]> {
  for (const deadline = Date.now() + patience; ;) {
    const left = await look()
    if (left.length === 0 || Date.now() > deadline) return left
    await pause(1_000)
  }
}
