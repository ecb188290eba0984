import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hour } from '../../../lib/time.ts'
import { databaseAt } from '../../../lib/transfer/address.ts'
import { withDatabase } from '../../../lib/transfer/database.ts'
import { exportTo } from '../../../lib/transfer/export.ts'
import { importFrom } from '../../../lib/transfer/import.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const command = fileURLToPath(new URL('../../../lib/transfer/command.ts', import.meta.url))
const run = promisify(execFile)
const quiet = { progress: () => undefined }
const header = 'uuid,type,timestamp,seq,value,text\n'

const formatOf = (file: string) => file.endsWith('.csv') ? 'csv' : 'ndjson'
const load = (filename: string, file: string) => withDatabase(databaseAt(filename), database => importFrom(database, file, { format: formatOf(file), ...quiet }))
const dump = (filename: string, file: string, resume = false) =>
  withDatabase(databaseAt(filename), ({ knex }) => exportTo(knex, file, { format: formatOf(file), resume, ...quiet }))

/** Import a text as a file of its own. */
async function loadText (filename: string, file: string, content: string | Uint8Array): Promise<{ rows: number, fresh: number }> {
  await rm(`${file}.progress`, { force: true })
  await writeFile(file, content)
  return await load(filename, file)
}

const metricsIn = (filename: string) => withDatabase(databaseAt(filename), async ({ knex }) =>
  (await knex('metrics').join('series', 'series.id', 'series_id').orderBy(['type', 'ts', 'value', 'text']).select('type', 'ts', 'seq', 'value', 'text') as Array<{ type: string, ts: number, seq: number, value: number | null, text: string | null }>)
    .map(({ type, ts, seq, value, text }) => [type, ts, seq, value ?? text]))

const line = (timestamp: number, rest: object = {}) => `${JSON.stringify({ uuid: 'a', type: 't', timestamp, seq: 1, value: timestamp / 2, ...rest })}\n`
const lines = (count: number) => Array.from({ length: count }, (_, i) => line(i))

test('an export of many pages waits for the disk without a warning', async t => {
  const place = await temporaryFolder(t)
  const filename = join(place, 'from.sqlite')
  await withDatabase(databaseAt(filename), async ({ knex }) => {
    await knex('agents').insert({ id: 1, uuid: 'a', connected: false, created_at: 1, updated_at: 1 })
    await knex('series').insert({ id: 1, agent_id: 1, type: 't' })
    await knex.raw('insert into metrics (series_id, ts, seq, value) with recursive n(i) as (select 1 union all select i + 1 from n where i < 80000) select 1, i, 1, i from n')
  })
  const warnings: Error[] = []
  const listen = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', listen)
  t.after(() => process.off('warning', listen))
  assert.equal(await dump(filename, join(place, 'all.ndjson')), 80_002)
  assert.deepEqual(warnings.map(({ name }) => name), [])
})

test('--resume begins where no file is, and leaves nothing of half a line that is not in the database any more', async t => {
  const place = await temporaryFolder(t)
  const [filename, file] = [join(place, 'from.sqlite'), join(place, 'all.ndjson')]
  await loadText(filename, join(place, 'x.ndjson'), lines(3).join(''))
  assert.equal(await dump(filename, file, true), 5)
  const whole = await readFile(file, 'utf8')
  await appendFile(file, line(3).slice(0, -5))
  assert.equal(await dump(filename, file, true), 0)
  assert.equal(await readFile(file, 'utf8'), whole)
  await assert.rejects(dump(filename, '-', true), /^TRANSFER_RESUME_IMPOSSIBLE/)
})

test('an export is written into a pipe, and read from one again', { skip: process.platform === 'win32' }, async t => {
  const place = await temporaryFolder(t)
  const [filename, file] = [join(place, 'from.sqlite'), join(place, 'all.ndjson')]
  // More than a pipe holds.
  await loadText(filename, join(place, 'x.ndjson'), lines(3_000).join(''))
  await dump(filename, file)
  const node = `"${process.execPath}" "${command}"`
  for (const [i, [out, back]] of [['/dev/stdout', '/dev/stdin'], ['-', '-'], ['/dev/fd/3 3>&1 >&2', '/dev/fd/0']].entries()) {
    const target = join(place, `to${i}.sqlite`)
    const { stdout, stderr } = await run('sh', ['-c', `${node} --database "${filename}" export ${out} | tee "${file}${i}" | ${node} import ${back} --database "${target}"`])
    assert.match(stdout, /^3002 lines read, 3000 metrics were new/)
    assert.deepEqual(await metricsIn(target), await metricsIn(filename))
    assert.equal(await readFile(`${file}${i}`, 'utf8'), await readFile(file, 'utf8'))
    assert.equal(stderr, '3002 lines written.\n')
  }
})

test('metrics without seq are kept, two of one time as well, and are known again', async t => {
  const place = await temporaryFolder(t)
  const filename = join(place, 'to.sqlite')
  const text = [line(1, { value: 1 }), line(1, { value: 2 }), line(1, { value: '2' }), line(1, { value: 2 }), line(2, { value: 1 })].join('').replaceAll('"seq":1,', '')
  assert.deepEqual(await loadText(filename, join(place, 'x.ndjson'), text), { rows: 5, fresh: 4 })
  assert.deepEqual(await loadText(filename, join(place, 'x.ndjson'), text), { rows: 5, fresh: 0 })
  assert.deepEqual(await loadText(filename, join(place, 'x.csv'), `${header}a,t,1,,2,\na,t,1,,,2\na,t,3,,2,\n`), { rows: 3, fresh: 1 })
  assert.deepEqual((await metricsIn(filename)).map(([, ts, , value]) => [ts, value]), [[1, '2'], [1, 1], [1, 2], [2, 1], [3, 2]])
})

test('a line that is no record is named, whatever it is', async t => {
  const place = await temporaryFolder(t)
  const filename = join(place, 'to.sqlite')
  const wrong = ['{"series":null}', '{"series":[]}', '{"series":{}}', '{"agent":null}', '{"agent":{}}', '{"agent":{"uuid":"a"}}', '[]', '[1]', '5', '"x"', 'null', 'true', '{}', '{"timestamp":null}',
    line(1, { seq: null }), line(1, { seq: 0.5 }), line(1, { seq: '1' }), line(1, { value: null }), line(1, { timestamp: null }), line(1).replace('0.5', '1e999'),
    '{"uuid":"a","type":"t","hour":0,"n":1.5,"sum":1,"min":1,"max":1,"last":1}', Buffer.from(line(1, { value: 'café' }), 'latin1'), `${' '.repeat(100_001)}${line(1)}`]
  for (const broken of wrong) {
    await assert.rejects(loadText(filename, join(place, 'x.ndjson'), Buffer.concat([Buffer.from(`\n${line(7)}`), Buffer.from(broken as string)])), /^TRANSFER_LINE_INVALID: Line 3: /, broken.toString().trim())
  }
  assert.deepEqual(await metricsIn(filename), [['t', 7, 1, 3.5]])
})

test('a line of CSV that says no metric, or two, is named', async t => {
  const place = await temporaryFolder(t)
  const filename = join(place, 'to.sqlite')
  const good = 'a,t,7,1,,"two\nlines"\n'
  const wrong: Array<string | Uint8Array> = ['a,t,1,1, ,', 'a,t,1, ,1,', 'a,t, ,1,1,', 'a,t,,1,1,', 'a,t,1,1,0x10,', 'a,t,0x10,1,1,', 'a,t,1,1,1e999,', 'a,t,1,1,Infinity,', 'a,t,1,1,5,x', 'a,t,1,1,5', 'a,t,1,1,5,,', ' ',
    'a,t,1,1,,"open', 'a,t,1,1,,5" pipe', 'a,t,1,1,,"a"b"c"', 'a,"t",1,1,5,\rx', `a,t,1,1,,"${'long\n'.repeat(50_000)}"`, `a,t,1,1,,"${'long'.repeat(50_000)}"`, Buffer.from('a,t,1,1,,café', 'latin1')]
  for (const broken of wrong) {
    const text = Buffer.concat([Buffer.from(header + good), Buffer.from(broken as string), Buffer.from('\na,t,8,1,1,\n')])
    await assert.rejects(loadText(filename, join(place, 'x.csv'), text), /^TRANSFER_LINE_INVALID: Line 4: /, broken.toString().slice(0, 50))
  }
  assert.deepEqual(await metricsIn(filename), [['t', 7, 1, 'two\nlines']])
})

test('CSV of a spreadsheet is read: a byte order mark, Windows line breaks, blank lines, nothing at the end', async t => {
  const place = await temporaryFolder(t)
  const filename = join(place, 'to.sqlite')
  assert.deepEqual(await loadText(filename, join(place, 'x.csv'), `\ufeff${header}\n"a","t",1,1,,"x ""y"", z"\n\na,t,2,1,-1.5E3,\na,t,3,1,,\na,t,4,1,,end\na,t,5,1,5,`.replaceAll('\n', '\r\n')), { rows: 5, fresh: 5 })
  assert.deepEqual(await metricsIn(filename), [['t', 1, 1, 'x "y", z'], ['t', 2, 1, -1500], ['t', 3, 1, ''], ['t', 4, 1, 'end'], ['t', 5, 1, 5]])
})

test('a CSV export that was cut off anywhere brings no metric in that was not in it', async t => {
  const place = await temporaryFolder(t)
  const [filename, file] = [join(place, 'from.sqlite'), join(place, 'all.csv')]
  await loadText(filename, join(place, 'x.ndjson'), line(1, { value: 123.5 }) + line(2, { value: 'a "text', seq: 234 }))
  await dump(filename, file)
  const target = join(place, 'to.sqlite')
  const whole = await readFile(file)
  for (let size = header.length; size <= whole.length; size++) {
    await loadText(target, file, whole.subarray(0, size)).catch((error: Error) => assert.match(error.message, /^TRANSFER_LINE_INVALID: Line [23]: /))
  }
  assert.deepEqual(await metricsIn(target), await metricsIn(filename))
})

test('an import goes on in the database where it began, and begins in another or a new one', async t => {
  const place = await temporaryFolder(t)
  const [filename, other, file] = [join(place, 'to.sqlite'), join(place, 'other.sqlite'), join(place, 'all.ndjson')]
  const good = lines(4_000)
  const fail = async (into: string) => {
    await writeFile(file, good.with(3_000, 'x\n').join(''))
    await assert.rejects(load(into, file), /Line 3001: it is not JSON/)
    await writeFile(file, good.join(''))
  }
  await fail(filename)
  // Which has the last of the lines that were stored.
  await loadText(other, join(place, 'x.ndjson'), good[2_999] ?? '')
  assert.deepEqual(await load(other, file), { rows: 4_000, fresh: 3_999 })

  await fail(filename)
  await rename(filename, join(place, 'away.sqlite'))
  assert.deepEqual(await load(filename, file), { rows: 4_000, fresh: 4_000 })

  await rm(filename)
  await fail(filename)
  assert.deepEqual(await load(filename, file), { rows: 1_000, fresh: 1_000 })
})

test('an import of CSV goes on at the line that was mended', async t => {
  const place = await temporaryFolder(t)
  const [filename, file] = [join(place, 'to.sqlite'), join(place, 'x.csv')]
  const before = `\ufeff${header}${'a,t,1,1,,"é\n\n"\na,t,2,1,5,\n'.replaceAll('\n', '\r\n')}`
  await assert.rejects(loadText(filename, file, `${before}a,t,3,1,x,\n`), /Line 6: its value is not a number/)
  await writeFile(file, `${before}a,t,3,1,7,\na,t,4,1,8\n`)
  await assert.rejects(load(filename, file), /Line 7: it has 5 columns/)
  await writeFile(file, `${before}a,t,3,1,7,\na,t,4,1,8,\n`)
  assert.deepEqual(await load(filename, file), { rows: 1, fresh: 1 })
  assert.deepEqual(await metricsIn(filename), [['t', 1, 1, 'é\r\n\r\n'], ['t', 2, 1, 5], ['t', 3, 1, 7], ['t', 4, 1, 8]])
})

test('the database is not overwritten with its own export', async t => {
  const place = await temporaryFolder(t)
  const filename = join(place, 'to.sqlite')
  await loadText(filename, join(place, 'x.ndjson'), line(7))
  const error = await run(process.execPath, [command, 'export', 'to.sqlite', '--database', 'to.sqlite'], { cwd: place }).then(() => assert.fail('it went well'), (error: { code: number, stderr: string }) => error)
  assert.deepEqual([error.code, error.stderr.split('.', 1)], [2, ['TRANSFER_OPTION_INVALID: to']])
  assert.deepEqual(await metricsIn(filename), [['t', 7, 1, 3.5]])
})

test('exports of older versions are read', async t => {
  const file = join(await temporaryFolder(t), 'old.ndjson')
  const lines = [{ agent: { uuid: 'a', username: null, name: null, hostname: null, pid: null, createdAt: 1, lastSeenAt: 2 } },
    { series: { uuid: 'a', type: 'cpu', rawFrom: hour, hoursFrom: 0 } }, { uuid: 'a', type: 'cpu', timestamp: hour + 5, seq: 7, value: 3 },
    { uuid: 'a', type: 'cpu', hour: 0, n: 2, sum: 3, min: 1, max: 2, last: 1 }, { uuid: 'a', type: 'cpu', day: 0, n: 2, sum: 3, min: 1, max: 2, last: 1 }]
  await writeFile(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  await withDatabase({ client: 'sqlite', filename: `${file}.sqlite` }, async database => {
    assert.deepEqual(await importFrom(database, file, { format: 'ndjson', ...quiet }), { rows: 5, fresh: 1 })
    assert.deepEqual(await database.knex('metrics_1h').select('ts', 'n', 'last', 'last_ts', 'scaled_sum'), [{ ts: 0, n: 2, last: 1, last_ts: null, scaled_sum: null }])
    assert.deepEqual(await database.knex('series').select('last_ts', 'last_value'), [{ last_ts: hour + 5, last_value: 3 }])
  })
})
