import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { openSqlite } from '../../sqlite/open-sqlite.ts'
import { WatchedFile } from '../../sqlite/watched-file.ts'
import { withoutStatement } from '../dialects/without-statement.ts'
import type { ReceivedMessage } from './changes.ts'
import { readSpooledText, spooledText } from './spooled-text.ts'

/** Most messages in one commit. */
const mostMessages = 2_000

/** Messages are read until they have this many characters. */
const mostAtOnce = 1_000_000

const preparations = (isNew: boolean): string[] => [
  ...isNew ? ['pragma auto_vacuum = incremental'] : [],
  'pragma journal_mode = wal',
  'pragma synchronous = full'
]

/** Called once: with null when the message is on the disk. Must not throw. */
export type SpoolDone = (error: PlatziverseError | null) => void

/** The oldest messages, the file that they are in, the number of the last one there, and the bytes that they take. */
export interface SpooledBatch {
  entries: ReceivedMessage[]
  file: Knex
  last: number
  bytes: number
}

/** The text is another value where the file is damaged. */
interface Row { id: number, entry: unknown }

interface Waiting { entry: ReceivedMessage, text: string, done: SpoolDone }

export interface SpoolOptions {
  /** Absolute. */
  filename: string
  /** Most bytes of messages in it; 0: it takes none, and only what an earlier process left is stored. */
  mostBytes: number
}

/**
 * Messages that wait on the disk for a database that is away, in the order in which they came: a message in here may be
 * acknowledged. An SQLite file, because that survives a kill at any moment, and SQLite is at hand anyway.
 */
export class Spool {
  readonly #options: SpoolOptions
  readonly #watched: WatchedFile
  #opening: Promise<Knex> | undefined
  #knex: Knex | undefined
  #queue: Waiting[] = []
  /** Messages that did not fit, in their order: nothing newer may overtake them. They are offered again, or stored once the spool is empty. */
  #refused = new Set<ReceivedMessage>()
  #refusal: PlatziverseError | null = null
  #running: Promise<void> | undefined
  #closed = false
  #messages = 0
  #bytes = 0
  /** The number that the oldest message has if none is missing; undefined: not known yet. */
  #next: number | undefined

  constructor (options: SpoolOptions) {
    this.#options = options
    this.#watched = new WatchedFile(options.filename)
  }

  /** Messages in memory, on their way to the disk. */
  get waiting (): number { return this.#queue.length }

  /** Whether it takes messages. */
  get accepts (): boolean { return this.#options.mostBytes > 0 }

  /** Messages on the disk. */
  get size (): number { return this.#messages }
  /** Bytes of the messages on the disk. */
  get bytes (): number { return this.#bytes }

  /**
   * Open the file, and count what the last process left in it.
   * @throws PlatziverseError STORE_SPOOL_FAILED
   */
  async open (): Promise<void> {
    await this.#file()
  }

  /** Append a message. One that failed may be offered again, as the same object; until then, newer ones fail as well. */
  add (entry: ReceivedMessage, done: SpoolDone): void {
    let text: string
    try {
      text = spooledText(entry)
    } catch (cause) {
      return done(new PlatziverseError('STORE_DATA_REFUSED', 'The payload cannot be written as JSON.', { cause }))
    }
    this.#queue.push({ entry, text, done })
    this.#start()
  }

  /**
   * The oldest messages, which stay until `remove`.
   * @throws PlatziverseError STORE_SPOOL_FAILED, also for a damaged message, which is out of the way the next time
   */
  async first (count: number): Promise<SpooledBatch> {
    try {
      const knex = await this.#file()
      // SQLite reads the whole of a message to know its length: it must not look at more than twice as many large ones as are taken.
      const most = Math.ceil(Math.min(count, 2 * mostAtOnce / Math.max(1, this.#bytes / Math.max(1, this.#messages))))
      const rows = await knex.raw(`
        select id, entry from (select id, entry, sum(length(entry)) over (order by id) - coalesce(length(entry), 0) as before from spool order by id limit ?)
        where coalesce(before, 0) < ${mostAtOnce}`, [most]) as Row[]
      if (rows.length === 0 && !this.isWriting) {
        this.#messages = this.#bytes = 0
        this.#refused.clear()
      }
      const entries: ReceivedMessage[] = []
      for (const row of rows) {
        const isNext = row.id === (this.#next ?? row.id) + entries.length
        if (!isNext && entries.length === 0) this.#miss(row.id)
        const entry = isNext ? readSpooledText(row.entry) : undefined
        if (isNext && entry === undefined && entries.length === 0) await this.#setAside(knex, row)
        if (entry === undefined) break
        entries.push(entry)
        this.#next ??= row.id
      }
      const taken = rows.slice(0, entries.length) as Array<{ id: number, entry: string }>
      return { entries, file: knex, last: taken.at(-1)?.id ?? 0, bytes: taken.reduce((sum, { entry }) => sum + Buffer.byteLength(entry), 0) }
    } catch (error) {
      // The store goes on without the spool: what did not fit keeps its place no longer.
      this.#refused.clear()
      throw this.#explain(error)
    }
  }

  /**
   * Remove what `first` returned.
   * @throws PlatziverseError STORE_SPOOL_FAILED
   */
  async remove ({ entries, file, last, bytes }: SpooledBatch): Promise<void> {
    try {
      const knex = await this.#file()
      // In another file they have other numbers: they are stored again, and recognised as duplicates.
      if (knex !== file) return
      await knex.transaction(async db => {
        const removed = await db('spool').where('id', '<=', last).delete()
        // In a damaged file numbers may be in another order, and these be others as well.
        if (removed !== entries.length) throw new PlatziverseError('STORE_SPOOL_FAILED', `${this.#options.filename} is damaged: it has ${removed} messages up to ${last} instead of ${entries.length}.`)
      })
      this.#next = last + 1
      this.#messages -= entries.length
      this.#bytes -= bytes
      if (this.#messages === 0) await knex.raw('pragma incremental_vacuum')
    } catch (error) {
      this.#refused.clear()
      throw this.#explain(error)
    }
  }

  /** Whether something is on its way to the disk. */
  get isWriting (): boolean { return this.#running !== undefined }

  /** Resolves when everything added so far is on the disk, or failed. */
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
      const taken = new Set(batch.filter(({ entry }) => this.#isNext(entry)))
      try {
        if (taken.size > 0) await this.#append([...taken])
      } catch (error) {
        this.#refusal = this.#explain(error)
        this.#refused = new Set([...[...taken].map(({ entry }) => entry), ...this.#refused])
        taken.clear()
      }
      for (const waiting of batch) waiting.done(taken.has(waiting) ? null : this.#refusal)
    }
  }

  /** Whether everything older was taken; otherwise the message is refused as well. */
  #isNext (entry: ReceivedMessage): boolean {
    const [oldest = entry] = this.#refused
    if (oldest !== entry) this.#refused.add(entry)
    else this.#refused.delete(entry)
    return oldest === entry
  }

  async #append (batch: Waiting[]): Promise<void> {
    const knex = await this.#file()
    const bytes = batch.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
    if (this.#bytes + bytes > this.#options.mostBytes) {
      throw new PlatziverseError('STORE_SPOOL_FULL', `${this.#messages} messages (${this.#bytes} bytes) are in it.`)
    }
    // Texts in an array, and not objects, because SQLite gives texts back unchanged.
    await knex.raw('insert into spool (entry) select value from json_each(?)', [JSON.stringify(batch.map(({ text }) => text))])
    this.#watched.check()
    this.#messages += batch.length
    this.#bytes += bytes
  }

  #file (): Promise<Knex> {
    if (this.#closed) return Promise.reject(new PlatziverseError('STORE_CLOSED', 'The spool is closed.'))
    const replaced = this.#watched.isThere ? undefined : this.#knex
    if (replaced !== undefined) this.#knex = this.#opening = undefined
    this.#opening ??= this.#openFile(replaced).catch((error: unknown) => {
      this.#opening = undefined
      this.#knex = replaced
      throw this.#explain(error)
    })
    return this.#opening
  }

  /** @param replaced the file that was open until now, and is no longer at its path: the messages in it were acknowledged */
  async #openFile (replaced: Knex | undefined): Promise<Knex> {
    await this.#watched.makeWay()
    const knex = await openSqlite(this.#options.filename, 1, preparations)
    try {
      await knex.raw('create table if not exists spool (id integer primary key autoincrement, entry text not null)')
      if (replaced !== undefined) await moveAll(replaced, knex)
      const [found] = await knex('spool').select(knex.raw('count(*) as messages, coalesce(sum(length(cast(entry as blob))), 0) as bytes')) as unknown as Array<{ messages: number, bytes: number }>
      this.#messages = found?.messages ?? 0
      this.#bytes = found?.bytes ?? 0
    } catch (error) {
      await knex.destroy()
      throw error
    }
    this.#watched.opened()
    this.#knex = knex
    this.#next = undefined
    await replaced?.destroy()
    return knex
  }

  /** Messages that were in the file are not any more. @param id of the oldest one that is there */
  #miss (id: number): never {
    const next = this.#next
    this.#next = id
    throw new PlatziverseError('STORE_SPOOL_FAILED', `${this.#options.filename} is damaged: the messages from ${next} to ${id - 1} are missing.`)
  }

  /** A message that cannot be read must not hold up the others, but somebody may be able to repair it. */
  async #setAside (knex: Knex, { id, entry }: Row): Promise<never> {
    await knex.raw('create table if not exists damaged (id integer primary key, entry)')
    await knex.transaction(async db => {
      await db('damaged').insert({ id, entry })
      await db('spool').where({ id }).delete()
    })
    this.#messages--
    this.#bytes -= Buffer.byteLength(String(entry))
    this.#next = id + 1
    throw new PlatziverseError('STORE_SPOOL_FAILED', `${this.#options.filename}: message ${id} is damaged; it is in the table "damaged" now.`)
  }

  #explain (error: unknown): PlatziverseError {
    if (error instanceof PlatziverseError) return error.code === 'STORE_REPLACED' ? new PlatziverseError('STORE_SPOOL_FAILED', error.detail, { cause: error }) : error
    return new PlatziverseError('STORE_SPOOL_FAILED', `${this.#options.filename}: ${withoutStatement(reasonOf(error))}.`, { cause: error })
  }
}

/** In one transaction, so that a failure leaves nothing behind and everything is moved again. */
async function moveAll (from: Knex, to: Knex): Promise<void> {
  await to.transaction(async db => {
    for (let last = 0; ;) {
      const rows = await from('spool').where('id', '>', last).orderBy('id').limit(100).select<Array<{ id: number, entry: string }>>('id', 'entry')
      if (rows.length === 0) return
      for (const { entry } of rows) await db('spool').insert({ entry })
      last = (rows.at(-1) as { id: number }).id
    }
  })
}
