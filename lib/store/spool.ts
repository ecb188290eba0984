import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../errors.ts'
import { openSqlite } from '../sqlite/open.ts'
import type { Entry } from './batch.ts'

/** Most messages in one commit. */
const mostMessages = 2_000

/** Characters of messages that are read at once, the last message beyond. */
const mostAtOnce = 1_000_000

const preparations = (isNew: boolean): string[] => [
  ...isNew ? ['pragma auto_vacuum = incremental'] : [],
  'pragma journal_mode = wal',
  'pragma synchronous = full'
]

/** Told once: null when the message is on the disk. Must not throw. */
export type SpoolDone = (error: PlatziverseError | null) => void

interface Waiting { text: string, done: SpoolDone }

export interface SpoolOptions {
  /** Absolute. */
  filename: string
  /** Most bytes of messages in it; 0: only what an earlier process left is taken out. */
  mostBytes: number
}

/**
 * Messages that wait on the disk for a database that is away, in the order in which they came: what is in here may be
 * acknowledged. A file of SQLite, which survives a kill at any moment and is there anyhow.
 */
export class Spool {
  readonly #options: SpoolOptions
  #opening: Promise<Knex> | undefined
  #knex: Knex | undefined
  #queue: Waiting[] = []
  #running: Promise<void> | undefined
  #closed = false
  #messages = 0
  #bytes = 0

  constructor (options: SpoolOptions) {
    this.#options = options
  }

  /** Messages in memory, on their way to the disk. */
  get waiting (): number { return this.#queue.length }

  /** Whether it takes messages. */
  get accepts (): boolean { return this.#options.mostBytes > 0 }

  /** Messages on the disk. */
  get size (): number { return this.#messages }
  /** Bytes of them. */
  get bytes (): number { return this.#bytes }

  /**
   * See what the last process left.
   * @throws PlatziverseError STORE_SPOOL_FAILED
   */
  async open (): Promise<void> {
    await this.#file()
  }

  /** Put a message to the end. */
  add ({ message, receivedAt, seq }: Entry, done: SpoolDone): void {
    let text: string
    try {
      text = JSON.stringify([message, receivedAt, seq])
    } catch (cause) {
      return done(new PlatziverseError('STORE_DATA_REFUSED', 'The payload cannot be written as JSON.', { cause }))
    }
    this.#queue.push({ text, done })
    this.#start()
  }

  /**
   * The oldest messages, which stay until `remove`.
   * @throws PlatziverseError STORE_SPOOL_FAILED
   */
  async first (count: number): Promise<{ entries: Entry[], last: number, bytes: number }> {
    try {
      const knex = await this.#file()
      const rows = await knex.raw(`
        select id, entry from (select id, entry, sum(length(entry)) over (order by id) - length(entry) as before from spool order by id limit ?)
        where before < ${mostAtOnce}`, [count]) as Array<{ id: number, entry: string }>
      if (rows.length === 0 && !this.isWriting) this.#messages = this.#bytes = 0
      const entries = rows.map(({ entry }) => {
        const [message, receivedAt, seq] = JSON.parse(entry) as [Entry['message'], number, number]
        return { message, receivedAt, seq }
      })
      return { entries, last: rows.at(-1)?.id ?? 0, bytes: rows.reduce((sum, { entry }) => sum + Buffer.byteLength(entry), 0) }
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /**
   * Forget what `first` gave.
   * @throws PlatziverseError STORE_SPOOL_FAILED
   */
  async remove ({ entries, last, bytes }: { entries: Entry[], last: number, bytes: number }): Promise<void> {
    try {
      const knex = await this.#file()
      await knex('spool').where('id', '<=', last).delete()
      this.#messages -= entries.length
      this.#bytes -= bytes
      if (this.#messages === 0) await knex.raw('pragma incremental_vacuum')
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /** Whether something is on its way to the disk. */
  get isWriting (): boolean { return this.#running !== undefined }

  /** Resolves when what was added until now is on the disk, or failed. */
  async flushed (): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async close (): Promise<void> {
    await this.flushed()
    this.#closed = true
    await this.#knex?.destroy()
  }

  #start (): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      // What came between the last look at the queue and now.
      if (this.#queue.length > 0) this.#start()
    })
  }

  async #run (): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, mostMessages)
      this.#queue = this.#queue.slice(mostMessages)
      let failure: PlatziverseError | null = null
      try {
        await this.#append(batch)
      } catch (error) {
        failure = this.#explain(error)
      }
      for (const { done } of batch) done(failure)
    }
  }

  async #append (batch: Waiting[]): Promise<void> {
    const knex = await this.#file()
    const bytes = batch.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
    if (this.#bytes + bytes > this.#options.mostBytes) {
      throw new PlatziverseError('STORE_SPOOL_FULL', `${this.#messages} messages (${this.#bytes} bytes) are in it.`)
    }
    // A text in an array, so that SQLite gives it back as it was.
    await knex.raw('insert into spool (entry) select value from json_each(?)', [JSON.stringify(batch.map(({ text }) => text))])
    this.#messages += batch.length
    this.#bytes += bytes
  }

  #file (): Promise<Knex> {
    if (this.#closed) return Promise.reject(new PlatziverseError('STORE_CLOSED', 'The spool is closed.'))
    this.#opening ??= this.#openFile().catch((error: unknown) => {
      this.#opening = undefined
      throw this.#explain(error)
    })
    return this.#opening
  }

  async #openFile (): Promise<Knex> {
    const knex = await openSqlite(this.#options.filename, 1, preparations)
    try {
      await knex.raw('create table if not exists spool (id integer primary key autoincrement, entry text not null)')
      const [found] = await knex('spool').select(knex.raw('count(*) as messages, coalesce(sum(length(cast(entry as blob))), 0) as bytes')) as unknown as Array<{ messages: number, bytes: number }>
      this.#messages = found?.messages ?? 0
      this.#bytes = found?.bytes ?? 0
    } catch (error) {
      await knex.destroy()
      throw error
    }
    this.#knex = knex
    return knex
  }

  #explain (error: unknown): PlatziverseError {
    if (error instanceof PlatziverseError) return error
    return new PlatziverseError('STORE_SPOOL_FAILED', `${this.#options.filename}: ${reasonOf(error)}.`, { cause: error })
  }
}
