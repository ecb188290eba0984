import type { Knex } from 'knex'
import { kindOf } from '../database-kind.ts'
import type { LatestRow, MessageRow, Pending, SeenRow, WriterMark } from '../dialect.ts'
import { connectedAfterMessage, connectedSinceMessage, newest, usualIntervalAfter, type PresenceWords } from '../presence.ts'
import { agentsPerBlock } from './blocks.ts'
import { derive, marksOf } from './derive.ts'
import { jsonOfNewest, noWriter, raiseNewest } from './statements.ts'

/** Metrics after which their newest values are written: after a crash so many, and a batch, have to be looked at. */
const mostMetrics = 500_000
/** Characters of a text that waits: a longer one takes memory, and costs its pages anyway. */
const mostText = 256

/** What an agent said since its row was written. */
interface Contact {
  instance: string
  /** When it was heard, and the newest timestamp of its messages then. */
  times: Array<[at: number, spokeAt: number]>
}

/** The row of an agent. */
interface Heard { id: number, came_at: number | null, left_at: number | null, spoke_at: number | null, usual_interval: number | null }

const ofAgents: PresenceWords = { given: column => column, there: column => column }

/** Rows as `[[id, last seen at, instance, spoke at, usual interval, connected at], …]`. A process that heard the agent later has it. */
const updateContacts = `
  update agents set last_seen_at = max(last_seen_at, seen.value->>1), instance = iif(seen.value->>1 >= last_seen_at, seen.value->>2, instance),
    connected_at = ${connectedSinceMessage('seen.value->>3', 'seen.value->>5', ofAgents)}, connected = ${connectedAfterMessage('seen.value->>3', ofAgents)},
    usual_interval = seen.value->>4, spoke_at = ${newest('spoke_at', 'seen.value->>3')}
  from json_each(?) as seen where agents.id = seen.value->>0`

/** Newest values and times of contact that wait in memory. `pending_blocks` says where to look for them after a crash. */
export class PendingRows implements Pending {
  readonly #latest = new Map<number, LatestRow>()
  readonly #contacts = new Map<number, Contact>()
  #metrics = 0
  #isAlone = true
  /** Whose mark is in `pending_blocks`. */
  #writer = ''

  get isThere (): boolean { return this.#latest.size > 0 || this.#contacts.size > 0 }

  /** Whether no other process writes, as far as is known: what one of them says about an agent counts for the other at once. */
  get isAlone (): boolean { return this.#isAlone }

  get isMuch (): boolean { return this.#metrics > mostMetrics }

  /** Which of these may wait. @param settled messages that are not among those in which they would be found again */
  static choose (latest: LatestRow[], settled: MessageRow[]): { now: LatestRow[], later: LatestRow[] } {
    const lost = new Set<number>()
    for (const row of settled) for (let i = 2; i < row.length; i += 2) lost.add(row[i] as number)
    const now: LatestRow[] = []
    const later: LatestRow[] = []
    for (const row of latest) (lost.has(row[0]) || (typeof row[3] === 'string' && row[3].length > mostText) ? now : later).push(row)
    return { now, later }
  }

  /** Where what these messages say is to be looked for: `[[block, ts], …]`. */
  static marks (messages: MessageRow[], agents: number[]): Array<[block: number, ts: number]> {
    const first = new Map<number, number>()
    for (let i = 0; i < agents.length; i++) {
      const block = Math.floor(agents[i] as number / agentsPerBlock)
      const ts = (messages[i] as MessageRow)[0]
      const before = first.get(block)
      if (before === undefined || ts < before) first.set(block, ts)
    }
    return [...first]
  }

  /** These were committed. @param messages those in which they would be found again */
  add (latest: LatestRow[], seen: SeenRow[], messages: MessageRow[]): void {
    for (const row of latest) {
      const before = this.#latest.get(row[0])
      if (before === undefined || row[1] > before[1] || (row[1] === before[1] && row[2] > before[2])) this.#latest.set(row[0], row)
    }
    for (const [id, lastSeenAt, instance, spokeAt] of seen) {
      const contact = this.#contacts.get(id)
      if (contact === undefined) this.#contacts.set(id, { instance, times: [[lastSeenAt, spokeAt]] })
      else {
        contact.instance = instance
        contact.times.push([lastSeenAt, spokeAt])
      }
    }
    for (const { length } of messages) this.#metrics += (length - 2) / 2
  }

  async write (db: Knex, writer: Pick<WriterMark, 'id'>): Promise<void> {
    if (!this.isThere) return
    if (db.isTransaction !== true) return await kindOf(db).transact(db, tx => this.write(tx, writer))
    // First, because it writes: whoever reads first does not wait for another process, but fails.
    await db('pending_blocks').where('writer', writer.id).delete()
    if (await db('writers').where(writer).first('id') === undefined) throw new Error(noWriter)
    await db.raw(raiseNewest('?'), [jsonOfNewest([...this.#latest.values()])])
    await this.#writeContacts(db)
  }

  async #writeContacts (db: Knex): Promise<void> {
    if (this.#contacts.size === 0) return
    const rows = await db('agents').whereRaw('id in (select value from json_each(?))', [JSON.stringify([...this.#contacts.keys()])])
      .select<Heard[]>('id', 'came_at', 'left_at', 'spoke_at', 'usual_interval')
    const contacts = rows.map(row => [row.id, ...summary(row, this.#contacts.get(row.id) as Contact)])
    await db.raw(updateContacts, [JSON.stringify(contacts)])
  }

  written (): void {
    this.#latest.clear()
    this.#contacts.clear()
    this.#metrics = 0
  }

  /** Messages of a block, those before `end`, are about to be removed from where what they say would be found again. In that transaction. */
  async beforeRemoval (db: Knex, block: number, end: number): Promise<void> {
    await this.write(db, { id: this.#writer })
    for (const mark of await marksOf(db, block)) if (mark.ts < end && mark.writer !== this.#writer) await derive(db, { ...mark, end, isDone: false })
  }

  /** Another process writes too. */
  async join (db: Knex, writer: WriterMark): Promise<void> {
    this.#isAlone = false
    await this.write(db, writer)
    this.written()
  }

  async opened (knex: Knex, writer: WriterMark): Promise<void> {
    this.#writer = writer.id
    if (await knex('writers').where(writer).first('id') === undefined) this.written()
  }

  async recover (knex: Knex, isAlone: boolean): Promise<void> {
    this.#isAlone = isAlone
    for (const mark of await marksOf(knex)) {
      const isOwn = mark.writer === this.#writer
      // That of a process which seems to live stays: it may be dead.
      if (!isOwn || !this.isThere) await derive(knex, { ...mark, isDone: isOwn || mark.isOrphan })
    }
  }
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
