import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import { readCommand } from '../../lib/agent/command-payload.ts'
import { BridgeTopics, type BridgeTopic } from '../../lib/bridge/topics.ts'
import { parsePasswordFile } from '../../lib/broker/access/passwords.ts'
import { checkRule, type Rule } from '../../lib/broker/access/rules.ts'
import { formatRulesFile, parseRulesFile } from '../../lib/broker/access/rules-file.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { publicationsOf } from '../../lib/messages/publications.ts'
import { covers, matches, overlaps, parseFilter } from '../../lib/mqtt/topic-filters.ts'
import { changeQuery, parseFollow, parseQuery, parseResult } from '../../lib/query/parse.ts'
import { csvLines, jsonLines } from '../../lib/transfer/import-lines.ts'
import { csvColumns } from '../../lib/transfer/records.ts'
import { holds } from './fuzz.ts'
import { anything, payloads, texts } from './json.ts'

// Texts that people and programs write: each is read, or refused by an error with a code, and what is read means what it says.

const values: Arbitrary<unknown> = anything.map(({ value }) => value)
const levels = fc.constantFrom('a', 'b', '', '+', '#', 'é', '$SYS', '$share', '%u', '%c', 'x%u', ' ', '\0')
const filters = fc.oneof({ weight: 4, arbitrary: fc.array(levels, { minLength: 1, maxLength: 4 }).map(all => all.join('/')) }, texts)
const topics = fc.array(fc.constantFrom('a', 'b', '', 'é', '$SYS', ' '), { minLength: 1, maxLength: 4 }).map(all => all.join('/'))

/** What it gives; undefined where it is refused. */
function coded<Result> (make: () => Result, code: RegExp): Result | undefined {
  try {
    return make()
  } catch (error) {
    assert.ok(error instanceof PlatziverseError && code.test(error.code), error as Error)
    return undefined
  }
}

test('what covers a filter matches whatever that matches, and what both match they share', async t => {
  await holds(t, fc.property(filters, filters, fc.array(topics, { minLength: 3, maxLength: 10 }), (one, other, all) => {
    const [first, second] = [parseFilter(one), parseFilter(other)]
    if (first === undefined || second === undefined) return
    for (const topic of all.map(topic => topic.split('/'))) {
      if (covers(first, second) && matches(second, topic)) assert.ok(matches(first, topic), `${one} covers ${other}, and not ${topic.join('/')}`)
      if (matches(first, topic) && matches(second, topic)) assert.ok(overlaps(first, second), `${topic.join('/')} is in both`)
    }
  }), 5_000)
})

test('a template gives topics that can be published to, and no device adds a level or a wildcard', async t => {
  const templates = fc.array(fc.oneof(fc.constantFrom('{uuid}', '{username}', '{name}', '{hostname}', '{pid}', '{kind}', '{type}', '{', '}', '{}', '{x}', '/', 'a', '$', '+'), texts), { maxLength: 5 }).map(parts => parts.join(''))
  await holds(t, fc.property(templates, fc.constantFrom('agent/message', 'agent/connected', 'agent/disconnected', 'x'), payloads, fc.boolean(), (template, topic, { value }, isValue) => {
    const result = publicationsOf(topic, value, template, isValue)
    if (!result.ok) return assert.ok(result.error instanceof PlatziverseError)
    for (const publication of result.publications) {
      assert.doesNotMatch(publication.topic, /[+#\0]/)
      if (!template.includes('{type}') && template !== '') assert.equal(publication.topic.split('/').length, template.split('/').length)
      if (!template.startsWith('$') && template !== '') assert.ok(!publication.topic.startsWith('$'), publication.topic)
    }
  }), 3_000)
})

test('a query is one, or refused with a code', async t => {
  const names = ['query', 'uuid', 'type', 'username', 'from', 'to', 'limit', 'order', 'bucket', 'points', 'timezone', 'aggregates', 'fill', 'result', 'follow', 'x', '__proto__']
  const usual = fc.constantFrom<unknown[]>('latest', 'series', 'buckets', 'typeBuckets', 'agent', 'agents', 'a', 'cpu', '-24h', 'now', '1h', 'day', 'month', '2023-11-14', 0, 5, '10', 'desc', 'UTC', 'Europe/Madrid', ['avg'], 'avg,max', 'skip', true, '1s', ['a', 'b'], '9'.repeat(400), '-99999999999w', 1e300)
  const inputs = fc.dictionary(fc.constantFrom(...names), fc.oneof({ weight: 3, arbitrary: usual }, values), { maxKeys: 8 })
  await holds(t, fc.property(inputs, fc.oneof({ weight: 4, arbitrary: inputs }, values), (input, changes) => {
    const asked = coded(() => changeQuery(input, changes), /^QUERY_/)
    if (asked === undefined) return
    coded(() => parseQuery(asked, 1_700_000_000_000), /^QUERY_/)
    coded(() => parseFollow(asked), /^QUERY_/)
    coded(() => parseResult(asked), /^QUERY_/)
  }), 5_000)
})

test('rules and password files are read or their lines refused, and rules that are written read the same', async t => {
  const words = fc.constantFrom('user', 'topic', 'pattern', 'read', 'write', 'readwrite', 'deny', '%u/a', '#', 'a/+', ' ', '\t', '\r', '\ufeff', 'u:$7$101$AA==$AA==', 'u:$6$', ':', 'ana', '')
  const files = fc.array(fc.oneof({ weight: 3, arbitrary: fc.array(words, { maxLength: 4 }).map(all => all.join(' ')) }, texts), { maxLength: 8 }).map(lines => lines.join('\n'))
  const rules = fc.record({ subject: fc.constantFrom('everyone', 'anonymous', 'user'), username: texts, access: fc.constantFrom('read', 'write', 'readwrite', 'deny'), topic: filters }) as Arbitrary<Rule>
  await holds(t, fc.property(files, fc.array(fc.oneof({ weight: 5, arbitrary: rules }, values as Arbitrary<Rule>), { maxLength: 5 }), (file, given) => {
    for (const rule of parseRulesFile(file).rules) assert.equal(checkRule(rule), undefined)
    parsePasswordFile(file)
    const good = given.filter(rule => typeof rule === 'object' && rule !== null && checkRule(rule) === undefined)
    // None at all is a problem of its own.
    if (good.length === 0) return
    const { rules: read, problems } = parseRulesFile(formatRulesFile(good))
    assert.deepEqual(problems, [])
    const shown = ({ subject, username, access, topic }: Rule): string => JSON.stringify([subject, subject === 'user' ? username : '', access, topic])
    assert.deepEqual(read.map(shown).sort(), good.map(shown).sort())
  }), 3_000)
})

test('the topics of a bridge are carried to topics, or refused with a code', async t => {
  const rows = fc.record({ direction: fc.constantFrom('in', 'out', 'both'), filter: filters, localPrefix: fc.oneof(fc.constantFrom('', 'a/', '$SYS/'), filters), remotePrefix: fc.oneof(fc.constantFrom('', 'b/'), filters), qos: fc.constantFrom(0, 1, 2, 3, NaN) })
  await holds(t, fc.property(fc.array(rows as Arbitrary<BridgeTopic>, { maxLength: 3 }), fc.array(topics, { maxLength: 5 }), (table, all) => {
    const bridge = coded(() => new BridgeTopics(table), /^BRIDGE_OPTION_INVALID$/)
    if (bridge === undefined) return
    for (const topic of all) assert.doesNotMatch(bridge.outward(topic)?.topic ?? '', /[+#\0]/)
  }), 3_000)
})

test('commands to agents are obeyed as they say, or refused with a code', async t => {
  await holds(t, fc.property(fc.oneof(anything, payloads, fc.constantFrom('{"interval":1000}', '{"metrics":["a"]}', '{"interval":1e400}').map(text => ({ text, value: 0 }))), fc.boolean(), ({ text }, forAll) => {
    const read = readCommand(Buffer.from(text), ['a', 'b'], forAll)
    if (read.ok) for (const type of read.command.metrics ?? []) assert.ok(['a', 'b'].includes(type))
  }), 2_000)
})

test('lines of an import are records, or refused with their number', async t => {
  const record = fc.oneof(
    anything, payloads,
    fc.dictionary(fc.constantFrom('agent', 'series', 'uuid', 'type', 'timestamp', 'seq', 'value', 'hour', 'day', 'n', 'sum', 'min', 'max', 'last', 'lastTs', 'scaledSum', 'latest'), fc.oneof(fc.constantFrom<unknown[]>('a', 1, 0, { uuid: 'a', createdAt: 1, lastSeenAt: null }, { uuid: 'a', type: 't', rawFrom: 0, hoursFrom: 0 }), values)).map(value => ({ text: JSON.stringify(value) }))
  ).map(({ text }) => text)
  const csv = fc.array(fc.oneof(fc.constantFrom('a', '1', '-1', '1e400', '"', '""', '"a""b"', "'=1", '\n', '\r\n', ''), texts), { maxLength: 7 }).map(fields => fields.join(','))
  await holds(t, fc.asyncProperty(fc.array(record, { maxLength: 4 }), fc.array(csv, { maxLength: 4 }), fc.nat(40), async (json, lines, cut) => {
    for (const [read, text] of [[jsonLines, json.join('\n')], [csvLines, [csvColumns.join(','), ...lines].join('\n')]] as const) {
      const bytes = Buffer.from(text)
      const source = (async function * () { yield bytes.subarray(0, cut); yield bytes.subarray(cut) })()
      try {
        for await (const { record, number } of read(source, { at: 0, line: 0 })) assert.ok(typeof record === 'object' && number > 0)
      } catch (error) {
        assert.ok(error instanceof PlatziverseError && error.code === 'TRANSFER_LINE_INVALID' && /^Line \d+: /.test(error.detail), error as Error)
      }
    }
  }), 1_500)
})
