import type { AgentOwnership, Ownership } from '../agent-ownership.ts'
import type { Context } from './context.ts'
import { openMemoryJournal } from './journal/journal.ts'

interface Owner { username: string, agents: number }

export interface AgentOwnersOptions {
  /** Agents of one user; none is ever forgotten to make room for another. 0: no limit. */
  mostPerUser: number
  /** Whether clients can prove a username at all. Otherwise no owner could prove itself again. */
  enforced: boolean
}

/**
 * Which user each agent belongs to: the first one that proved its name and spoke for the agent. This holds until an operator has it
 * forgotten, because one user's claims never push out another's. All are in memory. A new one is also written to the journal, and nothing
 * waits for that: if the process is killed, claims on their way to the disk are lost.
 */
export class AgentOwners implements AgentOwnership {
  #context: Pick<Context, 'journal'>
  #options: AgentOwnersOptions = { mostPerUser: 0, enforced: true }
  #byAgent = new Map<string, { owner: Owner, record: number }>()
  #byUser = new Map<string, Owner>()

  constructor (context: Pick<Context, 'journal'> = { journal: openMemoryJournal() }) {
    this.#context = context
  }

  get mostPerUser (): number { return this.#options.mostPerUser }

  /** What is there already stays. */
  configure (options: AgentOwnersOptions): void {
    this.#options = options
  }

  /** Call it in the order of the records' numbers. */
  restore (uuid: string, username: string, record: number): void {
    const before = this.#byAgent.get(uuid)
    if (before !== undefined) this.#release(before.owner)
    this.#byAgent.set(uuid, { owner: this.#ownerCalled(username), record })
  }

  claim (uuid: string, username: string | undefined): Ownership {
    const known = this.mayEnd(uuid, username)
    if (known !== undefined) return known ? 'theirs' : 'another'
    const { mostPerUser, enforced } = this.#options
    if (username === undefined || !enforced) return 'theirs'
    if (mostPerUser > 0 && (this.#byUser.get(username)?.agents ?? 0) >= mostPerUser) return 'tooMany'
    const { journal } = this.#context
    const record = journal.next()
    this.#byAgent.set(uuid, { owner: this.#ownerCalled(username), record })
    journal.put(record, { kind: 'agent', uuid, username })
    return 'theirs'
  }

  mayEnd (uuid: string, username: string | undefined): boolean | undefined {
    const owner = this.#options.enforced ? this.#byAgent.get(uuid)?.owner : undefined
    return owner === undefined ? undefined : owner.username === username
  }

  async forget (uuid: string): Promise<string | undefined> {
    const known = this.#byAgent.get(uuid)
    if (known === undefined) return undefined
    this.#drop(uuid, known)
    await this.#context.journal.committed()
    return known.owner.username
  }

  async forgetUser (username: string): Promise<number> {
    const { agents = 0 } = this.#byUser.get(username) ?? {}
    if (agents === 0) return 0
    for (const [uuid, known] of this.#byAgent) if (known.owner.username === username) this.#drop(uuid, known)
    await this.#context.journal.committed()
    return agents
  }

  #ownerCalled (username: string): Owner {
    let owner = this.#byUser.get(username)
    if (owner === undefined) this.#byUser.set(username, owner = { username, agents: 0 })
    owner.agents++
    return owner
  }

  #drop (uuid: string, { owner, record }: { owner: Owner, record: number }): void {
    this.#byAgent.delete(uuid)
    this.#context.journal.delete(record)
    this.#release(owner)
  }

  #release (owner: Owner): void {
    if (--owner.agents === 0) this.#byUser.delete(owner.username)
  }
}
