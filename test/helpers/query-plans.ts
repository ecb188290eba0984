import type { Knex } from 'knex'

/** A statement as Knex sends it. */
export interface Sent { sql: string, bindings: readonly unknown[] }

/** Tables that grow with time, and as many metrics as there are in them: a question that reads one of them as a whole gets slower every day. */
const growing = /^(?:metrics|metrics_settled|metrics_1h|metrics_1d|dirty_hours)$/

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
  const sql = sqlOf(statement)
  const plan = await planOf(knex, statement)
  switch (knex.client.dialect as string) {
    case 'sqlite3': return scansOfSqlite(plan as SqliteStep[], sql, isBounded)
    case 'postgresql': return scansOfPostgresql((plan as PostgresqlPlan).rows[0]['QUERY PLAN'][0].Plan, isBounded)
    default: return scansOfMysql((plan as [MysqlStep[]])[0], sql, isBounded)
  }
}

/** How a database would sort agents, or read all of them without their index of presence. Empty: it does neither. */
export async function sortsIn (knex: Knex, statement: Sent): Promise<string[]> {
  const plan = await planOf(knex, statement)
  switch (knex.client.dialect as string) {
    case 'sqlite3': return (plan as SqliteStep[]).map(({ detail }) => detail)
      .filter(detail => /TEMP B-TREE/.test(detail) || (/\b(?:SCAN|SEARCH) agents\b/.test(detail) && !/INDEX agents_presence/.test(detail)))
    case 'postgresql': return sortsOfPostgresql((plan as PostgresqlPlan).rows[0]['QUERY PLAN'][0].Plan)
    default: return (plan as [MysqlStep[]])[0].filter(({ table, key, Extra: extra }) => (table === 'agents' && key !== 'agents_presence') || /filesort/.test(extra ?? ''))
      .map(({ table, key, Extra: extra }) => `${table} by ${key}: ${extra}`)
  }
}

/** Knex takes question marks alone. */
function sqlOf ({ sql }: Sent): string {
  return sql.replaceAll(/\$\d+/g, '?')
}

async function planOf (knex: Knex, statement: Sent): Promise<unknown> {
  const how = { sqlite3: 'explain query plan', postgresql: 'explain (format json)' }[knex.client.dialect as string] ?? 'explain'
  return await knex.raw(`${how} ${sqlOf(statement)}`, statement.bindings as never)
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

interface SqliteStep { detail: string }

function scansOfSqlite (steps: SqliteStep[], sql: string, isBounded: boolean): string[] {
  const tables = tablesIn(sql)
  return steps.map(({ detail }) => detail).filter(detail => {
    const [, how, name = ''] = /^(SCAN|SEARCH) (\w+)/.exec(detail) ?? []
    if (how === undefined) return false
    // The two tables of the view `metrics` have steps of their own; what is taken from them may be gone through.
    if (name === 'incoming') return how === 'SCAN' || (isBounded && !/\(block=\? AND ts[=><]/.test(detail))
    if (name !== 'metrics_settled' && ([...tables.get(name) ?? []].includes('metrics') || !grows(name, tables))) return false
    return how === 'SCAN' || (isBounded && !/\(series_id=\? AND ts[=><]/.test(detail))
  })
}

interface PostgresqlNode { 'Node Type': string, 'Relation Name'?: string, 'Index Name'?: string, 'Index Cond'?: string, Plans?: PostgresqlNode[] }
interface PostgresqlPlan { rows: [{ 'QUERY PLAN': [{ Plan: PostgresqlNode }] }] }

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

function sortsOfPostgresql (node: PostgresqlNode): string[] {
  const { 'Node Type': type, 'Relation Name': table, 'Index Name': index } = node
  const isBad = /Sort/.test(type) || (table === 'agents' && index !== 'agents_presence')
  return [...isBad ? [`${type} ${table ?? ''} ${index ?? ''}`] : [], ...(node.Plans ?? []).flatMap(sortsOfPostgresql)]
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
