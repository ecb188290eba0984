import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import type { WriterMark } from '../dialects/dialect.ts'

/** ms between two signs of life. */
export const beatEvery = 30_000
/** ms without one after which a writer is gone. */
const patience = 3 * beatEvery

interface WriterRow { id: string, instance: string, home: string, beat: number | string }

/**
 * Who writes to one database, known by rows that each writer changes as long as it lives: by no name of a machine, which a
 * container gets anew with each start, and by no clock, which differs between machines and may be set back.
 */
export class Writers {
  readonly #id = randomUUID()
  readonly #instance: string
  readonly #home: string
  #beat = 0
  /** The signs of life of each process that has agents, and since when there is no other (monotonic ms). */
  #seen = new Map<string, { beats: string, since: number }>()

  /**
   * @param instance the process, which the agents that it has connected are written with
   * @param home where it runs, such as a user directory: who ran there before is known to be gone
   */
  constructor (instance: string, home: string) {
    this.#instance = instance
    this.#home = home
  }

  /** What `beat` wrote last. */
  get mark (): WriterMark { return { id: this.#id, beat: this.#beat } }

  /** Say that this one writes, or still does. */
  async beat (knex: Knex): Promise<void> {
    const beat = (this.#beat + 1 + Math.floor(Math.random() * 1e6)) % Number.MAX_SAFE_INTEGER
    await knex('writers').insert({ id: this.#id, instance: this.#instance, home: this.#home, beat }).onConflict('id').merge()
    this.#beat = beat
  }

  /** Say that it does no more. */
  async leave (knex: Knex): Promise<void> {
    await knex('writers').where('id', this.#id).delete()
  }

  /**
   * Look for signs of life of all processes that have agents connected.
   * @param isStart whether whoever ran here before, or has no row, had its time to come back
   * @returns those that are gone; null stands for agents of which no process is known
   */
  async gone (knex: Knex, isStart: boolean): Promise<Array<string | null>> {
    const rows = await knex('writers').select('id', 'instance', 'home', 'beat') as WriterRow[]
    const owners = await knex('agents').where('connected', true).distinct().pluck<Array<string | null>>('instance')
    const seen = new Map<string, { beats: string, since: number }>()
    const now = performance.now()
    const gone: Array<string | null> = []
    for (const owner of owners) {
      if (owner === this.#instance) continue
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
