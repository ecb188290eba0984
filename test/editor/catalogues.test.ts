import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { passwordFileTexts } from '../../lib/broker/access/passwords.ts'
import { rulesFileTexts } from '../../lib/broker/access/rules-file.ts'
import { errorHelp, PlatziverseError, type ErrorCode } from '../../lib/errors.ts'
import { advice, errorText } from '../../lib/texts/error-text.ts'
import { packageDir } from '../helpers/node-red.ts'

const languages = ['en-US', 'es-ES', 'pt-BR'] as const
/** Errors that are told, and no state of a node. */
const notInStatus = [
  'BRIDGE_BUFFER_FULL', 'BRIDGE_LOCAL_REFUSED', 'BRIDGE_LOOP', 'BRIDGE_REMOTE_REFUSED', 'BRIDGE_SUBSCRIPTION_REFUSED', 'BROKER_COMMAND_INVALID', 'BROKER_PACKET_TOO_LARGE', 'BROKER_PATH_INVALID',
  'BROKER_DROPPED', 'BROKER_QOS_LOW', 'BROKER_RULE_INVALID', 'BROKER_SESSION_LOST', 'BROKER_SILENT', 'BROKER_WINDOW_SMALL', 'BROKER_WORKER_ALONE', 'STORE_CLOSED'
]
type Language = typeof languages[number]
type Catalogue = Map<string, string>

const manifest = JSON.parse(read('package.json')) as { 'node-red': Record<'nodes' | 'plugins', Record<string, string>>, repository: { url: string } }
const nodes = Object.keys(manifest['node-red'].nodes)
const plugins = Object.keys(manifest['node-red'].plugins)
/** Of all nodes: they share texts; and of lib/, which names the texts of what it finds wrong. */
const sources = ['nodes', 'lib'].flatMap(folder => readdirSync(join(packageDir, folder), { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts')).map(file => read(folder, file)))
/** Keys that the editor asks for by itself. */
const editorKeys = ['palette.label.platziverse']

for (const node of [...nodes, ...plugins]) {
  describe(`the texts of ${node}`, () => {
    const catalogues = Object.fromEntries(languages.map(language => [language, catalogueOf(node, language)])) as Record<Language, Catalogue>
    const keys = new Set([...catalogues['en-US'].keys()].map(baseOf))
    const html = read('nodes', node, 'editor.html')

    test('have the same keys in every language, and every plural that the language has', () => {
      for (const language of languages) {
        const plurals = new Intl.PluralRules(language).resolvedOptions().pluralCategories
        const expected = [...keys].flatMap(key => isPlural(key, catalogues['en-US']) ? plurals.map(plural => `${key}_${plural}`) : [key])
        assert.deepEqual([...catalogues[language].keys()].sort(), expected.sort(), language)
      }
    })

    test('say something, with the same values filled in, in every language', () => {
      for (const key of keys) {
        const [english, ...others] = languages.map(language => valuesIn(catalogues[language], key))
        for (const other of others) assert.deepEqual(other, english, key)
      }
      for (const language of languages) for (const [key, text] of catalogues[language]) assert.notEqual(text.trim(), '', `${language} ${key}`)
    })

    test('that are asked for exist, and none is there for nothing', () => {
      const used = new Set(editorKeys)
      for (const key of keysInHtml(html)) {
        if (key.startsWith('node-red:')) assert.ok(coreKeys().has(key.slice('node-red:'.length)), `${key} is no key of Node-RED`)
        else { assert.ok(keys.has(key), `${key} of editor.html is not in the catalogue`); used.add(key) }
      }
      for (const literal of sources.flatMap(literalsIn)) {
        if (!isKeyOf(literal, node)) continue
        const found = literal.includes('${') ? [...keys].filter(key => matchesTemplate(literal, key)) : [...keys].filter(key => key === literal)
        assert.notEqual(found.length, 0, `${literal} is asked for and not in the catalogue`)
        for (const key of found) used.add(key)
      }
      assert.deepEqual([...keys].filter(key => !used.has(key)), [], 'keys that nobody asks for')
    })

    test('are all of its form: nothing visible is written into the HTML', () => {
      const text = html.replace(/<style>[\s\S]*?<\/style>/g, '').replace(/<[^>]*>/g, '').trim()
      assert.equal(text, '')
      for (const [, attribute, value] of html.matchAll(/\s(placeholder|title|alt|aria-label)="([^"]*)"/g)) {
        assert.match(value ?? '', /^[\w.:/{}-]+$/, `${attribute}="${value}" is more than an example value`)
      }
      for (const [, value] of html.matchAll(/\svalue="([^"]*)"/g)) assert.match(value ?? '', /^[\w.]*$/)
    })

    test('are all of its code: no sentence is written into the form\'s', () => {
      const files = readdirSync(join(packageDir, 'nodes', node), { recursive: true, encoding: 'utf8' }).filter(file => /^editor\b.*\.ts$/.test(file))
      for (const literal of files.flatMap(file => literalsIn(read('nodes', node, file)))) {
        assert.doesNotMatch(literal, /^[A-Z][a-z]+ [a-z]/, 'a text outside the catalogue')
      }
    })

    // A plugin has no help in the editor.
    if (nodes.includes(node)) test('explain the node in every language, in the same parts', () => {
      const [english, ...others] = languages.map(language => read('nodes', node, 'locales', language, `${node}.html`))
      assert.match(english ?? '', new RegExp(`^<script type="text/html" data-help-name="${node}">`))
      for (const other of others) {
        assert.deepEqual(tagsIn(other), tagsIn(english ?? ''))
        const paragraphs = paragraphsIn(english ?? '')
        for (const [i, paragraph] of paragraphsIn(other).entries()) assert.notEqual(paragraph, paragraphs[i], 'a paragraph that is not translated')
      }
    })
  })
}

test('the problems of an imported file have a text in every language, in English the one of the broker', () => {
  const root = 'platziverse-broker.import.problems.'
  const ofPasswords = Object.entries(passwordFileTexts).map(([key, text]) => [`${root}${key}`, text('__username__')] as const)
  const ofRules = Object.entries(rulesFileTexts).map(([key, text]) => [`${root}${key}`, text] as const)
  const english = new Map<string, string>([...ofPasswords, ...ofRules])
  assert.equal(english.size, ofPasswords.length + ofRules.length, 'a key stands for one text')
  for (const language of languages) {
    const said = new Map([...catalogueOf('platziverse-broker', language)].filter(([key]) => key.startsWith(root)))
    assert.deepEqual([...said.keys()].sort(), [...english.keys()].sort(), language)
    for (const [key, text] of said) {
      if (language === 'en-US') assert.equal(text, english.get(key), key)
      else assert.notEqual(text, english.get(key), `${language} ${key} is not translated`)
    }
  }
})

test('every error says what to do in the language of the catalogue, that of the log of Node-RED', () => {
  for (const language of languages) {
    const own = catalogueOf('platziverse-broker', language).get('shared.error.language') as keyof typeof advice
    assert.equal(own, language.slice(0, 2))
    assert.deepEqual(Object.keys(advice[own]).sort(), Object.keys(errorHelp).sort(), language)
    for (const [code, help] of Object.entries(errorHelp) as Array<[ErrorCode, string]>) {
      const said = errorText(new PlatziverseError(code, 'x'), own)
      assert.equal(said, `${code}: x ${advice[own][code]}`)
      assert.equal(advice[own][code] === help, own === 'en', `${language} ${code}`)
    }
  }
})

test('what a status may say of an error is short, and in words', () => {
  const shown = Object.keys(errorHelp).filter(code => /^(?:STORE|BROKER|BRIDGE|QUERY|ALERT_RULE|TOPIC_RULE)_/.test(code)).filter(code => !notInStatus.includes(code))
  for (const language of languages) {
    const root = 'shared.problem.'
    const said = new Map([...catalogueOf('platziverse-broker', language)].filter(([key]) => key.startsWith(root)).map(([key, text]) => [key.slice(root.length), text]))
    for (const [code, text] of said) {
      assert.ok(code in errorHelp, `${code} is no error`)
      assert.ok(text.length <= 28, `${language} ${code}: ${text}`)
    }
    assert.deepEqual(shown.filter(code => !said.has(code)), [], language)
  }
})

test('the help of every node has an example, and links to pages that are there', () => {
  const root = `${manifest.repository.url.replace(/^git\+|\.git$/g, '')}/blob/main/`
  for (const node of nodes) {
    for (const language of languages) {
      const help = read('nodes', node, 'locales', language, `${node}.html`)
      assert.match(help, /<pre>[^<]+<\/pre>/, `${node} in ${language}`)
      const links = [...help.matchAll(/href="([^"]*)"/g)].map(match => match[1] ?? '')
      assert.ok(links.length > 0, `${node} in ${language}`)
      for (const link of links) {
        assert.ok(link.startsWith(root), link)
        read(link.slice(root.length))
      }
    }
  }
})

function read (...path: string[]): string {
  return readFileSync(join(packageDir, ...path), 'utf8')
}

function catalogueOf (node: string, language: Language): Catalogue {
  return new Map(flat(JSON.parse(read('nodes', node, 'locales', language, `${node}.json`)) as object))
}

function flat (tree: object, path = ''): Array<[string, string]> {
  return Object.entries(tree).flatMap(([key, value]) => typeof value === 'string' ? [[`${path}${key}`, value]] : flat(value as object, `${path}${key}.`))
}

function baseOf (key: string): string {
  return key.replace(/_(zero|one|two|few|many|other)$/, '')
}

function isPlural (key: string, catalogue: Catalogue): boolean {
  return catalogue.has(`${key}_other`)
}

/** The names between `__` in a text; of a plural in the form that always has the number. */
function valuesIn (catalogue: Catalogue, key: string): string[] {
  const text = catalogue.get(key) ?? catalogue.get(`${key}_other`) ?? ''
  return [...new Set([...text.matchAll(/__(\w+?)__/g)].map(match => match[1] ?? ''))].sort()
}

function keysInHtml (html: string): string[] {
  return [...html.matchAll(/data-i18n="([^"]*)"/g)].flatMap(match => (match[1] ?? '').split(';')).map(key => key.replace(/^\[\w+\]/, ''))
}

function literalsIn (source: string): string[] {
  return [...source.matchAll(/'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g)].map(match => match[1] ?? match[2] ?? '')
}

/** The broker's catalogue also has the texts that several nodes share. */
function isKeyOf (literal: string, node: string): boolean {
  const roots = node === 'platziverse-broker' ? [node, 'shared'] : [node]
  return roots.some(root => literal.startsWith(`${root}.`)) && /^[\w-]+\.[\w-]+\.[\w.${}-]+$/.test(literal)
}

/** Whether `template`, such as "agent-in.output.${output}", gives `key` with a word that the code has. */
function matchesTemplate (template: string, key: string): boolean {
  const [before = '', after = ''] = template.split(/\$\{[^}]*\}/)
  if (!key.startsWith(before) || !key.endsWith(after)) return false
  const word = key.slice(before.length, key.length - after.length)
  return sources.some(source => source.includes(`'${word}'`))
}

let core: Set<string> | undefined

function coreKeys (): Set<string> {
  core ??= new Set(flat(JSON.parse(read('node_modules/@node-red/nodes/locales/en-US/messages.json')) as object).map(([key]) => key))
  return core
}

/** Some pages are there in Spanish, too. */
function tagsIn (html: string): string[] {
  return [...html.matchAll(/<[^>]+>/g)].map(match => match[0].replace('/docs/es/', '/docs/'))
}

function paragraphsIn (html: string): string[] {
  return [...html.matchAll(/<p>([\s\S]*?)<\/p>/g)].map(match => match[1] ?? '')
}
