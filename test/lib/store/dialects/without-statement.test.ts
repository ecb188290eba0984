import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutStatement } from '../../../../lib/store/dialects/without-statement.ts'

test('neither the statement nor its values are in the reason of an error', () => {
  assert.equal(withoutStatement("insert into metrics (text) values ('a - b') - SQLITE_FULL: database or disk is full"), 'SQLITE_FULL: database or disk is full')
  assert.equal(withoutStatement('\n  select *\n  from agents - read ECONNRESET'), 'read ECONNRESET')
})

test('the name of a file stays whole', () => {
  const reason = "EACCES: permission denied, unlink '/data/factory - hall 2/platziverse.sqlite-wal'"
  assert.equal(withoutStatement(reason), reason)
})
