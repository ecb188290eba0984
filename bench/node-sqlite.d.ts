// What the benchmark uses of Node 24's own SQLite. The types that are installed are those of Node 20, the oldest that the package runs on.
declare module 'node:sqlite' {
  export class DatabaseSync {
    constructor (filename: string, options?: { readOnly?: boolean, timeout?: number })
    exec (sql: string): void
    prepare (sql: string): StatementSync
    close (): void
  }

  export class StatementSync {
    get (...values: Array<string | number>): Record<string, unknown> | undefined
    run (...values: Array<string | number>): { changes: number | bigint }
  }
}
