import type { Context } from './persistence/context.ts'
import { openMemoryJournal } from './persistence/journal.ts'

/** Agents whose user is remembered at most; beyond that the one remembered longest is forgotten. */
const mostAgents = 100_000

/**
 * Which user an agent belongs to: the first that proved its name and spoke for the agent. All are in memory; a new one is also
 * written to the journal, and nobody waits for that: a kill forgets those that were on their way to the disk.
 */
export class Owners {
  #context: Pick<Context, 'journal'>
  #byAgent = new Map<string, { username: string, record: number }>()

  constructor (context: Pick<Context, 'journal'> = { journal: openMemoryJournal() }) {
    this.#context = context
  }

  /** Call it in the order of the records' numbers. */
  restore (uuid: string, username: string, record: number): void {
    this.#byAgent.set(uuid, { username, record })
  }

  /**
   * @param uuid of the agent that is spoken for
   * @param username of who speaks, proved
   * @returns whether the agent is that user's
   */
  claim (uuid: string, username: string): boolean {
    const owner = this.#byAgent.get(uuid)
    if (owner !== undefined) return owner.username === username
    const { journal } = this.#context
    if (this.#byAgent.size >= mostAgents) this.#forgetOldest()
    const record = journal.next()
    this.#byAgent.set(uuid, { username, record })
    journal.put(record, { kind: 'agent', uuid, username })
    return true
  }

  /**
   * Let the agent belong to whoever speaks for it next. Resolves after the commit.
   * @returns whose it was; undefined: nobody's
   */
  async forget (uuid: string): Promise<string | undefined> {
    const owner = this.#byAgent.get(uuid)
    if (owner === undefined) return undefined
    const { journal } = this.#context
    this.#byAgent.delete(uuid)
    journal.delete(owner.record)
    await journal.committed()
    return owner.username
  }

  #forgetOldest (): void {
    for (const [uuid, { record }] of this.#byAgent) {
      this.#byAgent.delete(uuid)
      this.#context.journal.delete(record)
      return
    }
  }
}
