import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse } from 'csv-parse/sync'
import { databaseAt } from '../../../lib/transfer/address.ts'
import { withDatabase } from '../../../lib/transfer/database.ts'
import { exportTo } from '../../../lib/transfer/export.ts'
import { importFrom } from '../../../lib/transfer/import.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const command = fileURLToPath(new URL('../../../lib/transfer/command.ts', import.meta.url))
const quiet = { progress: () => undefined }
const day = 86_400_000

/** A database whose agents sent these texts, one each ms, under names that are the first of them. */
async function databaseOf (t: TestContext, texts: string[], names = ['u1']): Promise<string> {
  const filename = join(await temporaryFolder(t), 'from.sqlite')
  await withDatabase(databaseAt(filename), async ({ knex }) => {
    for (const [i, name] of names.entries()) {
      await knex('agents').insert({ id: i + 1, uuid: name, connected: false, created_at: 1, updated_at: 1 })
      await knex('series').insert({ id: i + 1, agent_id: i + 1, type: name === 'u1' ? 't' : name })
      await knex('metrics').insert(texts.map((text, ts) => ({ series_id: i + 1, ts: day + ts, seq: 1, text })))
    }
  })
  return filename
}

const write = (filename: string, file: string, resume: boolean, format: 'csv' | 'ndjson' = 'csv') => withDatabase(databaseAt(filename), ({ knex }) => exportTo(knex, file, { format, resume, ...quiet }))

test('--resume finds the last record, whatever looks like one in a text, wherever the file was cut off', async t => {
  const texts = [`x\nu1,t,${day + 900},1,1,\ny`, `"\nu1,t,${day + 900},1,1,\n"`, `\nu1,t,${day + 900},1,,"a\n`, '"', '""', 'a,b', '\r\n', ',,\n,,', 'ü\n"\n😀', `u1,t,${day + 3},1,1,\n`, 'end']
  const filename = await databaseOf(t, texts)
  const file = `${filename}.csv`
  await write(filename, file, false)
  const whole = await readFile(file)
  const lines = whole.toString().split('\n').length - 1
  const places = [...Array(whole.length + 1).keys()].filter(place => place % 3 === 0 || whole[place - 1] === 10 || whole[place - 1] === 34)
  for (const place of places) {
    await writeFile(file, whole.subarray(0, place))
    await write(filename, file, true)
    assert.ok(whole.equals(await readFile(file)), `cut at ${place} of ${whole.length} bytes, ${lines} lines`)
  }
})

test('--resume leaves a file alone that no export wrote, and the command says so with its exit code', async t => {
  const filename = await databaseOf(t, ['a', 'b'])
  for (const [format, contents] of [['csv', 'my notes'], ['csv', 'my notes\n'], ['csv', 'uuid,type\nu1,t,1,1,1,\n'], ['csv', `uuid,type,timestamp,seq,value,text\nu1,t,1,1,,"a"b\n`],
    ['csv', 'uuid,type,timestamp,seq,value,text\nu2,t,1,1,1,\n'], ['ndjson', 'my notes'], ['ndjson', 'x'.repeat(70_000)]] as const) {
    const file = `${filename}.${format}`
    await writeFile(file, contents)
    await assert.rejects(write(filename, file, true, format), { code: 'TRANSFER_RESUME_IMPOSSIBLE' }, contents.slice(0, 50))
    assert.equal(await readFile(file, 'utf8'), contents)
  }
  const run = promisify(execFile)(process.execPath, [command, 'export', `${filename}.csv`, '--resume', '--database', filename])
  await assert.rejects(run, (error: { code?: number, stderr?: string }) => error.code === 1 && /^TRANSFER_RESUME_IMPOSSIBLE/.test(error.stderr ?? ''))
})

test('no text, type or uuid of CSV is a formula to a spreadsheet, and all come back as they were', async t => {
  const starts = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', "'", "'=", "''=", "'''@", "'a", '"=', ' =', '=\n', '=",', '']
  const texts = starts.flatMap(start => [start, `${start}cmd|' /C calc'!A0`, `${start}1+1`])
  const names = starts.filter(start => /^[\x20-\x7e＝]+$/.test(start)).map(start => `${start}n`)
  const filename = await databaseOf(t, texts, names)
  const [file, target] = [`${filename}.csv`, `${filename}.to`]
  await write(filename, file, false)
  const records = parse(await readFile(file, 'utf8'), { record_delimiter: '\n' }) as string[][]
  assert.equal(records.length, 1 + texts.length * names.length)
  for (const record of records) for (const field of record) assert.ok(/^-?\d+$/.test(field) || !/^[=+\-@\t\r\n＝]/.test(field), JSON.stringify(record))
  await withDatabase(databaseAt(target), database => importFrom(database, file, { format: 'csv', ...quiet }))
  const contents = (of: string) => withDatabase(databaseAt(of), async ({ knex }) => await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id')
    .orderBy(['uuid', 'ts']).select('uuid', 'type', 'ts', 'seq', 'value', 'text'))
  assert.deepEqual(await contents(target), await contents(filename))
  const whole = await readFile(file)
  for (const share of [0.2, 0.5, 0.99]) {
    await truncate(file, Math.floor(whole.length * share))
    await write(filename, file, true)
    assert.ok(whole.equals(await readFile(file)))
  }
})
