import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'

/** ms between two signs of life, and ms without one after which a process is gone: as `Writers` has them. */
export const beatEvery = 30_000
const patience = 3 * beatEvery

interface OwnerRow { owner: string, home: string, beat: number | string }

/** Another process takes care of the alerts by now. */
export class OwnerMissing extends Error {}

/**
 * Which process takes care of the alerts of a node: of several that run the same flows on one database, one. No clocks are compared: whoever gives no
 * sign of life for long enough is gone.
 */
export class Ownership {
  readonly #id = randomUUID()
  readonly #node: string
  readonly #home: string
  /** The owner's last sign of life, and when it was first seen (monotonic ms). */
  #seen: { beat: string, since: number } | undefined
  #isStart = true

  /** @param home where this process runs: another process that ran there is gone */
  constructor (node: string, home: string) {
    this.#node = node
    this.#home = home
  }

  /** In a transaction. @returns whether the alerts are this process's from now on */
  async take (db: Knex): Promise<boolean> {
    const mine = { owner: this.#id, home: this.#home }
    const isStart = this.#isStart
    this.#isStart = false
    // Writes before it reads: on SQLite a transaction that has read cannot wait for another process that writes.
    await db('alert_owners').insert({ node: this.#node, ...mine, beat: 0 }).onConflict('node').ignore()
    const row = await db('alert_owners').where({ node: this.#node }).first<OwnerRow | undefined>()
    // The owner left between the two: the next attempt finds no row.
    if (row === undefined) return false
    // Since now, or it could not begin and tries again.
    if (row.owner === this.#id) return true
    const beat = `${row.owner} ${row.beat}`
    if (this.#seen?.beat !== beat) this.#seen = { beat, since: performance.now() }
    // A process that lost its alerts to another one with the same home must not take them back at once, and so on.
    const isGone = (isStart && row.home === this.#home) || performance.now() - this.#seen.since >= patience
    if (!isGone) return false
    return await db('alert_owners').where({ node: this.#node, owner: row.owner, beat: Number(row.beat) }).update({ ...mine, beat: Number(row.beat) + 1 }) > 0
  }

  /** Give a sign of life, in the transaction of what only the owner may write. @throws OwnerMissing */
  async confirm (db: Knex): Promise<void> {
    const changed = await db('alert_owners').where({ node: this.#node, owner: this.#id }).increment('beat', 1) as unknown as number
    if (changed === 0) throw new OwnerMissing('Another process takes care of the alerts.')
  }

  async leave (db: Knex): Promise<void> {
    await db('alert_owners').where({ node: this.#node, owner: this.#id }).delete()
  }
}
