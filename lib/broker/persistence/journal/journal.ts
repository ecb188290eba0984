import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from 'sqlite3'
import { Backoff } from '../../../backoff.ts'
import { PlatziverseError, reasonOf } from '../../../errors.ts'
import type { SqliteDriver } from '../../../sqlite/driver.ts'
import { isGone, openSqliteDatabase } from '../../../sqlite/open-sqlite.ts'
import { WatchedFile } from '../../../sqlite/watched-file.ts'
import { decodeRecord, encodeRecord, type StoredRecord } from './records.ts'

/** Keeps records under numbers. Changes made synchronously, without awaiting, are kept together or not at all. */
export interface Journal {
  /** A number that no record has. */
  next (): number
  put (id: number, record: StoredRecord): void
  delete (id: number): void
  /** Resolves, in the order of the calls, once everything changed before the call is on the disk. */
  committed (): Promise<void>
  /** Whether there is nothing that `committed` would wait for. */
  readonly isCommitted: boolean
  /** Resolves once everything is on the disk, or cannot be brought there. */
  close (): Promise<void>
}

/** Called when the disk stops taking changes, and with undefined when it takes them again. */
type OnFailure = (failure: PlatziverseError | undefined) => void

const done = Promise.resolve()
/** The format of the records. 2: sessions have owners, and agents users. */
const recordsVersion = 2
/** ms to wait for a predecessor that is still closing. */
const busyTimeout = 2_000
/** ms between attempts to write while that fails. */
const pauses = { min: 100, max: 30_000 }
/** Records read at a time. */
const page = 10_000

/** Keeps nothing. */
export function openMemoryJournal (): Journal {
  let id = 0
  return { next: () => ++id, put: () => undefined, delete: () => undefined, committed: () => done, isCommitted: true, close: () => done }
}

/**
 * A journal in an SQLite file in `folder`, which is made if necessary. The records that are there go to `restore`, in the order of their numbers.
 * @throws {PlatziverseError} BROKER_FOLDER_DAMAGED, BROKER_FOLDER_IN_USE, BROKER_FOLDER_NEWER, BROKER_FOLDER_UNWRITABLE, STORE_DRIVER_MISSING
 */
export async function openDiskJournal (folder: string, onFailure: OnFailure, restore: (id: number, record: StoredRecord) => void, driver?: SqliteDriver): Promise<Journal> {
  const file = join(folder, 'broker.sqlite')
  let last = 0
  const db = await openFile(folder, file, async db => {
    last = await readAll(db, file, restore)
    await all(db, 'pragma incremental_vacuum')
  }, driver)
  return new DiskJournal(db, folder, file, last, onFailure, driver)
}

/** @param look gets the file once it is locked and of this version */
async function openFile (folder: string, file: string, look: (db: Database) => Promise<void>, driver?: SqliteDriver): Promise<Database> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => { throw explain(error, file) })
  const db = await openSqliteDatabase(file, driver).catch((error: unknown) => { throw explain(error, file) })
  try {
    db.configure('busyTimeout', busyTimeout)
    // Held until the process ends, however it ends: two brokers on one folder would lose each other's messages.
    await all(db, 'pragma locking_mode = exclusive')
    await all(db, 'pragma auto_vacuum = incremental')
    await all(db, 'pragma journal_mode = wal')
    await all(db, 'pragma synchronous = full')
    await all(db, 'pragma temp_store = memory')
    await all(db, 'begin exclusive')
    const [row] = await all<{ user_version: number }>(db, 'pragma user_version')
    if (row!.user_version > recordsVersion) throw new PlatziverseError('BROKER_FOLDER_NEWER', `${file} was written by a newer version.`)
    await all(db, 'create table if not exists records (id integer primary key, value text not null)')
    await all(db, `pragma user_version = ${recordsVersion}`)
    await all(db, 'commit')
    const [check] = await all<{ quick_check: string }>(db, 'pragma quick_check(1)')
    if (check!.quick_check !== 'ok') throw new PlatziverseError('BROKER_FOLDER_DAMAGED', `${file} is damaged: ${check!.quick_check}.`)
    await look(db)
    // A view with a trigger makes each batch one statement: one trip to SQLite's thread, and one commit.
    await all(db, 'create temp view changes as select null as puts, null as deletes')
    await all(db, `create temp trigger apply instead of insert on changes begin
      insert or replace into records (id, value) select value->>0, value->1 from json_each(new.puts);
      delete from records where id in (select value from json_each(new.deletes));
    end`)
    return db
  } catch (error) {
    await close(db)
    throw explain(error, file)
  }
}

/** Group commit: while one batch is on its way to the disk, everything that comes makes up the next. */
class DiskJournal implements Journal {
  #db: Database
  readonly #folder: string
  readonly #file: string
  readonly #watched: WatchedFile
  #last: number
  /** No batch so far has a higher number than this. */
  #sent: number
  #onFailure: OnFailure
  readonly #driver: SqliteDriver | undefined
  /** The next batch; undefined under a number deletes. */
  #waiting = new Map<number, StoredRecord | undefined>()
  #next = new Deferred()
  #current: Deferred | undefined
  #writing: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #backoff = new Backoff(pauses)
  #wake: (() => void) | undefined

  constructor (db: Database, folder: string, file: string, last: number, onFailure: OnFailure, driver: SqliteDriver | undefined) {
    this.#db = db
    this.#folder = folder
    this.#file = file
    this.#watched = new WatchedFile(file)
    this.#watched.opened()
    this.#last = this.#sent = last
    this.#onFailure = onFailure
    this.#driver = driver
  }

  next (): number { return ++this.#last }

  put (id: number, record: StoredRecord): void { this.#change(id, record) }

  delete (id: number): void { this.#change(id, undefined) }

  committed (): Promise<void> {
    if (this.#waiting.size > 0) return this.#next.promise
    return this.#current?.promise ?? done
  }

  get isCommitted (): boolean { return this.#waiting.size === 0 && this.#current === undefined }

  close (): Promise<void> {
    this.#closing ??= (async () => {
      this.#wake?.()
      await this.#writing
      await close(this.#db)
    })()
    return this.#closing
  }

  #change (id: number, record: StoredRecord | undefined): void {
    // Records that come and go while the disk takes nothing must not pile up.
    if (record === undefined && id > this.#sent) this.#waiting.delete(id)
    else this.#waiting.set(id, record)
    if (this.#closing !== undefined && this.#writing === undefined) this.#next.reject(new Error('The persistence is closed.'))
    else this.#writing ??= this.#write()
  }

  async #write (): Promise<void> {
    // What one turn of the loop changes is one batch.
    await new Promise(resolve => { setImmediate(resolve) })
    while (this.#waiting.size > 0) {
      const batch = this.#waiting
      const current = this.#current = this.#next
      this.#waiting = new Map()
      this.#next = new Deferred()
      this.#sent = this.#last
      await this.#commit(batch).then(current.resolve, current.reject)
      this.#current = undefined
    }
    // Synchronously with the check that nothing waits: records promised since then have come and gone.
    this.#next.resolve()
    this.#next = new Deferred()
    this.#writing = undefined
  }

  /** Write a batch into the file at its path; a file that was removed is made again from what is open. */
  async #run (changes: string[]): Promise<void> {
    if (!this.#watched.isThere) {
      // Throws as long as somebody may be restoring the file.
      await this.#watched.makeWay()
      // Fails if another file is there: it does not belong to what this broker knows.
      await copyTo(this.#db, this.#folder, this.#file)
      const copy = await openFile(this.#folder, this.#file, async () => undefined, this.#driver).catch(async (error: unknown) => {
        await rm(this.#file, { force: true })
        throw error
      })
      await close(this.#db)
      this.#db = copy
      this.#watched.opened()
    }
    // A batch that was not answered for is written again, which changes nothing.
    if (isGone(this.#db)) this.#db = await openFile(this.#folder, this.#file, async () => undefined, this.#driver)
    await new Promise<void>((resolve, reject) => {
      this.#db.run('insert into changes (puts, deletes) values (?, ?)', changes, error => { if (error === null) resolve(); else reject(error) })
    })
    if (!this.#watched.isThere) throw new PlatziverseError('BROKER_FOLDER_UNWRITABLE', `${this.#file} was removed while it was open.`)
  }

  /** Tries until the batch is on the disk, or the journal was closed. */
  async #commit (batch: Map<number, StoredRecord | undefined>): Promise<void> {
    const puts: Array<[number, object]> = []
    const deletes: number[] = []
    for (const [id, record] of batch) if (record === undefined) deletes.push(id); else puts.push([id, encodeRecord(record)])
    const changes = [JSON.stringify(puts), JSON.stringify(deletes)]
    for (let failed = false; ; failed = true) {
      const error = await this.#run(changes).catch((error: unknown) => error as Error)
      if (error === undefined) {
        if (failed) this.#onFailure(undefined)
        this.#backoff.reset()
        return
      }
      const failure = explain(error, this.#file)
      if (!failed) this.#onFailure(failure)
      if (this.#closing !== undefined) throw failure
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, this.#backoff.next())
        this.#wake = () => { clearTimeout(timer); resolve() }
      })
    }
  }
}

/** Copy the open database to a path where there is no file, and wait until the copy is on the disk. */
async function copyTo (db: Database, folder: string, file: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await all(db, `vacuum into '${file.replaceAll("'", "''")}'`)
  const copy = await open(file, 'r+')
  await copy.sync().finally(() => copy.close())
}

/** A promise to be settled from outside. It is no error if nobody waits for it. */
class Deferred {
  promise: Promise<void>
  resolve!: () => void
  reject!: (error: Error) => void

  constructor () {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.promise.catch(() => undefined)
  }
}

async function readAll (db: Database, file: string, restore: (id: number, record: StoredRecord) => void): Promise<number> {
  let last = 0
  for (;;) {
    const rows = await all<{ id: number, value: string }>(db, `select id, value from records where id > ${last} order by id limit ${page}`)
    if (rows.length === 0) return last
    for (const { id, value } of rows) {
      try {
        restore(id, decodeRecord(value))
      } catch (error) {
        throw new PlatziverseError('BROKER_FOLDER_DAMAGED', `Record ${id} of ${file} cannot be read.`, { cause: error })
      }
      last = id
    }
  }
}

function explain (error: unknown, file: string): PlatziverseError {
  if (error instanceof PlatziverseError) return error.code === 'STORE_REPLACED' ? new PlatziverseError('BROKER_FOLDER_UNWRITABLE', error.detail, { cause: error }) : error
  const code = String((error as { code?: unknown }).code)
  if (/already exists/.test(reasonOf(error))) return new PlatziverseError('BROKER_FOLDER_DAMAGED', `${file} was replaced while it was open.`, { cause: error })
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED') {
    return new PlatziverseError('BROKER_FOLDER_IN_USE', `${file} is in use by another broker.`, { cause: error })
  }
  if (code === 'SQLITE_NOTADB' || code === 'SQLITE_CORRUPT') {
    return new PlatziverseError('BROKER_FOLDER_DAMAGED', `${file} is damaged, or something else.`, { cause: error })
  }
  return new PlatziverseError('BROKER_FOLDER_UNWRITABLE', `${file} cannot be written: ${reasonOf(error)}.`, { cause: error })
}

function all<Row> (db: Database, sql: string): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    db.all<Row>(sql, (error, rows) => { if (error === null) resolve(rows); else reject(error) })
  })
}

function close (db: Database): Promise<void> {
  return new Promise(resolve => { db.close(() => { resolve() }) })
}
