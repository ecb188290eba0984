import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { Knex } from 'knex'
import type { Answer, Call } from './node-worker.ts'

type Callback = (this: { lastID?: number | undefined, changes?: number | undefined }, error: Error | null, rows?: unknown[]) => void
type Bindings = unknown[] | Callback

/** The part of sqlite3's `Database` that Knex and this package use, on a thread with Node's own SQLite. */
export class NodeDatabase {
  #worker: Worker
  #waiting = new Map<number, Callback>()
  #calls = 0
  #closed: (() => void) | undefined
  /** The reason why the thread is gone; under this name Knex looks whether a connection may still be used. */
  __knex__disposed: Error | undefined

  constructor (filename: string, _flags: number, done: (error: Error | null) => void) {
    // Built, this file and the worker's end in .js.
    const worker = new URL(`./node-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    this.#worker = new Worker(worker, { workerData: { filename } })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => { this.#answered(answer) })
    this.#worker.on('error', error => { this.#fail(error) })
    this.#worker.on('exit', () => {
      this.#fail(Object.assign(new Error('SQLITE_MISUSE: Database is closed'), { code: 'SQLITE_MISUSE' }))
      this.#closed?.()
    })
    this.all('select 1', error => { done(error) })
  }

  run (sql: string, bindings?: Bindings, done?: Callback): void { this.#call('run', sql, bindings, done) }

  all (sql: string, bindings?: Bindings, done?: Callback): void { this.#call('all', sql, bindings, done) }

  get (sql: string, done: (error: Error | null, row?: unknown) => void): void {
    this.all(sql, (error, rows) => { done(error, rows?.[0]) })
  }

  configure (_option: 'busyTimeout', ms: number): void {
    this.all(`pragma busy_timeout = ${ms}`)
  }

  close (done: (error: Error | null) => void): void {
    if (this.__knex__disposed !== undefined) return void setImmediate(done, null)
    this.#closed = () => { done(null) }
    // SQLite's own close: what is committed stays, what is not is rolled back.
    void this.#worker.terminate()
  }

  #call (method: Call['method'], sql: string, bindings: Bindings = [], done?: Callback): void {
    const [values, callback] = typeof bindings === 'function' ? [[], bindings] : [bindings, done]
    const gone = this.__knex__disposed
    if (gone !== undefined) return void setImmediate(() => { callback?.call({}, gone) })
    const id = ++this.#calls
    // While an answer is awaited, the thread keeps the process alive.
    if (this.#waiting.size === 0) this.#worker.ref()
    this.#waiting.set(id, callback ?? (() => undefined))
    this.#worker.postMessage({ id, method, sql, bindings: values } satisfies Call)
  }

  #answered ({ id, rows, lastID, changes, error }: Answer): void {
    const callback = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (error === undefined) callback?.call({ lastID, changes }, null, rows)
    else callback?.call({}, Object.assign(new Error(error.message), { code: error.code, errno: error.errno }))
  }

  #fail (error: Error): void {
    this.__knex__disposed ??= error
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const callback of waiting) callback.call({}, error)
  }
}

type SqliteClient = new (config: Knex.Config) => Knex.Client & { _driver (): unknown }

/** Knex's client for Node's own SQLite. It differs from the one for sqlite3 only in its driver. */
export function nodeSqliteClient (): typeof Knex.Client {
  // Knex's own way to derive a client from another one; its types lack it.
  const Sqlite3Client = createRequire(import.meta.url)('knex/lib/dialects/sqlite3') as SqliteClient
  return class NodeSqliteClient extends Sqlite3Client {
    override _driver (): unknown {
      return { Database: NodeDatabase, OPEN_READWRITE: 2, OPEN_CREATE: 4 }
    }
  } as unknown as typeof Knex.Client
}
