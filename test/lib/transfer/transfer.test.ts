import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Knex } from 'knex'
import { databaseAt } from '../../../lib/transfer/address.ts'
import { copyDatabase } from '../../../lib/transfer/copy.ts'
import { withDatabase } from '../../../lib/transfer/database.ts'
import { exportTo } from '../../../lib/transfer/export.ts'
import { importFrom } from '../../../lib/transfer/import.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const command = fileURLToPath(new URL('../../../lib/transfer/command.ts', import.meta.url))
const run = promisify(execFile)
const quiet = { progress: () => undefined }
const day = 86_400_000

/** A database with three agents, texts that CSV has to quote, and rollups of metrics that are gone. */
async function filled (t: TestContext, metrics = 12_000): Promise<{ place: string, filename: string }> {
  const place = await temporaryFolder(t)
  const filename = join(place, 'from.sqlite')
  await withDatabase(databaseAt(filename), async ({ knex }) => {
    for (const id of [1, 2, 3]) {
      await knex('agents').insert({ id, uuid: `agent "${id}",`, username: 'u', name: id === 1 ? null : 'n', hostname: 'h', pid: 7, connected: id === 2, connected_at: 1, last_seen_at: 2, created_at: 3, updated_at: 4 })
      await knex('series').insert({ id: id * 2, agent_id: id, type: 'text', last_ts: 5, last_text: 'x' })
      await knex('series').insert({ id: id * 2 + 1, agent_id: id, type: 'täpe', last_ts: 6, last_value: 1 })
      await knex('retention').insert({ series_id: id * 2 + 1, raw_from: day, hours_from: day })
      await knex.raw(`insert into metrics (series_id, ts, seq, value) with recursive n(i) as (select 1 union all select i + 1 from n where i < ${metrics / 3})
        select ${id * 2 + 1}, ${day} + i / 3, i, i * 0.1 from n`)
      const texts = ['', '5', 'a,b', '"', 'line\nbreak', 'é😀', ' x ']
      await knex('metrics').insert(texts.map((text, i) => ({ series_id: id * 2, ts: i, seq: 2 ** 47 + i, text })))
      await knex('metrics_1h').insert([-1, day].map(ts => ({ series_id: id * 2 + 1, ts, n: 2, sum: 3, min: 1, max: 2, last: 1.5 })))
      await knex('metrics_1d').insert([0, day].map(ts => ({ series_id: id * 2 + 1, ts, n: 2, sum: 3, min: 1, max: 2, last: 1.5 })))
      await knex('dirty_hours').insert({ series_id: id * 2 + 1, ts: day })
    }
  })
  return { place, filename }
}

/** What a database says, whatever numbers its agents and series have. */
async function contents (knex: Knex): Promise<Record<string, unknown[]>> {
  const named = (table: string) => knex(table).join('series', 'series.id', `${table}.series_id`).join('agents', 'agents.id', 'series.agent_id')
  return {
    agents: await knex('agents').orderBy('uuid').select('uuid', 'username', 'name', 'hostname', 'pid', 'last_seen_at', 'created_at'),
    series: await knex('series').join('agents', 'agents.id', 'series.agent_id').leftJoin('retention', 'series_id', 'series.id').orderBy(['uuid', 'type']).select('uuid', 'type', knex.raw('coalesce(raw_from, 0) as raw_from'), knex.raw('coalesce(hours_from, 0) as hours_from')),
    metrics: await named('metrics').orderBy(['uuid', 'type', 'ts', 'seq']).select('uuid', 'type', 'ts', 'seq', 'value', 'text'),
    hours: await named('metrics_1h').orderBy(['uuid', 'type', 'ts']).select('uuid', 'type', 'ts', 'n', 'sum', 'min', 'max', 'last'),
    days: await named('metrics_1d').orderBy(['uuid', 'type', 'ts']).select('uuid', 'type', 'ts', 'n', 'sum', 'min', 'max', 'last')
  }
}

const contentsOf = (filename: string) => withDatabase(databaseAt(filename), ({ knex }) => contents(knex))

test('what is exported as JSON lines and imported is the same, and imported again changes nothing', async t => {
  const { place, filename } = await filled(t)
  const [file, target] = [join(place, 'all.ndjson'), join(place, 'to.sqlite')]
  const lines = await withDatabase(databaseAt(filename), ({ knex }) => exportTo(knex, file, { format: 'ndjson', resume: false, ...quiet }))
  assert.equal(lines, 3 + 6 + 12_000 + 21 + 6 + 6)
  const imported = await withDatabase(databaseAt(target), database => importFrom(database, file, { format: 'ndjson', ...quiet }))
  assert.deepEqual(imported, { rows: lines, fresh: 12_021 })
  assert.deepEqual(await contentsOf(target), await contentsOf(filename))
  const again = await withDatabase(databaseAt(target), database => importFrom(database, file, { format: 'ndjson', ...quiet }))
  assert.deepEqual(again, { rows: lines, fresh: 0 })
  assert.deepEqual(await contentsOf(target), await contentsOf(filename))
})

test('CSV has the metrics, whatever is in their texts', async t => {
  const { place, filename } = await filled(t, 30)
  const [file, target] = [join(place, 'all.csv'), join(place, 'to.sqlite')]
  await withDatabase(databaseAt(filename), ({ knex }) => exportTo(knex, file, { format: 'csv', resume: false, ...quiet }))
  assert.equal((await readFile(file, 'utf8')).split('\n', 1)[0], 'uuid,type,timestamp,seq,value,text')
  await withDatabase(databaseAt(target), database => importFrom(database, file, { format: 'csv', ...quiet }))
  assert.deepEqual((await contentsOf(target)).metrics, (await contentsOf(filename)).metrics)
})

test('an export that was cut off anywhere is finished by --resume', async t => {
  const { place, filename } = await filled(t, 3_000)
  for (const format of ['ndjson', 'csv'] as const) {
    const file = join(place, `all.${format}`)
    const write = (resume: boolean) => withDatabase(databaseAt(filename), ({ knex }) => exportTo(knex, file, { format, resume, ...quiet }))
    await write(false)
    const whole = await readFile(file)
    for (const share of [0.001, 0.1, 0.33, 0.5, 0.77, 0.9999, 1]) {
      await truncate(file, Math.floor(whole.length * share))
      await write(true)
      assert.ok(whole.equals(await readFile(file)), `${format} cut at ${share}`)
    }
  }
  const other = join(place, 'other.ndjson')
  await writeFile(other, '{"uuid":"nobody","type":"x","timestamp":1,"seq":1,"value":1}\n')
  await assert.rejects(withDatabase(databaseAt(filename), ({ knex }) => exportTo(knex, other, { format: 'ndjson', resume: true, ...quiet })), /^TRANSFER_RESUME_IMPOSSIBLE/)
})

test('a wrong line is named, what is before it is stored, and the import goes on there once it is mended', async t => {
  const { place, filename } = await filled(t, 9_000)
  const [file, target] = [join(place, 'all.ndjson'), join(place, 'to.sqlite')]
  await withDatabase(databaseAt(filename), ({ knex }) => exportTo(knex, file, { format: 'ndjson', resume: false, ...quiet }))
  const good = (await readFile(file, 'utf8')).split('\n')
  const load = () => withDatabase(databaseAt(target), database => importFrom(database, file, { format: 'ndjson', ...quiet }))
  const bad = good[5_000] ?? ''
  for (const broken of ['{"uuid":', '{"uuid":"a","type":"","timestamp":1,"seq":1,"value":1}', '{"uuid":"a","type":"b","timestamp":"x","seq":1,"value":1}', '[]', '{}'].map(text => text.padEnd(bad.length))) {
    await writeFile(file, good.with(5_000, broken).join('\n'))
    await assert.rejects(load(), /TRANSFER_LINE_INVALID: Line 5001: /, broken)
  }
  assert.equal((await contentsOf(target)).metrics?.length, 5_000 - 9)
  await writeFile(file, good.join('\n'))
  const { rows } = await load()
  assert.equal(rows, good.length - 1 - 5_000)
  assert.deepEqual(await contentsOf(target), await contentsOf(filename))
  await assert.rejects(stat(`${file}.progress`), /ENOENT/)
})

test('a copy has the same numbers, goes on where it was cut off, and refuses a database with others in it', async t => {
  const { place, filename } = await filled(t)
  const target = join(place, 'to.sqlite')
  const copy = (stop = Infinity) => withDatabase(databaseAt(filename), from => withDatabase(databaseAt(target), to => {
    let rows = 0
    return copyDatabase(from, to, (_table, count) => {
      rows += count
      if (rows > stop) throw new Error('cut off')
    })
  }))
  for (const stop of [1, 5, 6_000, 3]) await assert.rejects(copy(stop), /cut off/)
  const counts = await copy()
  assert.deepEqual(counts.metrics, { from: 12_021, to: 12_021 })
  const all = (name: string) => withDatabase(databaseAt(name), async ({ knex }) => await Promise.all(['agents', 'series', 'metrics', 'metrics_1h', 'metrics_1d', 'dirty_hours'].map(table => knex(table))))
  assert.deepEqual(await all(target), await all(filename))
  await withDatabase(databaseAt(target), async ({ knex }) => { await knex('agents').where('id', 1).update({ uuid: 'another' }) })
  await assert.rejects(copy(), /TRANSFER_TARGET_IN_USE: .*another/)
})

test('a copy that goes on brings what changed meanwhile, and refuses a series of the same number that is another', async t => {
  const { place, filename } = await filled(t, 30)
  const target = join(place, 'to.sqlite')
  const copy = () => withDatabase(databaseAt(filename), from => withDatabase(databaseAt(target), to => copyDatabase(from, to, () => undefined)))
  await copy()
  await withDatabase(databaseAt(filename), async ({ knex }) => {
    await knex('agents').where('id', 1).update({ name: 'renamed', last_seen_at: 9 })
    await knex('series').where('id', 3).update({ last_ts: 2 * day, last_value: 42 })
    await knex('metrics').insert({ series_id: 3, ts: 2 * day, seq: 1, value: 42 })
    await knex('series').insert({ id: 9, agent_id: 3, type: 'new', last_ts: 1 })
  })
  await copy()
  const changed = (name: string) => withDatabase(databaseAt(name), async ({ knex }) => await Promise.all([knex('agents').orderBy('id'), knex('series').orderBy('id')]))
  assert.deepEqual(await changed(target), await changed(filename))
  // As if Node-RED had run with both.
  await withDatabase(databaseAt(target), async ({ knex }) => { await knex('series').where('id', 9).update({ type: 'another', last_ts: 5 }) })
  await assert.rejects(copy(), /TRANSFER_TARGET_IN_USE: It has a series another of its own/)
})

test('the command says what it did, and what is wrong without the password', async t => {
  const { place, filename } = await filled(t, 30)
  const node = (...args: string[]) => run(process.execPath, [command, ...args], { env: { ...process.env, PLATZIVERSE_DATABASE: filename } })
  assert.match((await node('status')).stdout, /^SQLite 3\..*tables: ready\nagents +3\nseries +6\nmetrics +51\n/)
  assert.match((await node('export', join(place, 'x.csv'))).stdout, /^51 lines written/)
  assert.match((await node('import', join(place, 'x.csv'), '--database', join(place, 'y.sqlite'))).stdout, /^51 lines read, 51 metrics were new/)
  assert.match((await node('migrate', '--to', join(place, 'z.sqlite'))).stdout, /metrics.*51.*51/)
  assert.match((await node('--help')).stdout, /Usage: platziverse-store/)
  const failed = async (...args: string[]) => await node(...args).then(() => assert.fail('it went well'), (error: { code: number, stderr: string }) => error)
  assert.deepEqual([await failed('fly'), await failed('status', '--nothing'), await failed('export')].map(({ code }) => code), [2, 2, 2])
  const wrong = await failed('status', '--database', 'oracle://me:secret@host/db')
  assert.match(wrong.stderr, /TRANSFER_OPTION_INVALID: oracle:/)
  assert.doesNotMatch(wrong.stderr, /secret/)
  assert.equal((await failed('import', join(place, 'missing.ndjson'))).code, 1)
  assert.match((await failed()).stderr, /^TRANSFER_OPTION_INVALID: Say what to do: status, migrate, export or import; see --help\./)
  assert.match((await failed('fly')).stderr, /There is no command "fly": status, migrate, export or import/)
})

test('the status of a database without tables, or with those of an older version, says who brings them up to date, and touches nothing', async t => {
  const filename = join(await temporaryFolder(t), 'older.sqlite')
  await writeFile(filename, '')
  const status = async (lang: string) => (await run(process.execPath, [command, 'status', '--lang', lang, '--database', filename])).stdout
  const next = { en: /Node-RED (makes them|brings them up to date) when it opens .* "platziverse-store migrate"/, es: /Node-RED las (crea|pone al día) al abrir .* "platziverse-store migrate"/, pt: /Node-RED as (cria|põe em dia) ao abrir .* "platziverse-store migrate"/ }
  assert.match(await status('en'), next.en)
  await withDatabase(databaseAt(filename), async ({ knex }) => {
    await knex.schema.dropView('platziverse_metrics')
    await knex('knex_migrations').where('name', '0014-metrics-for-sql').delete()
  })
  for (const lang of ['es', 'pt'] as const) assert.match(await status(lang), next[lang])
  assert.match(await status('en'), /^SQLite 3\.[\d.]+, tables: of an older version\.\n.*make a copy before\.\n$/)
})

test('the command that ended does not say that it goes on', async t => {
  const file = join(await temporaryFolder(t), 'text.sqlite')
  await writeFile(file, 'no database '.repeat(1000))
  const { stderr } = await run(process.execPath, [command, 'status', '--database', file]).then(() => assert.fail('it went well'), (error: { stderr: string }) => error)
  assert.match(stderr, /^STORE_NOT_A_DATABASE: /)
  assert.doesNotMatch(stderr, /keeps trying/)
})

test('an export replaces a file only when it is told to', async t => {
  const { place, filename } = await filled(t, 30)
  const file = join(place, 'precious.csv')
  const exported = (...args: string[]) => run(process.execPath, [command, 'export', file, '--database', filename, ...args])
  await writeFile(file, 'precious')
  const { code, stderr } = await exported().then(() => assert.fail('it went well'), (error: { code: number, stderr: string }) => error)
  assert.deepEqual([code, await readFile(file, 'utf8')], [2, 'precious'])
  assert.match(stderr, /precious\.csv is there already: replace it with --force/)
  assert.match((await exported('--force')).stdout, /^51 lines written/)
  await writeFile(file, '')
  assert.match((await exported()).stdout, /^51 lines written/, 'an empty file is none')
})

test('a mistyped address is not taken for a file, and its password is not repeated', () => {
  for (const address of ['', 'postgres:/me:s3cret@host/db', 'mysql:me:s3cret@host/db', 'postgres+ssl://me:s3cret@host/db']) {
    assert.throws(() => databaseAt(address), (error: Error) => /^TRANSFER_OPTION_INVALID/.test(error.message) && !error.message.includes('s3cret'), address)
  }
  assert.equal(databaseAt('C:\\data\\metrics.sqlite').client, 'sqlite')
})

test('the command takes no file that is not there for an empty database, and no second file', async t => {
  const place = await temporaryFolder(t)
  const missing = join(place, 'mistyped.sqlite')
  const failed = (...args: string[]) => run(process.execPath, [command, ...args, '--database', missing]).then(() => assert.fail('it went well'), ({ code, stderr }: { code: number, stderr: string }) => `${code} ${stderr}`)
  for (const args of [['status'], ['export', join(place, 'x.csv')], ['migrate', '--to', join(place, 'to.sqlite')]]) assert.match(await failed(...args), /^2 .*mistyped\.sqlite is not there/)
  assert.match(await failed('migrate', 'postgres://host/db'), /^2 .*--to/)
  assert.deepEqual(await readdir(place), [])
})

test('a reader of what the command prints may stop reading', async t => {
  const { filename } = await filled(t, 30)
  const child = spawn(process.execPath, [command, 'status', '--database', filename], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let problems = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { problems += text })
  assert.deepEqual([...await once(child, 'close') as [number, null], problems], [0, null, ''])
})

test('the command speaks the reader\'s language: what it does, its help, and what is wrong', async t => {
  const { place, filename } = await filled(t, 30)
  const { LC_ALL: _all, LC_MESSAGES: _messages, ...inherited } = process.env
  const node = (env: object, ...args: string[]) => run(process.execPath, [command, ...args], { env: { ...inherited, LANG: 'C.UTF-8', PLATZIVERSE_DATABASE: filename, ...env } })
  const spanish = (...args: string[]) => node({}, ...args, '--lang', 'es')
  const portuguese = (...args: string[]) => node({ LANG: 'pt_BR.UTF-8' }, ...args)
  const failed = async (act: Promise<unknown>) => await act.then(() => assert.fail('it went well'), ({ code, stderr }: { code: number, stderr: string }) => `${code} ${stderr.trim()}`)

  assert.match((await spanish('--help')).stdout, /^platziverse-store: cuida de .*\n\nUso: platziverse-store <comando>/)
  assert.match((await portuguese('--help')).stdout, /^platziverse-store: cuida de um banco de dados .*\n\nUso: /)
  assert.match((await spanish('status')).stdout, /^SQLite 3\.[\d.]+, tablas: al día\nagents +3\n[^]*\nla última +1970-/)
  assert.match((await portuguese('status')).stdout, /^SQLite 3\.[\d.]+, tabelas: em dia\nagents +3\n[^]*\na última +1970-/)
  assert.equal((await spanish('migrate')).stdout, 'Las tablas son las de esta versión.\n')
  assert.equal((await portuguese('export', join(place, 'x.csv'))).stdout, '51 linhas gravadas.\n')
  assert.equal((await spanish('import', join(place, 'x.csv'), '--database', join(place, 'y.sqlite'))).stdout, '51 líneas leídas, 51 métricas eran nuevas.\n')
  assert.match((await portuguese('migrate', '--to', join(place, 'z.sqlite'))).stdout, /de +│ para[^]*metrics.*51.*51/)

  const advice = 'Corregir la opción indicada; --help las explica.'
  assert.equal(await failed(spanish()), `2 TRANSFER_OPTION_INVALID: Decir qué hacer: status, migrate, export o import; véase --help. ${advice}`)
  assert.equal(await failed(spanish('--nonsense')), `2 TRANSFER_OPTION_INVALID: Opción desconocida: --nonsense; véase --help. ${advice}`)
  assert.equal(await failed(spanish('status', '--database', 'nowhere.sqlite')), `2 TRANSFER_OPTION_INVALID: ${join(process.cwd(), 'nowhere.sqlite')} no existe. ${advice}`)
  assert.equal(await failed(node({}, 'status', '--lang', 'fr')), '2 TRANSFER_OPTION_INVALID: --lang knows en, es, pt, and not "fr". Correct the named option; --help explains them.')
  const broken = join(place, 'broken.ndjson')
  await writeFile(broken, '{"uuid":"a","type":"t","timestamp":1,"value":null}\n')
  assert.match(await failed(portuguese('import', broken)), /^1 TRANSFER_LINE_INVALID: Linha 1: metrics\[0\]\.value deve ser um número finito, um booleano ou um texto de no máximo 1 KiB\. Corrija a linha indicada/)
  await writeFile(broken, 'no database '.repeat(1000))
  assert.equal(await failed(spanish('status', '--database', broken)), `1 STORE_NOT_A_DATABASE: ${broken} no es una base de datos SQLite. El archivo no es una base de datos SQLite, o está dañado: elegir otro archivo o restaurarlo.`)
  assert.match(await failed(portuguese('status', '--database', 'postgres://me:secret@127.0.0.1:1/x')), /^1 STORE_REFUSED_CONNECTION: PostgreSQL em 127\.0\.0\.1:1: ninguém escuta em 127\.0\.0\.1:1 \(ECONNREFUSED\)\. Nenhum servidor de banco de dados responde ali: .* e o firewall entre os dois\.$/)
})
