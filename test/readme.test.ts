import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { limitDefaults } from '../lib/broker/limits.ts'
import { errorHelp } from '../lib/errors.ts'
import { rejectReasons } from '../lib/messages/parse.ts'
import { fieldsOf, schemas } from '../lib/messages/schema.ts'

const english = await readFile(new URL('../README.md', import.meta.url), 'utf8')
const spanish = await readFile(new URL('../README.es.md', import.meta.url), 'utf8')

test('the README explains every error code and what to do', () => {
  for (const [code, help] of Object.entries(errorHelp)) {
    assert.ok(english.includes(`| \`${code}\` | ${help} |`), code)
    assert.ok(spanish.includes(`| \`${code}\` |`), `${code} in Spanish`)
  }
})

test('the README explains every reason of a rejection', () => {
  for (const [reason, meaning] of Object.entries(rejectReasons)) {
    assert.ok(english.includes(`| \`${reason}\` | ${meaning} |`), reason)
    assert.ok(spanish.includes(`| \`${reason}\` |`), `${reason} in Spanish`)
  }
})

test('the README\'s table of fields is the schema\'s', () => {
  for (const { field, required, description } of fieldsOf(schemas.message)) {
    assert.ok(english.includes(`| \`${field}\` | ${required ? 'yes' : 'no'} | ${description} |`), field)
    assert.ok(spanish.includes(`| \`${field}\` | ${required ? 'sí' : 'no'} |`), `${field} in Spanish`)
  }
})

test('the page on the broker has every limit with its default', async () => {
  const page = await readFile(new URL('../docs/broker.md', import.meta.url), 'utf8')
  for (const [name, value] of Object.entries(limitDefaults)) assert.ok(page.includes(`| \`${name}\` | ${value.toLocaleString('en-US')} |`), name)
})

test('the codes that the code uses are the codes there are', async () => {
  let source = ''
  for (const folder of ['../lib/', '../nodes/']) {
    for (const file of await readdir(new URL(folder, import.meta.url), { recursive: true })) {
      if (file.endsWith('.ts') && file !== 'errors.ts') source += await readFile(new URL(folder + file, import.meta.url), 'utf8')
    }
  }
  assert.deepEqual(Object.keys(errorHelp).filter(code => !source.includes(`'${code}'`)), [])
})
