import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { readCommand } from '../../../lib/agent/command-payload.ts'
import { errorHelp, PlatziverseError, type ErrorCode } from '../../../lib/errors.ts'
import { addressOf } from '../../../lib/terminal/link.ts'
import { readOptions } from '../../../lib/terminal/read-options.ts'
import { agentOf } from '../../../lib/terminal/report.ts'
import { errorText, translated, translatedHelp } from '../../../lib/terminal/texts/error-text.ts'
import { languageIn, languageOf, languages } from '../../../lib/terminal/texts/texts.ts'

const lib = new URL('../../../lib/', import.meta.url)
const others = languages.filter(language => language !== 'en')

/** The details of errors that are written in the files of a room, with x for what is filled in. */
async function detailsIn (room: string, pattern: RegExp): Promise<string[]> {
  const files = (await readdir(new URL(room, lib))).filter(name => name.endsWith('.ts'))
  const sources = await Promise.all(files.map(file => readFile(new URL(`${room}/${file}`, lib), 'utf8')))
  return sources.flatMap(source => [...source.matchAll(pattern)].map(([, , detail = '']) => detail.replace(/\$\{(?:[^{}`]|`[^`]*`)*\}/g, 'x').replaceAll('\\\'', '\'')))
}

test('whatever can be wrong with the command and its agent is said in Spanish and Portuguese, and the code stays', async () => {
  const details = [
    ...await detailsIn('terminal', /(?:invalid|'TERMINAL_\w+',|new Error)[ (]+(['`])((?:(?!\1).)+)\1/g),
    ...await detailsIn('agent', /(?:refuse|PlatziverseError)\('(?:AGENT|COMMAND)_\w+', (['`])((?:(?!\1).)+)\1/g)
  ].filter(detail => detail !== 'x; see --help.')
  assert.ok(details.length > 25, `${details.length}`)
  for (const language of others) assert.deepEqual(details.filter(detail => translated(detail, language) === detail), [], language)
  for (const code of Object.keys(errorHelp) as ErrorCode[]) {
    if (/^(?:AGENT|COMMAND|TERMINAL)_/.test(code)) for (const language of others) assert.ok(translatedHelp[code]?.[language], `${code} in ${language}`)
  }
})

test('real errors are read in the language of the reader, down to what Node.js and MQTT.js say', () => {
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
  const options = { watch: { type: 'boolean' }, message: { type: 'string', short: 'm' } } as const
  const shown = (error: unknown) => others.map(language => errorText(error, language))
  assert.deepEqual(shown(caught(() => readOptions(['--nonsense'], options))), [
    'TERMINAL_OPTION_INVALID: Opción desconocida: --nonsense; véase --help. Corregir la opción indicada; --help las explica.',
    'TERMINAL_OPTION_INVALID: Opção desconhecida: --nonsense; veja --help. Corrija a opção indicada; --help explica todas.'
  ])
  const refused = new PlatziverseError('TERMINAL_UNREACHABLE', 'No connection: Connection refused: Not authorized.')
  assert.deepEqual(shown(refused).map(text => text.split('. ')[0]), ['TERMINAL_UNREACHABLE: Sin conexión: conexión rechazada: sin autorización', 'TERMINAL_UNREACHABLE: Sem conexão: conexão recusada: sem autorização'])
  assert.equal(errorText(refused, 'en'), refused.message)
  for (const error of [
    ...[['stray'], ['-m'], ['--watch=x'], ['-m', '-5'], ['--message', '-5']].map(args => caught(() => readOptions(args, options))),
    caught(() => addressOf({ port: '0' })), caught(() => addressOf({ cert: 'only.crt', url: 'mqtts://here' })), caught(() => addressOf({ cafile: '/nowhere', url: 'mqtts://here' })),
    caught(() => addressOf({ cafile: import.meta.filename, url: 'mqtts://here' })),
    caught(() => agentOf({ uuid: 'x', interval: 'soon' })), caught(() => agentOf({ uuid: '' })), caught(() => agentOf({ uuid: 'a\nb' })), caught(() => agentOf({ uuid: 'x', name: 'x'.repeat(300) })), caught(() => agentOf({ url: 'nowhere' })),
    command('[1]'), command('{"other": 1}'), command('{"interval": 1}'), command('{"metrics": 1}'), command('{"metrics": ["x"]}'), command('no'), command('x'.repeat(100_000))
  ]) {
    for (const text of shown(error)) assert.doesNotMatch(text, /\b(?:must|cannot|option|argument|between|missing|and|the|or)\b/i, text)
  }
})

test('the Spanish advice is that of the documentation', async () => {
  const page = await readFile(new URL('../docs/es/errors.md', lib), 'utf8')
  for (const [code, { es }] of Object.entries(translatedHelp)) assert.ok(page.includes(`| \`${code}\` | ${es} |`), `${code}: ${es}`)
})

test('the language is the one that is asked for, and otherwise that of the environment', () => {
  assert.deepEqual([languageOf(undefined, { LANG: 'pt_BR.UTF-8' }), languageOf(undefined, { LANG: 'es_MX' }), languageOf(undefined, { LC_ALL: 'C', LANG: 'es_ES' }), languageOf(undefined, { LANG: 'pth' }), languageOf('pt', { LANG: 'es' })], ['pt', 'es', 'en', 'en', 'pt'])
  assert.deepEqual([languageIn(['--nonsense', '--lang', 'es']), languageIn(['--lang=pt', '-x'])], ['es', 'pt'])
})
