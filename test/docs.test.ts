import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { packageDir } from './helpers/node-red.ts'
import { openPage } from './helpers/pages.ts'

const pages = [
  ...['README.md', 'README.es.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'bench/README.md'],
  ...(await readdir(join(packageDir, 'docs'), { recursive: true })).filter(file => file.endsWith('.md')).map(file => `docs/${file}`)
]
/** A topic of the Paho suite, and a file that its reader makes. */
const notFiles = ['test/nosubscribe', 'docs/docker/.env']
const inTheRepository = 'https://raw.githubusercontent.com/platziverse/node-red-platziverse/HEAD/'

describe('the pages', () => {
  test('link to files and headings that exist', async () => {
    const broken: string[] = []
    for (const page of pages) {
      const text = await read(page)
      for (const target of linksIn(text)) {
        const [path = '', heading] = target.split('#')
        const file = path.startsWith(inTheRepository) ? path.slice(inTheRepository.length) : path === '' ? page : join(dirname(page), decodeURI(path))
        if (!existsSync(join(packageDir, file))) broken.push(`${page}: ${target}`)
        else if (heading !== undefined && !headingsIn(await read(file)).includes(heading)) broken.push(`${page}: ${target}`)
      }
    }
    assert.deepEqual(broken, [])
  })

  test('name files that exist', async () => {
    const gone: string[] = []
    for (const page of pages) {
      const code = [...(await read(page)).matchAll(/`[^`\n]+`|^ {4}\S.*$/gm)].join('\n')
      for (const [path] of code.matchAll(/(?<![\w./-])(?:lib|nodes|test|scripts|bench|flows|docs|\.github|\.ci)\/[\w./-]*[\w/]/g)) {
        if (!notFiles.includes(path) && !existsSync(join(packageDir, path))) gone.push(`${page}: ${path}`)
      }
    }
    assert.deepEqual(gone, [])
  })

  test('show pictures on npm too, whose page of the README knows no relative ones', async () => {
    for (const page of ['README.md', 'README.es.md']) {
      const pictures = [...(await read(page)).matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(match => match[1])
      assert.ok(pictures.length > 0)
      for (const picture of pictures) assert.ok(picture?.startsWith(inTheRepository), picture)
    }
  })

  test('are where the help of the nodes and the examples link to', async () => {
    const files = await Promise.all(['nodes', 'flows'].map(async folder => (await readdir(join(packageDir, folder), { recursive: true })).map(file => join(folder, file))))
    const texts = await Promise.all(files.flat().filter(file => /\.(?:html|json)$/.test(file)).map(read))
    const links = texts.flatMap(text => [...text.matchAll(/github\.com\/platziverse\/node-red-platziverse\/blob\/main\/([\w./-]+)/g)].map(match => match[1] ?? ''))
    assert.ok(links.length > 0)
    assert.deepEqual(links.filter(link => !existsSync(join(packageDir, link))), [])
  })

  test('say in Spanish what they say in English, in the same parts', async () => {
    const translated = ['README.es.md', ...pages.filter(page => page.startsWith('docs/es/'))]
    for (const page of translated) {
      const english = page === 'README.es.md' ? 'README.md' : page.replace('docs/es/', 'docs/')
      assert.deepEqual(partsOf(await read(page)), partsOf(await read(english)), page)
    }
  })
})

for (const file of await readdir(join(packageDir, 'test', 'pages'))) {
  const name = file.replace('.test.ts', '.md')
  test(`the commands of docs/${name} are run by its test`, async () => {
    const source = await read(`test/pages/${file}`)
    const { headings } = await openPage(name)
    assert.ok(headings.length > 0)
    assert.deepEqual(headings.filter(heading => !source.includes(`'${heading.replaceAll('\'', '\\\'')}'`)), [])
  })
}

test('every decision has a date and a status, and the index repeats both', async () => {
  const files = (await readdir(join(packageDir, 'docs', 'decisions'))).filter(file => /^\d{4}-/.test(file)).sort()
  const rows = await Promise.all(files.map(async file => {
    const [, number, title, date, status = ''] = /^# (\d+)\. (.+)\n\n\*(\d{4}-\d\d-\d\d)[^·]* · ([^*]+)\*\n/.exec(await read(`docs/decisions/${file}`)) ?? assert.fail(`${file} has no date or no status`)
    return `| [${number}](${file}) | ${title} | ${date} | ${status.replaceAll('\n', ' ')} |`
  }))
  assert.deepEqual((await read('docs/decisions/README.md')).match(/^\| \[.*$/gm), rows)
})

const manifest = JSON.parse(await read('package.json')) as { 'node-red': { nodes: Record<string, string> } }

for (const node of Object.keys(manifest['node-red'].nodes)) {
  for (const [language, folder, off, on] of [['en-US', 'docs/nodes', 'off', 'on'], ['es-ES', 'docs/es/nodes', 'no', 'sí']] as const) {
    test(`the page on ${node} has every saved property with its label and its default, in ${language}`, async () => {
      const config = await import(`../nodes/${node}/config.ts`) as Record<string, unknown>
      const defaults = Object.entries(config).find(([name]) => name.endsWith('Defaults') && name !== 'limitDefaults')?.[1] as Record<string, unknown>
      const page = await read(`${folder}/${node}.md`)
      const rows = [...page.matchAll(/^\| .+ \|$/gm)].map(([row]) => row.slice(1, -1).split(/ ?\| ?/).map(cell => cell.trim()))
        .filter(([, saved]) => /^`\w+`$/.test(saved ?? '') || saved === 'credential' || saved === 'credencial')

      const documented = new Set([...rows.flatMap(([, saved = '']) => saved.startsWith('`') ? [saved] : []), ...[...page.matchAll(/`(?:hasLogin|userCount)`/g)].map(String)])
      // Every node has a name, which only the agent's makes anything of.
      const properties = (names: Iterable<string>): string[] => [...names].filter(name => name !== '`name`').sort()
      assert.deepEqual(properties(documented), properties(Object.keys(defaults).map(name => `\`${name}\``)))

      for (const cells of rows) {
        const saved = cells[1]?.slice(1, -1) ?? ''
        if (!(saved in defaults) || typeof defaults[saved] === 'object') continue
        assert.equal(cells.at(-2), saved === 'port' ? String(defaults[saved]) : shown(defaults[saved], language, on, off), `default of ${saved}`)
      }

      const texts = [...await textsOf(node, language), ...await textsOf('platziverse-broker', language), 'Name', 'Nombre']
      for (const [label = ''] of rows) if (!label.startsWith('…')) assert.ok(texts.some(text => text.startsWith(label)), `no field is called ${label}`)
    })
  }
}

function shown (value: unknown, language: string, on: string, off: string): string {
  if (typeof value === 'boolean') return value ? on : off
  if (value === '') return ''
  return Number.isFinite(Number(value)) ? Number(value).toLocaleString(language) : `\`${String(value)}\``
}

async function textsOf (node: string, language: string): Promise<string[]> {
  const texts: string[] = []
  JSON.parse(await read(`nodes/${node}/locales/${language}/${node}.json`), (_key, value: unknown) => {
    if (typeof value === 'string') texts.push(value)
    return value
  })
  return texts
}

/** Headings by their level, rows of tables, items of lists and code: what a translation has as many of. */
function partsOf (text: string): Record<string, unknown> {
  const count = (pattern: RegExp): number => [...text.matchAll(pattern)].length
  return {
    headings: [...text.matchAll(/^(#+) /gm)].map(match => match[1]),
    rows: count(/^\|/gm),
    items: count(/^(?:\d+\.|-) /gm),
    code: [...text.matchAll(/^ {4}\S.*$/gm)].map(([line]) => line)
  }
}

function linksIn (text: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g), ...text.matchAll(/ (?:src|href)="([^"]+)"/g)].map(match => match[1] ?? '')
  return targets.filter(target => target.startsWith(inTheRepository) || !/^[a-z]+:/.test(target))
}

/** As GitHub makes anchors of them. */
function headingsIn (text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(match => (match[1] ?? '').toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
}

function read (path: string): Promise<string> {
  return readFile(join(packageDir, path), 'utf8')
}
