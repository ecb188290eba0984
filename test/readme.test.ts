import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { limitDefaults } from '../lib/broker/limits.ts'
import { Counters } from '../lib/broker/watching/counters.ts'
import { SysTopics } from '../lib/broker/watching/sys-topics.ts'
import { errorHelp } from '../lib/errors.ts'
import { rejectReasons } from '../lib/messages/parse.ts'
import { fieldsOf, schemas } from '../lib/messages/schema.ts'

const english = { errors: await page('docs/errors.md'), messages: await page('docs/messages.md') }
const spanish = { errors: await page('docs/es/errors.md'), messages: await page('docs/es/messages.md') }

test('the page on errors explains every error code and what to do, and no other code', () => {
  for (const [code, help] of Object.entries(errorHelp)) assert.ok(english.errors.includes(`| \`${code}\` | ${help} |`), code)
  for (const errors of [english.errors, spanish.errors]) assert.deepEqual(codesIn(errors).sort(), Object.keys(errorHelp).sort())
})

test('the page on messages explains every reason of a rejection, and no other reason', () => {
  for (const [reason, meaning] of Object.entries(rejectReasons)) assert.ok(english.messages.includes(`| \`${reason}\` | ${meaning} |`), reason)
  for (const messages of [english.messages, spanish.messages]) assert.deepEqual(codesIn(messages).sort(), Object.keys(rejectReasons).sort())
})

test('the table of fields on the page on messages is the schema\'s', () => {
  for (const { field, required, description } of fieldsOf(schemas.message)) {
    assert.ok(english.messages.includes(`| \`${field}\` | ${required ? 'yes' : 'no'} | ${description} |`), field)
    assert.ok(spanish.messages.includes(`| \`${field}\` | ${required ? 'sí' : 'no'} |`), `${field} in Spanish`)
  }
  for (const kind of ['connected', 'disconnected'] as const) {
    for (const { field, description } of fieldsOf(schemas[kind]).filter(({ field }) => !field.startsWith('agent'))) {
      assert.ok(english.messages.includes(`| \`agent/${kind}\` | \`${field}\` | ${description} |`), `${kind} ${field}`)
      assert.ok(spanish.messages.includes(`| \`agent/${kind}\` | \`${field}\` | `), `${kind} ${field} in Spanish`)
    }
  }
  const fields = fieldsOf(schemas.message).map(({ field }) => field)
  for (const messages of [english.messages, spanish.messages]) assert.deepEqual([...messages.matchAll(/^\| `([\w.[\]]+)` \| (?:yes|no|sí) \|/gm)].map(match => match[1]), fields)
})

test('the page on the broker has every limit with its default, and no other limit', async () => {
  const broker = await page('docs/broker.md')
  for (const [name, value] of Object.entries(limitDefaults)) assert.ok(broker.includes(`| \`${name}\` | ${value.toLocaleString('en-US')} |`), name)
  assert.deepEqual([...broker.matchAll(/^\| `(\w+)` \| [\d,]+ \|/gm)].map(match => match[1]), Object.keys(limitDefaults))
})

test('the page on the broker has every $SYS topic, and no other', async () => {
  const table = /\| Below `\$SYS[^]*?\n\n/.exec(await page('docs/broker.md') + '\n')?.[0] ?? ''
  const [values = '', loads = ''] = table.split('| `load/<counter>/')
  const named = [...values.matchAll(/`([\w /.]+)`[,| ]/g)].map(match => match[1])
  const counters = [...loads.replace(/.*the counters are/, '').matchAll(/`([\w /]+)`/g)].map(match => match[1])

  const published: string[] = []
  const clients = { connected: 0, byVersion: { '3.1': 0, '3.1.1': 0, '5': 0 }, disconnected: 0, expired: 0, total: 0 }
  const snapshot = new Counters().snapshot([], { startedAt: 0, clients, retained: 0, stored: 0, subscriptions: 0, dropped: {} })
  const topics = new SysTopics(() => snapshot, topic => { published.push(topic.replace('$SYS/broker/', '')) }, '', { interval: 1 })
  topics.start()
  topics.stop()
  assert.deepEqual([...named, ...counters.flatMap(counter => ['1min', '5min', '15min'].map(span => `load/${counter}/${span}`))].sort(), published.sort())
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

test('the README fits its reader', async () => {
  for (const file of ['README.md', 'README.es.md']) {
    const words = (await page(file)).split(/\s+/).length
    assert.ok(words <= 1500, `${file} has ${words} words`)
  }
})

test('the README lists every example and every node', async () => {
  const examples = (await readdir(new URL('../flows/', import.meta.url))).map(file => file.replace('.json', ''))
  const nodes = Object.keys((JSON.parse(await page('package.json')) as { 'node-red': { nodes: object } })['node-red'].nodes)
  for (const [file, folder] of [['README.md', 'docs/nodes'], ['README.es.md', 'docs/es/nodes']] as const) {
    const readme = await page(file)
    for (const example of examples) assert.ok(readme.includes(`\n| ${example} | `), `${example} in ${file}`)
    for (const node of nodes) assert.ok(readme.includes(`\n| [${node}](${folder}/${node}.md) | `), `${node} in ${file}`)
  }
})

/** The codes that the tables of a page explain. */
function codesIn (text: string): string[] {
  return [...text.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \| \S/gm)].map(match => match[1] ?? '')
}

function page (path: string): Promise<string> {
  return readFile(new URL(`../${path}`, import.meta.url), 'utf8')
}
