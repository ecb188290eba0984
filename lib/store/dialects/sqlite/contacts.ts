import type { Knex } from 'knex'
import type { SeenRow } from '../dialect.ts'
import { connectedAfterMessage, connectedSinceMessage, newest, usualIntervalAfter, type PresenceWords } from '../presence.ts'

/** What an agent said since its row was written. */
interface Contact {
  instance: string
  /** When it was heard, and the newest timestamp of its messages then. */
  times: Array<[at: number, spokeAt: number]>
}

/** The row of an agent. */
interface Heard { id: number, came_at: number | null, left_at: number | null, spoke_at: number | null, usual_interval: number | null }

/** When agents were heard, each time that this would have been written. */
export class Contacts {
  readonly #contacts = new Map<number, Contact>()

  get size (): number { return this.#contacts.size }

  add ([id, lastSeenAt, instance, spokeAt]: SeenRow): void {
    const contact = this.#contacts.get(id)
    if (contact === undefined) this.#contacts.set(id, { instance, times: [[lastSeenAt, spokeAt]] })
    else {
      contact.instance = instance
      contact.times.push([lastSeenAt, spokeAt])
    }
  }

  /** The agents that were heard last before a time. */
  before (time: number): number[] {
    return [...this.#contacts].filter(([, { times }]) => times.every(([at]) => at < time)).map(([agent]) => agent)
  }

  delete (agent: number): void {
    this.#contacts.delete(agent)
  }

  of (agent: number): Array<[agent: number, contact: Contact]> {
    const contact = this.#contacts.get(agent)
    return contact === undefined ? [] : [[agent, contact]]
  }

  [Symbol.iterator] (): Iterator<[agent: number, contact: Contact]> {
    return this.#contacts.entries()
  }
}

const ofAgents: PresenceWords = { given: column => column, there: column => column }

/** Rows as `[[id, last seen at, instance, spoke at, usual interval, connected at], …]`. A process that heard the agent later has it. */
const update = `
  update agents set last_seen_at = max(last_seen_at, seen.value->>1), instance = iif(seen.value->>1 >= last_seen_at, seen.value->>2, instance),
    connected_at = ${connectedSinceMessage('seen.value->>3', 'seen.value->>5', ofAgents)}, connected = ${connectedAfterMessage('seen.value->>3', ofAgents)},
    usual_interval = seen.value->>4, spoke_at = ${newest('spoke_at', 'seen.value->>3')}
  from json_each(?) as seen where agents.id = seen.value->>0`

/** Write them in a transaction, as if each had been written when it came. */
export async function writeContacts (db: Knex, contacts: Array<[agent: number, contact: Contact]>): Promise<void> {
  if (contacts.length === 0) return
  const byAgent = new Map(contacts)
  const rows = await db('agents').whereRaw('id in (select value from json_each(?))', [JSON.stringify([...byAgent.keys()])])
    .select<Heard[]>('id', 'came_at', 'left_at', 'spoke_at', 'usual_interval')
  await db.raw(update, [JSON.stringify(rows.map(row => [row.id, ...summary(row, byAgent.get(row.id) as Contact)]))])
}

/** What comes of an agent's row by one contact after the other. */
function summary ({ came_at: cameAt, left_at: leftAt, spoke_at: before, usual_interval: usualBefore }: Heard, { instance, times }: Contact): Array<string | number | null> {
  let [lastSeenAt, newestAt, spoke, usual] = [-1, -1, before, usualBefore]
  // Those that are newer than this show that it is connected; where another process found that it is not, the first of them counts.
  const silentTo = Math.max(before ?? -1, cameAt ?? leftAt ?? -1)
  let since: number | undefined
  for (const [at, ts] of times) {
    lastSeenAt = Math.max(lastSeenAt, at)
    newestAt = Math.max(newestAt, ts)
    usual = usualIntervalAfter(ts, spoke, usual)
    if (ts > (spoke ?? -1)) spoke = ts
    if (ts > silentTo) since ??= at
  }
  return [lastSeenAt, instance, newestAt, usual, since ?? lastSeenAt]
}
