/** A thread with one connection of Node's own SQLite, whose calls block: on a thread of their own they hold nothing up. */
import { parentPort, workerData } from 'node:worker_threads'
import { loadNodeSqlite, type NodeDatabase, type NodeStatement } from './driver.ts'

export interface Call { id: number, method: 'run' | 'all', sql: string, bindings: unknown[] }
export interface Answer { id: number, rows?: unknown[], lastID?: number, changes?: number, error?: { code: string, errno: number, message: string } }

/** Most statements that are kept compiled. */
const mostStatements = 100

/** SQLite's primary result codes by number, as sqlite3 names them; https://sqlite.org/rescode.html */
const codes: Record<number, string> = {
  1: 'ERROR', 2: 'INTERNAL', 3: 'PERM', 4: 'ABORT', 5: 'BUSY', 6: 'LOCKED', 7: 'NOMEM', 8: 'READONLY', 9: 'INTERRUPT', 10: 'IOERR', 11: 'CORRUPT',
  12: 'NOTFOUND', 13: 'FULL', 14: 'CANTOPEN', 15: 'PROTOCOL', 17: 'SCHEMA', 18: 'TOOBIG', 19: 'CONSTRAINT', 20: 'MISMATCH', 21: 'MISUSE', 25: 'RANGE', 26: 'NOTADB'
}

const statements = new Map<string, NodeStatement>()
let database: NodeDatabase | undefined

function open (): NodeDatabase {
  const { DatabaseSync } = loadNodeSqlite()
  return new DatabaseSync((workerData as { filename: string }).filename)
}

function statementOf (sql: string): NodeStatement {
  database ??= open()
  let statement = statements.get(sql)
  if (statement === undefined) {
    statement = database.prepare(sql)
    if (statements.size >= mostStatements) statements.clear()
    statements.set(sql, statement)
  }
  return statement
}

function answer ({ id, method, sql, bindings }: Call): Answer {
  try {
    const statement = statementOf(sql)
    const values = bindings.map(bindable)
    if (method === 'all') return { id, rows: statement.all(...values) }
    const { lastInsertRowid, changes } = statement.run(...values)
    return { id, lastID: Number(lastInsertRowid), changes: Number(changes) }
  } catch (cause) {
    const { errcode = 1, message } = cause as Error & { errcode?: number }
    const code = `SQLITE_${codes[errcode & 0xff] ?? 'ERROR'}`
    return { id, error: { code, errno: errcode, message: `${code}: ${message}` } }
  }
}

function bindable (value: unknown): unknown {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.getTime()
  return value ?? null
}

parentPort?.on('message', (call: Call) => { parentPort?.postMessage(answer(call)) })
