import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readCommand } from '../../../lib/agent/command-payload.ts'
import { passwordFileTexts } from '../../../lib/broker/access/passwords.ts'
import { rulesFileTexts } from '../../../lib/broker/access/rules-file.ts'
import { errorHelp, PlatziverseError } from '../../../lib/errors.ts'
import { parse } from '../../../lib/messages/parse.ts'
import { unknownAgent } from '../../../lib/query/series/find-series.ts'
import { explain } from '../../../lib/store/dialects/sqlite/errors.ts'
import { addressOf } from '../../../lib/terminal/link.ts'
import { readOptions } from '../../../lib/terminal/read-options.ts'
import { agentOf } from '../../../lib/terminal/report.ts'
import { advice, errorText, sentenceOf, translated } from '../../../lib/texts/error-text.ts'
import { languageIn, languages } from '../../../lib/texts/languages.ts'
import { patternsOf, valuesIn, type Sentence } from '../../../lib/texts/sentence.ts'
import { languageOf } from '../../../lib/terminal/texts/texts.ts'
import { packageDir } from '../../helpers/node-red.ts'
import { sentencesIn } from '../../helpers/said.ts'

const others = languages.filter(language => language !== 'en')
/** Halves of sentences, which are tested whole below; and lines of HTTP. */
const halves = /^(?:xx|agent\.x x|The timestamp x is too far in the past or in the future|The x of the database is empty\.|--ca: x\.|[45]\d\d [A-Z].*)$/
/** How sentences are made whose halves are in two places: the file, and the whole for a half. */
const wholes: Array<[RegExp, (half: string) => string]> = [
  [/query\/parse/, half => /^is /.test(half) ? `"x" ${half}.` : half],
  [/find-series/, half => half.replace(/^(No|None of these) (agents? ha(?:s|ve)|agents has) no/, '$1 $2 a').replace(/^(The agent x has) a/, '$1 no')]
]

/** What the code says of what is wrong, and where. */
function sentences (): Array<{ file: string, sentence: string }> {
  return sentencesIn(['lib', 'nodes']).filter(({ sentence }) => !halves.test(sentence))
    .map(({ file, sentence }) => ({ file, sentence: wholes.find(([of]) => of.test(file))?.[1](sentence) ?? sentence }))
}

test('whatever the code says of what is wrong is said in Spanish and Portuguese', () => {
  const found = sentences()
  assert.ok(found.length > 240, `${found.length}`)
  const listed = [...Object.values(rulesFileTexts), ...Object.values(passwordFileTexts).map(text => text('x'))].map(sentence => ({ file: 'lib/broker/access', sentence }))
  for (const language of others) assert.deepEqual([...found, ...listed].filter(({ sentence }) => translated(sentence, language) === sentence), [], language)
})

test('no sentence is there for nothing, and each fills in what the English one does', async () => {
  const tables = readdirSync(join(packageDir, 'lib/texts')).filter(file => file.endsWith('-sentences.ts') && !file.startsWith('foreign'))
  const sources = ['lib', 'nodes'].flatMap(folder => readdirSync(join(packageDir, folder), { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts') && !file.startsWith('texts'))
    .map(file => readFileSync(join(packageDir, folder, file), 'utf8').replaceAll('\\\'', '\''))).join('\n').replace(/[`'] \+\n\s*[`']/g, '')
  const said = sentences()
  const unsaid: string[] = []
  assert.equal(tables.length, 8)
  for (const table of tables) {
    for (const sentence of Object.values(await import(`../../../lib/texts/${table}`) as Record<string, readonly Sentence[]>).flat()) {
      const [longest = ''] = sentence.en.split(/\{\d\}/).map(part => part.trim().replace(/^must be |\.$/g, '')).sort((one, other) => other.length - one.length)
      const [words = ''] = longest.split('; ').map(half => half.replace(/^(?:of the type|The (?:keepalive|buffer|URL|host|name)) /, ''))
      const isSaid = sources.includes(words) || said.some(one => patternsOf([[sentence]]).some(pattern => valuesIn(one.sentence, pattern) !== undefined))
      if (!isSaid) unsaid.push(sentence.en)
      const values = (text: string): string[] => [...text.matchAll(/\{\d\}/g)].map(([value]) => value)
      for (const language of others) assert.deepEqual([...new Set(values(sentence[language]))].sort(), values(sentence.en), sentence.en)
    }
  }
  assert.deepEqual(unsaid, [])
})

test('real errors are read in the language of the reader, down to what Node.js, MQTT.js and the checker of payloads say', () => {
  const caught = (act: () => unknown): PlatziverseError => {
    try {
      act()
    } catch (error) {
      if (error instanceof PlatziverseError) return error
    }
    assert.fail('no error')
  }
  const command = (text: string): PlatziverseError => {
    const read = readCommand(Buffer.from(text), ['load'], false)
    return read.ok ? assert.fail(text) : read.error
  }
  const rejected = (payload: unknown, topic = 'agent/message'): Error => {
    const parsed = parse(topic, payload, 0)
    return parsed.ok ? new Error(`FIELD_INVALID: ${parsed.bad[0]?.detail ?? assert.fail('it is good')}`) : new Error(`${parsed.reason}: ${parsed.detail}`)
  }
  const options = { watch: { type: 'boolean' }, message: { type: 'string', short: 'm' } } as const
  const agent = { uuid: 'a' }
  const metric = { type: 't', value: 1 }
  const shown = (error: unknown) => others.map(language => errorText(error, language))
  assert.deepEqual(shown(caught(() => readOptions(['--nonsense'], options))), [
    'TERMINAL_OPTION_INVALID: Opción desconocida: --nonsense; véase --help. Corregir la opción indicada; --help las explica.',
    'TERMINAL_OPTION_INVALID: Opção desconhecida: --nonsense; veja --help. Corrija a opção indicada; --help explica todas.'
  ])
  const refused = new PlatziverseError('TERMINAL_UNREACHABLE', 'No connection: Connection refused: Not authorized.')
  assert.deepEqual(shown(refused).map(text => text.split('. ')[0]), ['TERMINAL_UNREACHABLE: Sin conexión: conexión rechazada: sin autorización', 'TERMINAL_UNREACHABLE: Sem conexão: conexão recusada: sem autorização'])
  assert.equal(errorText(refused, 'en'), refused.message)
  const inside = new PlatziverseError('BRIDGE_LOCAL_REFUSED', `${new PlatziverseError('PUBLISH_FORBIDDEN', 'The topic "a" may not be published to.').message}.`)
  assert.match(errorText(inside, 'es'), /^BRIDGE_LOCAL_REFUSED: PUBLISH_FORBIDDEN: No se permite publicar en el tema "a"\. Las reglas del broker lo prohíben/)
  for (const error of [
    ...[['stray'], ['-m'], ['--watch=x'], ['-m', '-5'], ['--message', '-5']].map(args => caught(() => readOptions(args, options))),
    caught(() => addressOf({ port: '0' })), caught(() => addressOf({ cert: 'only.crt', url: 'mqtts://here' })), caught(() => addressOf({ cafile: '/nowhere', url: 'mqtts://here' })),
    caught(() => addressOf({ cafile: import.meta.filename, url: 'mqtts://here' })),
    caught(() => agentOf({ uuid: 'x', interval: 'soon' })), caught(() => agentOf({ uuid: '' })), caught(() => agentOf({ uuid: 'a\nb' })), caught(() => agentOf({ uuid: 'x', name: 'x'.repeat(300) })), caught(() => agentOf({ url: 'nowhere' })),
    command('[1]'), command('{"other": 1}'), command('{"interval": 1}'), command('{"metrics": 1}'), command('{"metrics": ["x"]}'), command('no'), command('x'.repeat(100_000)),
    rejected('{}'), rejected('[]'), rejected('no'), rejected({ agent: {}, metrics: [metric] }), rejected({ agent: { uuid: '\n' }, metrics: [metric] }), rejected({ agent, metrics: [] }), rejected({ agent, metrics: 1 }),
    rejected({ agent, metrics: [{ type: 't', value: null }] }), rejected({ agent, metrics: [{ value: 1 }] }), rejected({ agent, metrics: [{ type: 't', value: '\0' }] }), rejected({ agent, metrics: [metric, metric] }),
    rejected({ agent, metrics: [{ type: 't', value: 'é'.repeat(600) }] }), rejected({ agent: { uuid: 'a', name: '\0' }, metrics: [metric] }), rejected({ agent: { uuid: 'a', pid: -1 } }, 'agent/connected'),
    rejected({ agent: { uuid: 'a', pid: 1.5 } }, 'agent/connected'), rejected({ agent, metrics: [metric], timestamp: 'soon' }), rejected({ agent, metrics: [metric], timestamp: false }), rejected({}, 'agent/other'),
    rejected({ agent, metrics: Array.from({ length: 30 }, () => metric) }),
    unknownAgent('x'),
    ...['BUSY', 'READONLY', 'PERM', 'CANTOPEN', 'FULL', 'NOTADB', 'CORRUPT'].map(code => explain(Object.assign(new Error('x'), { code: `SQLITE_${code}` }), 'a.sqlite')),
    ...['The URL of the database is empty.', 'The host of the database is empty.', 'The name of the database is empty.'].map(detail => new PlatziverseError('STORE_OPTION_INVALID', detail)),
    new PlatziverseError('STORE_REFUSED_CONNECTION', 'PostgreSQL at localhost:5432: connect ECONNREFUSED 127.0.0.1:5432.')
  ]) {
    for (const text of shown(error)) assert.doesNotMatch(text, /\b(?:must|cannot|option|argument|between|missing|and|the|or|has|have|with)\b/i, text)
  }
})

test('a sentence for people ends with the code, whatever has one', () => {
  const taken = new PlatziverseError('BROKER_PORT_TAKEN', 'Port 1883 is taken.')
  assert.deepEqual(languages.map(language => sentenceOf(taken, language)), [
    `Port 1883 is taken. ${errorHelp.BROKER_PORT_TAKEN} (BROKER_PORT_TAKEN)`,
    `El puerto 1883 está ocupado. ${advice.es.BROKER_PORT_TAKEN} (BROKER_PORT_TAKEN)`,
    `A porta 1883 está ocupada. ${advice.pt.BROKER_PORT_TAKEN} (BROKER_PORT_TAKEN)`
  ])
  assert.equal(sentenceOf(new Error('FIELD_INVALID: agent must be object.'), 'es'), 'agent debe ser un objeto. (FIELD_INVALID)')
  assert.equal(sentenceOf(new Error('no code'), 'es'), undefined)
})

test('what a stranger sends takes no time, however long it is and whatever it looks like', () => {
  const long = ['The broker refused '.repeat(500), '{1}: '.repeat(1_900), `Option '${'\' argument is ambiguous. use '.repeat(300)}`, 'x'.repeat(1_000_000)]
  const started = performance.now()
  for (const text of long) for (const language of others) translated(text, language)
  assert.ok(performance.now() - started < 1_000)
})

test('the Spanish advice is that of the documentation', async () => {
  const page = await readFile(join(packageDir, 'docs/es/errors.md'), 'utf8')
  for (const [code, help] of Object.entries(advice.es)) assert.ok(page.includes(`| \`${code}\` | ${help} |`), `${code}: ${help}`)
})

test('the language is the one that is asked for, and otherwise that of the environment', () => {
  assert.deepEqual([languageOf(undefined, { LANG: 'pt_BR.UTF-8' }), languageOf(undefined, { LANG: 'es_MX' }), languageOf(undefined, { LC_ALL: 'C', LANG: 'es_ES' }), languageOf(undefined, { LANG: 'pth' }), languageOf('pt', { LANG: 'es' })], ['pt', 'es', 'en', 'en', 'pt'])
  assert.deepEqual([languageIn(['--nonsense', '--lang', 'es']), languageIn(['--lang=pt', '-x']), languageIn([], { LANG: 'es_ES' })], ['es', 'pt', 'es'])
})
