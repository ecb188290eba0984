import type { Knex } from 'knex'
import type { PlatziverseError } from '../../errors.ts'
import type { GroupCommit, Write, WriteDone } from './group-commit.ts'
import type { Spool } from './spool.ts'

export interface SpoolingEvents {
  /** There is something to commit. */
  start (): void
  /** A fault of the spool, once for as long as it lasts, or a message from it that the database refused. */
  problem (error: PlatziverseError): void
}

/** The way through the spool: messages take it from the first failure of the database until the spool is empty again. */
export class Spooling {
  readonly #spool: Spool
  readonly #commit: GroupCommit
  readonly #events: SpoolingEvents
  /** ms until a spool that failed is read again. */
  readonly #patience: number
  /** The last process may have left messages, which are older than what comes now. */
  #isOn = true
  #isClosing = false
  #problem: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor (spool: Spool, patience: number, commit: GroupCommit, events: SpoolingEvents) {
    this.#spool = spool
    this.#patience = patience
    this.#commit = commit
    this.#events = events
  }

  /** Whether the spool is to be emptied before anything in the queue is committed. */
  get isOn (): boolean { return this.#isOn }

  /** Whether messages that come go into the spool. */
  get takes (): boolean { return this.#isOn && this.#spool.accepts }

  /** Messages on their way into the spool. */
  get waiting (): number { return this.#spool.waiting }

  /** Messages in the spool. */
  get size (): number { return this.#spool.size }

  /** Put a message into the spool; where that fails it waits in memory. */
  add (write: Write): void {
    this.#spool.add(write, error => {
      this.#report(error)
      if (error === null) {
        const metrics = write.message.kind === 'message' ? write.message.payload.metrics.length : 0
        return this.#commit.end(write, null, { agentId: null, metrics, duplicates: 0, spooled: true })
      }
      this.#commit.push(write)
      // Closing sees to the queue anyway.
      if (!this.#isClosing) this.#events.start()
    })
  }

  /** The database is away: move the messages that wait for it in memory into the spool. */
  begin (): void {
    if (!this.#spool.accepts) return
    this.#isOn = true
    for (const write of this.#commit.takeMessages()) this.add(write)
  }

  /** Commit the oldest messages in the spool; once it is empty, messages go into the queue again. */
  async drain (knex: Knex): Promise<void> {
    const batch = await this.#spool.first(this.#commit.most).catch((error: PlatziverseError) => { this.#report(error) })
    if (batch === undefined) {
      this.#leave()
      return
    }
    if (batch.entries.length > 0) {
      const done: WriteDone = error => { if (error !== null) this.#events.problem(error) }
      await this.#commit.write(knex, batch.entries.map(entry => ({ ...entry, bytes: 0, clientId: '', dueAt: 0, done })), () => undefined)
      if (this.#commit.isAbandoned) return
      // After a crash before this they are stored again, and recognised as duplicates.
      await this.#spool.remove(batch).catch((error: PlatziverseError) => {
        this.#report(error)
        this.#leave()
      })
      return
    }
    // Nothing may overtake a message on its way into the spool.
    if (this.#spool.isWriting) await this.#spool.flushed()
    else if (this.#spool.size === 0) this.#isOn = false
  }

  /** From now on a spool that failed is not read again. */
  stop (): void {
    this.#isClosing = true
    clearTimeout(this.#timer)
  }

  /** Resolves when what is on its way into the spool is on the disk, or failed. */
  flushed (): Promise<void> {
    return this.#spool.flushed()
  }

  close (): Promise<void> {
    return this.#spool.close()
  }

  /** The spool has to be repaired, or the disk needs room, before its messages can be stored; new ones do not wait for that. */
  #leave (): void {
    this.#isOn = false
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.#isClosing || this.#spool.size === 0) return
      this.#isOn = true
      this.#events.start()
    }, this.#patience)
    this.#timer.unref()
  }

  #report (error: PlatziverseError | null): void {
    if (error !== null && error.code !== this.#problem) this.#events.problem(error)
    this.#problem = error?.code
  }
}
