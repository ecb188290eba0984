import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageDir } from '../../helpers/node-red.ts'

/** How SQLite, PostgreSQL, MySQL and Knex ask for the time. JavaScript's `Date.now()` and `performance.now()` are none of these. */
const clocks = [
  /(?<![\w.#])now\(\)/i,
  /\b(?:clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|sysdate|curdate|curtime|unix_timestamp|utc_date|utc_time|utc_timestamp|unixepoch|julianday)\s*\(/i,
  // Of a time that is given it only writes it differently.
  /\bstrftime\s*\(\s*'[^']*'\s*(?:\)|,\s*'now')/i,
  /\b(?:current_timestamp|current_date|current_time|localtimestamp|localtime)\b/i,
  /\b(?:date|time|datetime)\s*\(\s*(?:\)|'now')/i,
  /\bfn\s*\.\s*now\b|\.timestamps\(/
]

/** Parts of lib that speak SQL. */
const folders = ['overview', 'query', 'sqlite', 'store', 'transfer']

test('no statement reads the clock of the database server, but for the compression of TimescaleDB', () => {
  const found = folders.flatMap(folder => {
    const files = readdirSync(join(packageDir, 'lib', folder), { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
    return files.map(file => join(folder, file)).filter(file => {
      const text = readFileSync(join(packageDir, 'lib', file), 'utf8')
      return clocks.some(clock => clock.test(text))
    })
  })
  assert.deepEqual(found, [join('store', 'dialects', 'postgresql', 'timescale.ts')])
})

test('each way to ask for it is noticed', () => {
  for (const sql of ['now()', 'set t = NOW()', 'current_timestamp', "datetime('now')", 'date()', 'unixepoch()', "strftime('%s', 'now')", 'sysdate()', 'unix_timestamp()', 'clock_timestamp()', 'knex.fn.now()', 'table.timestamps(true)']) {
    assert.ok(clocks.some(clock => clock.test(sql)), sql)
  }
  for (const code of ['Date.now()', 'performance.now()', 'this.#now()', 'new Date(time)', 'at.getTime()']) assert.ok(!clocks.some(clock => clock.test(code)), code)
})
