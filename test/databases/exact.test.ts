import assert from 'node:assert/strict'
import { join } from 'node:path'
import { latest } from '../../lib/query/series/latest.ts'
import { allRows } from '../../lib/query/series/reading.ts'
import { series } from '../../lib/query/series/series.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { MessageRow } from '../../lib/store/dialects/dialect.ts'
import { Store, type Stored } from '../../lib/store/store.ts'
import { Spool } from '../../lib/store/writer/spool.ts'
import { withDatabase } from '../../lib/transfer/database.ts'
import { exportTo } from '../../lib/transfer/export.ts'
import { importFrom } from '../../lib/transfer/import.ts'
import { onEachDatabase } from '../helpers/databases.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { message } from '../helpers/messages.ts'

/** Those that were read back wrong once, and the edges of a double. */
const special = [
  -0, 0, 1e23, 8.41e21, 298229.625399949, Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 2.2250738585072014e-308,
  2.225073858507201e-308, Number.EPSILON, 2 ** 53, 2 ** 53 + 2, 2 ** 63, -(2 ** 63), 2 ** 64, 1e21, 1e22, 0.1 + 0.2, 1 / 3, 1.1, 5e-320, -1e-300
]

/** Doubles of all exponents, as their bits fall; of those that people measure; and subnormal ones. */
function doubles (count: number): number[] {
  const bits = new DataView(new ArrayBuffer(8))
  const values = [...special]
  while (values.length < count) {
    bits.setUint32(0, Math.random() * 2 ** 32)
    bits.setUint32(4, Math.random() * 2 ** 32)
    const value = bits.getFloat64(0)
    if (Number.isFinite(value)) values.push(value)
    bits.setUint32(0, Math.random() * 2 ** 20)
    values.push(bits.getFloat64(0), Math.random())
    values.push(Math.round(Math.random() * 1e12) / 10 ** Math.floor(Math.random() * 13), (Math.random() - 0.5) * 10 ** Math.floor(Math.random() * 40 - 20))
  }
  return values.slice(0, count)
}

function different (found: unknown[], sent: number[]): Array<[unknown, number]> {
  return sent.flatMap((value, i) => Object.is(found[i], value) ? [] : [[found[i], value] as [unknown, number]])
}

onEachDatabase('a number is read back to the last bit', async (t, { options, server }) => {
  const count = server === undefined ? 100_000 : 25_000
  const values = doubles(count)
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  await new Promise<void>((resolve, reject) => {
    store.write(message('agent/message', { agent: { uuid: 'a' }, timestamp: 1, seq: 0, metrics: [{ type: 't', value: 1 }] }), 1, error => { if (error === null) resolve(); else reject(error) })
  })
  await withDatabase(options, async ({ dialect, knex }) => {
    for (let at = 0; at < count; at += 5_000) {
      const messages = values.slice(at, at + 5_000).map((value, i): MessageRow => [2 + at + i, 1, 1, value])
      await dialect.append(knex, { messages, latest: [], seen: [], dirtyHours: [] })
    }
  })
  const found = await allRows(await series(await store.read(), { uuid: 'a', type: 't', from: 2, order: 'asc' }), count)
  assert.deepEqual(different(found.map(({ value }) => value), values), [])
})

onEachDatabase('so is the newest of each series, and what goes through an export', async (t, { options }) => {
  const values = doubles(900)
  const type = (i: number): string => `t${String(i).padStart(4, '0')}`
  const store = new Store(dialectOf(options), { instance: 'test' })
  t.after(() => store.close())
  const one = message('agent/message', { agent: { uuid: 'a' }, timestamp: 1, seq: 1, metrics: values.map((_, i) => ({ type: type(i), value: 0 })) })
  if (one.kind === 'message') one.payload.metrics.forEach((metric, i) => { (metric as { value: number }).value = values[i] as number })
  await new Promise<void>((resolve, reject) => { store.write(one, 1, error => { if (error === null) resolve(); else reject(error) }) })
  const newest = async (): Promise<unknown[]> => (await allRows(await latest(await store.read(), 'a'), 1_000)).map(({ value }) => value)
  assert.deepEqual(different(await newest(), values), [])

  const folder = await temporaryFolder(t)
  for (const format of ['ndjson', 'csv'] as const) {
    const file = join(folder, `export.${format}`)
    await withDatabase(options, ({ knex }) => exportTo(knex, file, { format, resume: false, progress: () => undefined }))
    await withDatabase({ client: 'sqlite', filename: join(folder, `${format}.sqlite`), ...'driver' in options && { driver: options.driver } }, async database => {
      await importFrom(database, file, { format, progress: () => undefined })
      const rows = await allRows(await latest(database.knex, 'a'), 1_000)
      assert.deepEqual(different(rows.map(({ value }) => value), values), [], format)
    })
  }
})

onEachDatabase('a negative zero is read back where it was spooled', async (t, { options }) => {
  const folder = await temporaryFolder(t)
  const dialect = dialectOf(options)
  let isAway = true
  const connect = async () => {
    if (isAway) throw new Error('away')
    return await dialect.connect()
  }
  const store = new Store({ ...dialect, connect }, { instance: 'test', spool: new Spool({ filename: join(folder, 'spool.sqlite'), mostBytes: 1e6 }) })
  t.after(() => store.close())
  const one = message('agent/message', { agent: { uuid: 'a' }, timestamp: 1, metrics: [{ type: 't', value: 1 }, { type: 'u', value: 1 }] })
  if (one.kind === 'message') (one.payload.metrics[1] as { value: number }).value = -0
  const stored = await new Promise<Stored>((resolve, reject) => {
    store.write(one, 1, (error, stored) => { if (stored === undefined) reject(error as Error); else resolve(stored) })
  })
  assert.equal(stored.spooled, true)
  isAway = false
  await until(() => store.statistics().spooled, spooled => spooled === 0)
  assert.deepEqual((await allRows(await latest(await store.read(), 'a'), 10)).map(({ value }) => value), [1, -0])
})
