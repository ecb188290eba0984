import type { Knex } from 'knex'

type Value = string | number | null

/** Servers refuse statements of more than 4 to 64 MiB; each character is at most four bytes. */
export const mostCharacters = 1_000_000

/** Rows as JSON, in as many parts as it takes. */
function partsOf (rows: ReadonlyArray<readonly Value[]>): string[] {
  if (rows.length === 0) return []
  const json = JSON.stringify(rows)
  if (json.length <= mostCharacters || rows.length === 1) return [json]
  const half = Math.ceil(rows.length / 2)
  return [...partsOf(rows.slice(0, half)), ...partsOf(rows.slice(half))]
}

/** Run a statement that changes something, with these rows. */
export async function change (db: Knex, sql: string, rows: ReadonlyArray<readonly Value[]>): Promise<void> {
  for (const part of partsOf(rows)) await run(db, sql, [part])
}

/** What a statement finds for these rows. */
export async function select<Row> (db: Knex, sql: string, rows: ReadonlyArray<readonly Value[]>): Promise<Row[]> {
  let found: Row[] = []
  for (const part of partsOf(rows)) found = found.concat(await run<Row>(db, sql, [part]))
  return found
}

/** Run a statement. @param binds an array in the place of a list; one of arrays in the place of rows */
export async function run<Row> (db: Knex, sql: string, binds: unknown[]): Promise<Row[]> {
  const [rows] = await db.raw(sql, binds as Knex.Value[]) as [Row[]]
  return rows
}
