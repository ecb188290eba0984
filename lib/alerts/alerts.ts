import type { Knex } from 'knex'
import { PlatziverseError } from '../errors.ts'
import { kindOf } from '../store/dialects/database-kind.ts'
import type { Store } from '../store/store.ts'
import { acknowledgeStates, deleteAll, readSilences, readStates, writeSilence } from './alert-rows.ts'
import { hasOtherWriters, someAgents } from './newest.ts'
import { beatEvery, OwnerMissing, Ownership } from './ownership.ts'
import { Quiet, type Silence } from './quiet.ts'
import { isRaised } from './rules/alert-state.ts'
import type { AlertChoice, AlertCount, AlertsOptions, Raised } from './terms.ts'
import { Watching } from './watching.ts'

/** ms between two looks at what other processes did, and between two attempts to begin. */
const lookEvery = 5_000
/** Most agents in one question. */
const mostAsked = 500

/** Watches what is stored in a database by rules, and says what begins and ends to be wrong: once, whatever is restarted. */
export class Alerts {
  readonly #store: Store
  readonly #options: AlertsOptions
  readonly #ownership: Ownership
  readonly #quiet: Quiet
  #run: Watching | undefined
  #timer: NodeJS.Timeout | undefined
  #beatAt = 0
  #isClosed = false
  /** Nothing failed since the last time that something was written. */
  #isWell = true
  #looking: Promise<void> | undefined

  constructor (store: Store, options: AlertsOptions) {
    this.#store = store
    this.#options = options
    this.#ownership = new Ownership(options.node, store.home)
    this.#quiet = new Quiet(options.maintenance)
  }

  count (): AlertCount {
    return this.#run?.count() ?? { watched: 0, raised: 0, ofTexts: 0, leftOut: 0 }
  }

  start (): void {
    this.#options.state('starting')
    this.#looking = this.#look()
  }

  /** Announce nothing of an agent or a type until a time; one that is over ends it. @throws as the store does */
  async silence (silence: Silence): Promise<void> {
    await this.#transact(db => writeSilence(db, this.#options.node, silence, Date.now()))
    this.#quiet.silence(silence, Date.now())
    this.#run?.silenced()
  }

  /** Somebody knows: what is raised is not told again. @returns how many alerts. @throws as the store does */
  async acknowledge ({ uuid, type, rule }: AlertChoice): Promise<number> {
    const chosen = (await this.current()).filter(raised => (uuid === undefined || raised.uuid === uuid) && (type === undefined || raised.type === type) &&
      (rule === undefined || raised.rule.name === rule))
    const keys = chosen.map(({ rule: { id }, uuid, type, since }) => ({ rule: id, uuid, type, since }))
    await this.#transact(db => acknowledgeStates(db, this.#options.node, keys))
    this.#run?.acknowledged(keys)
    return keys.length
  }

  /** What is raised now. @throws as the store does */
  async current (): Promise<Raised[]> {
    const db = await this.#store.read('metrics')
    const rows = (await readStates(db, this.#options.node)).filter(({ state }) => isRaised(state))
    const names = new Map<string, string | null>()
    const uuids = [...new Set(rows.map(({ uuid }) => uuid))]
    for (let i = 0; i < uuids.length; i += mostAsked) for (const { uuid, name } of await someAgents(db, uuids.slice(i, i + mostAsked))) names.set(uuid, name)
    const rules = new Map(this.#options.rules.map(rule => [rule.id, rule]))
    return rows.flatMap(({ rule: id, uuid, type, value, state: { since }, acknowledged }) => {
      const rule = rules.get(id)
      return rule === undefined ? [] : [{ rule, uuid, name: names.get(uuid) ?? null, type, value, since, acknowledged }]
    })
  }

  /** What is silenced now. @throws as the store does */
  async silences (): Promise<Silence[]> {
    const now = Date.now()
    return (await readSilences(await this.#store.read('metrics'), this.#options.node)).filter(({ until }) => until > now)
  }

  /**
   * Write what there is to write, and end.
   * @param isRemoved whether the node is there no more: then nothing is remembered
   */
  async close (isRemoved = false): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    const run = this.#run
    this.#run = undefined
    // At once: a deploy closes the database too, which takes what waits by then.
    const closing = run?.close()
    const leaving = run === undefined ? undefined : this.#transact(async db => {
      if (isRemoved) await deleteAll(db, this.#options.node)
      await this.#ownership.leave(db)
    }).catch(() => undefined)
    await Promise.all([closing, leaving, this.#looking])
  }

  /** Begins to watch where no other process does; then looks at what other processes did. */
  async #look (): Promise<void> {
    let took = 0
    try {
      if (this.#run === undefined) await this.#begin()
      else if (this.#run.isBehind || await hasOtherWriters(await this.#store.read('metrics'))) {
        const began = performance.now()
        await this.#run.catchUp()
        took = performance.now() - began
      }
      if (this.#run !== undefined && performance.now() - this.#beatAt >= beatEvery) await this.#write(async () => undefined)
    } catch (error) {
      this.#failed(error)
    }
    // With very many series a look takes seconds: it must not be all that the process does.
    const wait = Math.max(lookEvery, 10 * took)
    if (!this.#isClosed) this.#timer = setTimeout(() => { this.#looking = this.#look() }, wait).unref()
  }

  async #begin (): Promise<void> {
    const isMine = await this.#transact(db => this.#ownership.take(db))
    if (!isMine) return this.#options.state('elsewhere')
    const run = new Watching(this.#store, this.#options, this.#quiet, work => this.#write(work), error => { this.#failed(error) })
    try {
      await run.start()
    } catch (error) {
      run.drop()
      throw error
    }
    if (this.#isClosed) {
      await run.close()
      await this.#transact(db => this.#ownership.leave(db))
      return
    }
    this.#run = run
    this.#options.state('watching')
  }

  /** Only the owner writes what is raised, and announces it. */
  async #write (work: (db: Knex) => Promise<void>): Promise<void> {
    await this.#transact(async db => {
      await this.#ownership.confirm(db)
      await work(db)
    })
    this.#beatAt = performance.now()
    if (!this.#isWell && this.#run !== undefined) this.#options.state('watching')
    this.#isWell = true
  }

  #failed (error: unknown): void {
    if (error instanceof OwnerMissing || (error as Error).cause instanceof OwnerMissing) {
      this.#run?.drop()
      this.#run = undefined
      this.#options.state('elsewhere')
    } else if (!this.#isClosed) {
      this.#isWell = false
      this.#options.failed(error instanceof PlatziverseError ? error : new PlatziverseError('STORE_UNAVAILABLE', `${(error as Error).message}.`, { cause: error }))
    }
  }

  #transact<Result> (work: (db: Knex) => Promise<Result>): Promise<Result> {
    return this.#store.run(knex => kindOf(knex).transact(knex, work))
  }
}
