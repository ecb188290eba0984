import type { Knex } from 'knex'
import { kindOf } from '../database-kind.ts'
import type { LatestRow, Later, MessageRow, Pending, WriterMark } from '../dialect.ts'
import { isNewer } from '../metric-columns.ts'
import { agentsPerBlock } from './blocks.ts'
import { Contacts, writeContacts } from './contacts.ts'
import { derive, marksOf } from './derive.ts'
import { jsonOfNewest, noWriter, raiseNewest } from './statements.ts'

/** Metrics after which their newest values are written: after a crash so many, and a batch, have to be looked at. */
const mostMetrics = 500_000
/** Characters of a text that waits: a longer one takes memory, and costs its pages anyway. */
const mostText = 256

/** Rows that are written together, about: senders wait for it. */
const mostRows = 1_000

/** What is pending of a block. */
interface Part {
  latest: Map<number, LatestRow>
  contacts: Contacts
  /** Metrics in which it would be found again. */
  metrics: number
}

/** What `append` adds: messages that say it, and in which it would be found again, with the ids of their agents, and the series whose newest metrics are written. */
interface Added extends Later { messages: MessageRow[], agents: number[], written: ReadonlySet<number> }

const isLong = (value: number | string): boolean => typeof value === 'string' && value.length > mostText

const blockOf = (agent: number): number => Math.floor(agent / agentsPerBlock)

/** Newest values and times of contact that wait in memory, by blocks. `pending_blocks` says where to look for them after a crash. */
export class PendingRows implements Pending {
  #parts = new Map<number, Part>()
  #metrics = 0
  /** Of a transaction that may not be committed. */
  #staged: Added[] = []
  #isAlone = true
  /** Whose mark is in `pending_blocks`. */
  #writer = ''
  readonly #opened: () => void

  /** @param opened called when what is known of the database belongs to another state of it */
  constructor (opened: () => void) {
    this.#opened = opened
  }

  get isThere (): boolean { return this.#parts.size > 0 }

  get isMuch (): boolean { return this.#metrics > mostMetrics }

  /** Whether no other process writes, as far as is known: what one of them says about an agent counts for the other at once. */
  get isAlone (): boolean { return this.#isAlone }

  parts (): number[][] {
    const groups: number[][] = []
    let rows = mostRows
    for (const [block, { latest, contacts }] of this.#parts) {
      if (rows >= mostRows) {
        groups.push([])
        rows = 0
      }
      groups.at(-1)?.push(block)
      rows += latest.size + contacts.size
    }
    return groups
  }

  /**
   * The messages whose newest metrics may not wait.
   * @param settled those among which they would not be found again
   */
  static notWaiting (messages: MessageRow[], settled: MessageRow[]): MessageRow[] {
    return [...messages.filter(row => row.some(isLong)), ...settled]
  }

  /** Where what these messages say is to be looked for: `[[block, ts], …]`. */
  static marks (messages: MessageRow[], agents: number[]): Array<[block: number, ts: number]> {
    const first = new Map<number, number>()
    for (let i = 0; i < agents.length; i++) {
      const block = blockOf(agents[i] as number)
      const ts = (messages[i] as MessageRow)[0]
      const before = first.get(block)
      if (before === undefined || ts < before) first.set(block, ts)
    }
    return [...first]
  }

  /** These are written. @param isCommitted false: they are so with the transaction */
  add (added: Added, isCommitted: boolean): void {
    if (isCommitted) this.#take(added)
    else this.#staged.push(added)
  }

  committed (agents: Iterable<number>): void {
    for (const agent of agents) this.#parts.get(blockOf(agent))?.contacts.delete(agent)
    for (const added of this.#staged) this.#take(added)
    this.#staged = []
  }

  #take ({ messages, agents, written, seen }: Added): void {
    for (let i = 0; i < messages.length; i++) {
      const row = messages[i] as MessageRow
      const part = this.#partOf(agents[i] as number)
      const [ts, seq] = row
      for (let j = 2; j < row.length; j += 2) {
        const id = row[j] as number
        const value = row[j + 1] as number | string
        if (isLong(value) || (written.size > 0 && written.has(id))) continue
        const newest = part.latest.get(id)
        if (newest === undefined) part.latest.set(id, [id, ts, seq, value])
        else if (isNewer(ts, seq, newest)) {
          // In its place: a row of each series and batch would be garbage that has grown old.
          newest[1] = ts
          newest[2] = seq
          newest[3] = value
        }
      }
      const metrics = (row.length - 2) / 2
      part.metrics += metrics
      this.#metrics += metrics
    }
    for (const row of seen) this.#partOf(row[0]).contacts.add(row)
  }

  #partOf (agent: number): Part {
    const block = blockOf(agent)
    let part = this.#parts.get(block)
    if (part === undefined) this.#parts.set(block, part = { latest: new Map(), contacts: new Contacts(), metrics: 0 })
    return part
  }

  async write (db: Knex, writer: Pick<WriterMark, 'id'>, blocks: number[]): Promise<void> {
    if (db.isTransaction !== true) return await kindOf(db).transact(db, tx => this.write(tx, writer, blocks))
    const parts = blocks.flatMap(block => this.#parts.get(block) ?? [])
    if (parts.length === 0) return
    await beginToWrite(db)
    await db('pending_blocks').where('writer', writer.id).whereRaw('block in (select value from json_each(?))', [JSON.stringify(blocks)]).delete()
    await refuseWithout(db, writer)
    await db.raw(raiseNewest('?'), [jsonOfNewest(parts.flatMap(({ latest }) => [...latest.values()]))])
    await writeContacts(db, parts.flatMap(({ contacts }) => [...contacts]))
  }

  written (blocks: number[]): void {
    for (const block of blocks) {
      this.#metrics -= this.#parts.get(block)?.metrics ?? 0
      this.#parts.delete(block)
    }
  }

  heard (): number[][] {
    const agents = this.heardBefore(Infinity)
    return Array.from({ length: Math.ceil(agents.length / mostRows) }, (_, i) => agents.slice(i * mostRows, (i + 1) * mostRows))
  }

  async writeHeard (knex: Knex, writer: Pick<WriterMark, 'id'>, agents: number[]): Promise<void> {
    await kindOf(knex).transact(knex, async db => {
      await beginToWrite(db)
      await refuseWithout(db, writer)
      await this.writeContacts(db, agents)
    })
  }

  heardBefore (time: number): number[] {
    return [...this.#parts.values()].flatMap(({ contacts }) => contacts.before(time))
  }

  async writeContacts (db: Knex, agents: Iterable<number>): Promise<void> {
    // Of a transaction before this one, that was undone.
    this.#staged = []
    const contacts = [...agents].flatMap(agent => this.#parts.get(blockOf(agent))?.contacts.of(agent) ?? [])
    if (contacts.length === 0) return
    await beginToWrite(db)
    await writeContacts(db, contacts)
  }

  /** Messages of a block, those before `end`, are about to be removed from where what they say would be found again. In that transaction. */
  async beforeRemoval (db: Knex, block: number, end: number): Promise<void> {
    await this.write(db, { id: this.#writer }, [block])
    for (const mark of await marksOf(db, block)) if (mark.ts < end && mark.writer !== this.#writer) await derive(db, { ...mark, end, isDone: false })
  }

  /** Another process writes too. */
  async join (db: Knex, writer: WriterMark): Promise<void> {
    this.#isAlone = false
    const parts = this.parts().flat()
    await this.write(db, writer, parts)
    // Otherwise it is written once more.
    if (db.isTransaction !== true) this.written(parts)
  }

  async opened (knex: Knex, writer: WriterMark): Promise<void> {
    this.#writer = writer.id
    this.#opened()
    if (await knex('writers').where(writer).first('id') === undefined) this.written(this.parts().flat())
  }

  async recover (knex: Knex, isAlone: boolean): Promise<void> {
    this.#isAlone = isAlone
    for (const mark of await marksOf(knex)) {
      const isOwn = mark.writer === this.#writer
      // That of a process which seems to live stays: it may be dead.
      if (!isOwn || !this.#parts.has(mark.block)) await derive(knex, { ...mark, isDone: isOwn || mark.isOrphan })
    }
  }
}

/** These ids are of the database in which the writer's mark is. */
async function refuseWithout (db: Knex, writer: Pick<WriterMark, 'id'>): Promise<void> {
  if (await db('writers').where(writer).first('id') === undefined) throw new Error(noWriter)
}

/** Whoever reads first in a transaction, and writes then, does not wait for another process that writes: it fails. */
async function beginToWrite (db: Knex): Promise<void> {
  await db('pending_blocks').where('block', -1).delete()
}
