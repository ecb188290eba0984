import type { Knex } from 'knex'

/** A statement as Knex sends it. */
export interface Sent { sql: string, bindings: readonly unknown[] }

/** Tables that grow with time, and as many metrics as there are in them: a question that reads one of them as a whole gets slower every day. */
const growing = /^(?:metrics|metrics_1h|metrics_1d|dirty_hours)$/

/** Every statement that a Knex sends while something is done. */
export async function statementsOf (knex: Knex, work: () => Promise<unknown>): Promise<Sent[]> {
  const sent: Sent[] = []
  const keep = ({ sql, bindings = [] }: { sql: string, bindings?: unknown[] }): void => { if (/^\s*(?:select|with)/i.test(sql)) sent.push({ sql, bindings }) }
  knex.on('query', keep)
  try {
    await work()
  } finally {
    knex.off('query', keep)
  }
  return sent
}

/**
 * How a database would read growing tables without the help of their key: as a whole, or a series from its beginning to its end. Empty:
 * it reads what it needs.
 * @param isBounded whether the statement asks for a span of time
 */
export async function scansIn (knex: Knex, statement: Sent, isBounded: boolean): Promise<string[]> {
  // Knex takes question marks alone.
  const sql = statement.sql.replaceAll(/\$\d+/g, '?')
  const explain = async (how: string): Promise<unknown> => await knex.raw(`${how} ${sql}`, statement.bindings as never)
  switch (knex.client.dialect as string) {
    case 'sqlite3': return scansOfSqlite(await explain('explain query plan') as Array<{ detail: string }>, sql, isBounded)
    case 'postgresql': return scansOfPostgresql((await explain('explain (format json)') as { rows: Array<{ 'QUERY PLAN': [{ Plan: PostgresqlNode }] }> }).rows[0]?.['QUERY PLAN'][0].Plan as PostgresqlNode, isBounded)
    default: return scansOfMysql((await explain('explain') as [MysqlStep[]])[0], sql, isBounded)
  }
}

/** Which tables each name in a statement stands for. */
function tablesIn (sql: string): Map<string, Set<string>> {
  const tables = new Map<string, Set<string>>()
  for (const [, table = '', alias] of sql.matchAll(/\b(?:from|join)\s+[`"]?(\w+)[`"]?(?:\s+(?:as\s+)?[`"]?(?!(?:where|left|inner|join|on|order|group|limit|union)\b)(\w+)[`"]?)?/gi)) {
    const name = alias ?? table
    tables.set(name, (tables.get(name) ?? new Set()).add(table))
  }
  return tables
}

function grows (name: string, tables: Map<string, Set<string>>): boolean {
  return [...tables.get(name) ?? []].some(table => growing.test(table))
}

function scansOfSqlite (steps: Array<{ detail: string }>, sql: string, isBounded: boolean): string[] {
  const tables = tablesIn(sql)
  return steps.map(({ detail }) => detail).filter(detail => {
    const [, how, name = ''] = /^(SCAN|SEARCH) (\w+)/.exec(detail) ?? []
    if (how === undefined || !grows(name, tables)) return false
    return how === 'SCAN' || (isBounded && !/\(series_id=\? AND ts[=><]/.test(detail))
  })
}

interface PostgresqlNode { 'Node Type': string, 'Relation Name'?: string, 'Index Name'?: string, 'Index Cond'?: string, Plans?: PostgresqlNode[] }

function scansOfPostgresql (node: PostgresqlNode, isBounded: boolean): string[] {
  const below = (node.Plans ?? []).flatMap(plan => scansOfPostgresql(plan, isBounded))
  const { 'Node Type': type, 'Relation Name': table, 'Index Name': index = '', 'Index Cond': condition = '' } = node
  // The index of a bitmap does not say of which table it is.
  const name = table ?? index.replace(/_pkey$/, '')
  if (!growing.test(name)) return below
  if (type === 'Bitmap Heap Scan') return below
  const isSearched = /series_id/.test(condition) && (!isBounded || /\bts\b/.test(condition))
  return isSearched ? below : [`${type} of ${name}: ${condition}`, ...below]
}

interface MysqlStep { table: string | null, type: string | null, key: string | null, key_len: string | null, Extra: string | null }

/** Bytes of the key's columns: of a series alone, and with the time. */
const seriesKey = 4
function scansOfMysql (steps: MysqlStep[], sql: string, isBounded: boolean): string[] {
  const tables = tablesIn(sql)
  return steps.filter(({ table, type, key_len: length }) => {
    if (table === null || type === null || !grows(table, tables)) return false
    return type === 'ALL' || type === 'index' || Number(length) < (isBounded ? seriesKey + 1 : seriesKey)
  }).map(({ table, type, key, key_len: length, Extra: extra }) => `${type} of ${table} by ${key}, ${length} bytes: ${extra ?? ''}`)
}
