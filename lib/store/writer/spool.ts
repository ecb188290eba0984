import type { Knex } from 'knex'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import type { Message } from '../../messages/parse.ts'
import type { Agent } from '../../messages/schema.ts'
import { openSqlite } from '../../sqlite/open-sqlite.ts'
import { WatchedFile } from '../../sqlite/watched-file.ts'
import type { ReceivedMessage } from './batch-writer.ts'

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

export interface SpooledBatch {
  entries: ReceivedMessage[]
  file: Knex
  last: number
  bytes: number
}

interface Waiting { entry: ReceivedMessage, text: string, done: SpoolDone }

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
  readonly #watched: WatchedFile
  #opening: Promise<Knex> | undefined
  #knex: Knex | undefined
  #queue: Waiting[] = []
  /** What did not fit, in its order: nothing newer may overtake it. It is offered again, or stored once the spool is empty. */
  #refused = new Set<ReceivedMessage>()
  #refusal: PlatziverseError | null = null
  #running: Promise<void> | undefined
  #closed = false
  #messages = 0
  #bytes = 0

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
  /** Bytes of them. */
  get bytes (): number { return this.#bytes }

  /**
   * See what the last process left.
   * @throws PlatziverseError STORE_SPOOL_FAILED
   */
  async open (): Promise<void> {
    await this.#file()
  }

  /** Put a message to the end. One that failed may be offered again, as the same object; until then, what is newer fails as well. */
  add (entry: ReceivedMessage, done: SpoolDone): void {
    let text: string
    try {
      text = JSON.stringify([kept(entry.message), entry.receivedAt, entry.seq, ...negativeZerosOf(entry)])
    } catch (cause) {
      return done(new PlatziverseError('STORE_DATA_REFUSED', 'The payload cannot be written as JSON.', { cause }))
    }
    this.#queue.push({ entry, text, done })
    this.#start()
  }

  /**
   * The oldest messages, which stay until `remove`.
   * @throws PlatziverseError STORE_SPOOL_FAILED, also for a message that is damaged: the next time it is out of the way
   */
  async first (count: number): Promise<SpooledBatch> {
    try {
      const knex = await this.#file()
      // SQLite reads each of them wholly to know its length: of large ones no more than are taken, twice at the most.
      const most = Math.ceil(Math.min(count, 2 * mostAtOnce / Math.max(1, this.#bytes / Math.max(1, this.#messages))))
      const rows = await knex.raw(`
        select id, entry from (select id, entry, sum(length(entry)) over (order by id) - length(entry) as before from spool order by id limit ?)
        where before < ${mostAtOnce}`, [most]) as Array<{ id: number, entry: string }>
      if (rows.length === 0 && !this.isWriting) {
        this.#messages = this.#bytes = 0
        this.#refused.clear()
      }
      const entries: ReceivedMessage[] = []
      for (const row of rows) {
        const entry = entryOf(row.entry)
        if (entry === undefined && entries.length === 0) await this.#setAside(knex, row)
        if (entry === undefined) break
        entries.push(entry)
      }
      rows.length = entries.length
      return { entries, file: knex, last: rows.at(-1)?.id ?? 0, bytes: rows.reduce((sum, { entry }) => sum + Buffer.byteLength(entry), 0) }
    } catch (error) {
      // Nobody waits for what is in here then.
      this.#refused.clear()
      throw this.#explain(error)
    }
  }

  /**
   * Forget what `first` gave.
   * @throws PlatziverseError STORE_SPOOL_FAILED
   */
  async remove ({ entries, file, last, bytes }: SpooledBatch): Promise<void> {
    try {
      const knex = await this.#file()
      // Another file numbers them anew: they are stored again, and recognised as duplicates.
      if (knex !== file) return
      await knex('spool').where('id', '<=', last).delete()
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

  /** Whether all that is older was taken; otherwise it is refused as well. */
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
    // A text in an array, so that SQLite gives it back as it was.
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

  /** @param replaced the file that was open until now, and is no longer at its path: what is in it was acknowledged */
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
    await replaced?.destroy()
    return knex
  }

  /** What cannot be read must not hold up what comes after it, but somebody may want to mend it. */
  async #setAside (knex: Knex, { id, entry }: { id: number, entry: string }): Promise<never> {
    await knex.raw('create table if not exists damaged (id integer primary key, entry text not null)')
    await knex.transaction(async db => {
      await db('damaged').insert({ id, entry })
      await db('spool').where({ id }).delete()
    })
    this.#messages--
    this.#bytes -= Buffer.byteLength(entry)
    throw new PlatziverseError('STORE_SPOOL_FAILED', `${this.#options.filename}: message ${id} is damaged; it is in the table "damaged" now.`)
  }

  #explain (error: unknown): PlatziverseError {
    if (error instanceof PlatziverseError) return error.code === 'STORE_REPLACED' ? new PlatziverseError('STORE_SPOOL_FAILED', error.detail, { cause: error }) : error
    // Knex puts the whole statement with its messages before the reason; it does not belong into a log.
    const reason = reasonOf(error)
    return new PlatziverseError('STORE_SPOOL_FAILED', `${this.#options.filename}: ${reason.slice(Math.max(0, reason.lastIndexOf('SQLITE_')))}.`, { cause: error })
  }
}

/** Which of the metrics are −0, which JSON.stringify writes as 0. */
function negativeZerosOf ({ message }: ReceivedMessage): number[] {
  return message.kind === 'message' ? message.payload.metrics.flatMap(({ value }, i) => Object.is(value, -0) ? [i] : []) : []
}

/** In one transaction: after a failure all of it is moved again. */
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

/** What is stored of a message: unknown fields have no place in the database. */
function kept ({ kind, topic, payload }: Message): object {
  const { uuid, username, name, hostname, pid } = payload.agent as Agent
  const agent = { uuid, username, name, hostname, pid }
  if (kind !== 'message') return { kind, topic, payload: { agent } }
  return { kind, topic, payload: { agent, metrics: payload.metrics.map(({ type, value }) => ({ type, value })), timestamp: payload.timestamp } }
}

/** Undefined for what is no message. */
function entryOf (text: string): ReceivedMessage | undefined {
  try {
    const [message, receivedAt, seq, ...negativeZeros] = JSON.parse(text) as [ReceivedMessage['message'], number, number, ...number[]]
    if (message.kind === 'message') for (const i of negativeZeros) (message.payload.metrics[i] as { value: number }).value = -0
    return typeof message.payload.agent.uuid === 'string' ? { message, receivedAt, seq } : undefined
  } catch {
    return undefined
  }
}
