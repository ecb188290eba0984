import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { elsewhere } from '../dialects/agent-columns.ts'
import type { WriterMark } from '../dialects/dialect.ts'

/** ms between two signs of life. */
export const beatEvery = 30_000
/** ms without one after which a writer is gone. */
const patience = 3 * beatEvery

interface WriterRow { id: string, instance: string, home: string, beat: number | string }

/**
 * The processes that write to one database. Each has a row that it changes for as long as it lives. A machine's name would not do,
 * because a container gets a new one at each start, nor would a clock, because it differs between machines and may be set back.
 */
export class Writers {
  readonly #id = randomUUID()
  readonly #instance: string
  readonly #home: string
  #beat = 0
  /** The last signs of life of each process that has agents, and when they were first seen (monotonic ms). */
  #seen = new Map<string, { beats: string, since: number }>()
  /** The same of each other row. */
  #others = new Map<string, { beats: string, since: number }>()

  /**
   * @param instance this process; agents that are connected to it are written with this name
   * @param home where it runs, such as a user directory: another process that ran there is gone
   */
  constructor (instance: string, home: string) {
    this.#instance = instance
    this.#home = home
  }

  /** The row as `beat` wrote it last. */
  get mark (): WriterMark { return { id: this.#id, beat: this.#beat } }

  /** Write the row: from now on this process writes. */
  async enter (knex: Knex): Promise<void> {
    const beat = this.#next()
    await knex('writers').insert({ id: this.#id, instance: this.#instance, home: this.#home, beat }).onConflict('id').merge()
    this.#beat = beat
  }

  /**
   * Give a sign of life.
   * @returns false when the row is not as this process wrote it last: ids that it remembers may be gone
   */
  async beat (knex: Knex): Promise<boolean> {
    const beat = this.#next()
    const changed = await knex('writers').where(this.mark).update({ beat })
    if (changed === 0) return false
    this.#beat = beat
    return true
  }

  /** Make every other process forget the ids that it remembers: its next batch finds its row changed. */
  async startleOthers (db: Knex): Promise<void> {
    await db('writers').whereNot('id', this.#id).increment('beat', 1)
  }

  #next (): number {
    return (this.#beat + 1 + Math.floor(Math.random() * 1e6)) % Number.MAX_SAFE_INTEGER
  }

  /** Remove the row: this process writes no more. */
  async leave (knex: Knex): Promise<void> {
    await knex('writers').where('id', this.#id).delete()
  }

  /** Whether no other process writes. The row of one that gives no sign of life for long enough is removed. */
  async isAlone (knex: Knex): Promise<boolean> {
    const rows = await knex('writers').whereNot('id', this.#id).select<Array<Pick<WriterRow, 'id' | 'beat'>>>('id', 'beat')
    const now = performance.now()
    const others = new Map<string, { beats: string, since: number }>()
    for (const { id, beat } of rows) {
      const before = this.#others.get(id)
      const since = before?.beats === String(beat) ? before.since : now
      if (now - since >= patience) await knex('writers').where({ id }).delete()
      else others.set(id, { beats: String(beat), since })
    }
    this.#others = others
    return others.size === 0
  }

  /**
   * Look for signs of life of all processes that have agents connected.
   * @param isStart whether a process that ran here before, or that has no row, has had its time to come back
   * @returns the processes that are gone; null stands for agents whose process is unknown
   */
  async gone (knex: Knex, isStart: boolean): Promise<Array<string | null>> {
    const rows = await knex('writers').select('id', 'instance', 'home', 'beat') as WriterRow[]
    const owners = await knex('agents').where('connected', true).distinct().pluck<Array<string | null>>('instance')
    const seen = new Map<string, { beats: string, since: number }>()
    const now = performance.now()
    const gone: Array<string | null> = []
    for (const owner of owners) {
      // The death of a worker says nothing about agents that are connected to a broker elsewhere.
      if (owner === this.#instance || owner === elsewhere) continue
      if (owner === null) {
        if (isStart) gone.push(null)
        continue
      }
      const its = rows.filter(({ instance }) => instance === owner)
      const beats = its.map(({ id, beat }) => `${id} ${beat}`).sort().join()
      const before = this.#seen.get(owner)
      const isSame = before?.beats === beats
      const since = isSame ? before.since : now
      seen.set(owner, { beats, since })
      if (now - since >= patience || (isStart && isSame && its.every(({ home }) => home === this.#home))) gone.push(owner)
    }
    this.#seen = seen
    for (const { id, instance } of rows) if (gone.includes(instance)) await knex('writers').where({ id }).delete()
    return gone
  }
}
