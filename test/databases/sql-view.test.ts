import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { onEachDatabase, onEachServer, servers } from '../helpers/databases.ts'
import { mysqlName, type Mariadb } from '../helpers/mariadb.ts'
import { count, now, open } from './writing-process.ts'

interface Row { time: string | Date, agent: string, name: string, type: string, value: number | null, text: string | null, ts: number }

/** As UTC ms. */
const timeOf = (time: string | Date): number => time instanceof Date ? time.getTime() : Date.parse(time)

onEachDatabase('platziverse_metrics has each metric once, wherever it is kept, with the names of its agent and type', async (t, database) => {
  const { store, write } = open(t, database)
  const { query } = database
  const metrics = [{ type: 'n', value: 1.5 }, { type: 'on', value: true }, { type: 'zero', value: -0 }, { type: 'text', value: '-0' }]
  const send = (uuid: string, i: number, name?: string) => write('agent/message', { agent: { uuid, name }, metrics, timestamp: now + i * 1_001, seq: i })
  // A batch of many goes elsewhere than one of few, and so does what is moved.
  await Promise.all(Array.from({ length: 200 }, (_, i) => send('a', i, 'Anna')))
  for (let i = 0; i < 12 && store.settling !== undefined; i++) {
    await store.run(async knex => await store.settling?.step(knex, 0, { before: now + 50_000, size: 60 }))
    assert.equal(await count(query, 'platziverse_metrics'), 4 * 200, `after ${i + 1} steps`)
  }
  for (let i = 200; i < 205; i++) await send('a', i, 'Anna')
  await send('b', 0)
  await send('forgotten', 0)
  await store.removeAgent('forgotten')
  if (database.options.client === 'sqlite') assert.ok((await Promise.all(['metrics_settled', 'metrics_incoming', 'metrics_arrived'].map(table => count(query, table)))).every(Number))
  const rows = await query<Row>('platziverse_metrics').orderBy(['agent', 'ts', 'type']).select('*')
  assert.equal(rows.length, 4 * 206)
  assert.equal(rows.length, 4 * new Set(rows.map(({ agent, ts }) => `${agent} ${ts}`)).size)
  const [first] = rows
  assert.deepEqual(Object.keys(first ?? {}), ['time', 'agent', 'name', 'type', 'value', 'text', 'ts'])
  assert.ok(rows.every(({ time, ts }) => timeOf(time) === Number(ts)), `${String(first?.time)} is not ${first?.ts}`)
  assert.deepEqual(rows.slice(-8, -4).map(({ agent, name, type, value, text }) => [agent, name, type, value, text]), [
    ['a', 'Anna', 'n', 1.5, null], ['a', 'Anna', 'on', 1, null], ['a', 'Anna', 'text', null, '-0'], ['a', 'Anna', 'zero', 0, null]
  ])
  assert.equal(rows.at(-1)?.name, 'b')
})

/** Elsewhere whoever makes tables may make views. */
const whereViewsTakeARight = servers.filter(({ name }) => name === mysqlName)

onEachDatabase('a user who may make no views stores all the same', async (t, { options, server, query }) => {
  if (options.client !== 'mysql') return
  const rights = 'select, insert, update, delete, create, drop, alter, index, lock tables'
  await (server as Mariadb).administer(`create user viewless identified by 'secret'`, `grant ${rights} on ${options.database}.* to viewless`)
  const { write } = open(t, { options: { ...options, user: 'viewless', password: 'secret' } })
  assert.equal((await write('agent/message', { agent: { uuid: 'a' }, metrics: [{ type: 'n', value: 1 }], timestamp: now })).metrics, 1)
  await assert.rejects(query('platziverse_metrics').select('*'), /doesn't exist/)
  const [, statement = ''] = /```sql\n(create view.*?)```/s.exec(await readFile('docs/databases.md', 'utf8')) ?? []
  await query.raw(statement)
  assert.equal((await query('platziverse_metrics').first('value'))?.value, 1)
}, whereViewsTakeARight)

interface Dashboard {
  templating: { list: Array<{ type: string, query: string }> }
  panels: Array<{ title: string, targets: Array<{ rawSql: string }> }>
}

/** A statement as Grafana sends it: first it fills in the variables, then the data source expands its macros. */
function asGrafanaSends (sql: string, isPostgresql: boolean, from: number, to: number, variables: Record<string, string[]>): string {
  const filled = sql
    .replaceAll('$__interval', '1m').replaceAll('$__from', String(from)).replaceAll('$__to', String(to))
    .replace(/\$\{(\w+):sqlstring\}/g, (_, name: string) => (variables[name] ?? []).map(value => `'${value.replaceAll("'", "''")}'`).join(','))
  return filled.replace(/\$(__\w+)\(([^)]*)\)/g, (_, macro: string, given: string) => {
    const [column = '', interval] = given.split(',').map(part => part.trim().replaceAll("'", ''))
    const [since, until] = [from, to].map(time => isPostgresql ? `'${new Date(time).toISOString()}'` : `FROM_UNIXTIME(${Math.floor(time / 1000)})`)
    const seconds = interval === '1m' ? 60 : NaN
    if (macro === '__timeFilter') return `${column} BETWEEN ${since} AND ${until}`
    assert.equal(macro, '__timeGroupAlias')
    return `${isPostgresql ? `floor(extract(epoch from ${column})/${seconds})*${seconds}` : `UNIX_TIMESTAMP(${column}) DIV ${seconds} * ${seconds}`} AS "time"`
  })
}

onEachServer('the dashboards for Grafana ask nothing that the tables do not answer', async (t, database) => {
  const isPostgresql = database.options.client === 'postgresql'
  const { store, write } = open(t, database)
  const start = now - now % 60_000
  const said = (uuid: string, i: number) => write('agent/message', {
    agent: { uuid, name: `It's ${uuid}` }, metrics: [{ type: 'temperature', value: i }, { type: 'state', value: i % 2 === 0 ? 'on' : 'off' }], timestamp: start + i * 20_000, seq: i
  })
  for (const uuid of ['a', 'b']) for (let i = 0; i < 9; i++) await said(uuid, i)
  await store.read()
  const dashboard = JSON.parse(await readFile(`docs/grafana/${isPostgresql ? 'postgresql' : 'mysql'}.json`, 'utf8')) as Dashboard
  // Grafana is told to say so; without it FROM_UNIXTIME is in the zone of the server.
  const zone = isPostgresql ? "set time zone 'America/Bogota'" : "set time_zone = '+00:00'"
  const ask = async (sql: string): Promise<Array<Record<string, unknown>>> => {
    return await database.query.transaction(async db => {
      await db.raw(zone)
      // A question mark would be a place for a value.
      const result = await db.raw(asGrafanaSends(sql, isPostgresql, start, start + 119_000, { agent: ['a', "it's another"], type: ['temperature'] })) as { rows: Array<Record<string, unknown>> } & Array<Array<Record<string, unknown>>>
      return isPostgresql ? result.rows : result[0] ?? []
    })
  }
  const answers = new Map(await Promise.all(dashboard.panels.map(async ({ title, targets: [target] }) => [title, await ask(target?.rawSql ?? '')] as const)))
  assert.deepEqual(answers.get('$type')?.map(row => [Number(row.time), row.metric, Number(row.value)]), [[start / 1000, "It's a", 1], [start / 1000 + 60, "It's a", 4]])
  assert.deepEqual(answers.get('Newest values')?.map(({ time, name, type, value, text }) => [timeOf(time as Date), name, type, value, text]), [
    [start + 160_000, "It's a", 'state', null, 'on'], [start + 160_000, "It's a", 'temperature', 8, null]
  ])
  assert.deepEqual(answers.get('Texts')?.map(({ time, text }) => [timeOf(time as Date), text]).slice(0, 2), [[start + 100_000, 'off'], [start + 80_000, 'on']])
  assert.deepEqual(answers.get('Agents')?.map(row => [row.uuid, Boolean(row.connected), timeOf(row['heard last'] as Date)]), [['a', true, now], ['b', true, now]])
  const own = [...(await readFile('docs/grafana.md', 'utf8')).matchAll(/^ {4}select [^]*?(?=\n\n)/gm)].map(([statement]) => statement)
  const stamp = "timestamp '1970-01-01 00:00:00' + interval m.ts * 1000 microsecond"
  const [graph, hours] = await Promise.all(own.map(statement => ask(isPostgresql ? statement : statement.replace('to_timestamp(m.ts / 1000.0)', stamp))))
  assert.deepEqual([own.length, graph?.length, hours?.length], [2, 2, 0])
  const variables = dashboard.templating.list.filter(({ type }) => type === 'query')
  assert.deepEqual(await Promise.all(variables.map(async ({ query }) => (await ask(query)).map(row => Object.values(row)))), [[["It's a", 'a'], ["It's b", 'b']], [['temperature']]])
})
