import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { access, readFile, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { mkdtemp } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { connectAsync } from 'mqtt'
import knexFactory from 'knex'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, packageDir, packageName, skipWithoutNodeRed, startNodeRed } from '../helpers/node-red.ts'
import { reading } from '../helpers/messages.ts'
import { offerBuiltSqlite3, pack } from '../helpers/tarball.ts'
import { until } from '../helpers/events.ts'

const run = promisify(execFile)
const require = createRequire(import.meta.url)
const manifest = require('../../package.json') as { version: string, 'node-red': Record<'nodes' | 'plugins', Record<string, string>> }
const types = Object.keys(manifest['node-red'].nodes)
const plugins = Object.keys(manifest['node-red'].plugins)
const examples = (await readdir(join(packageDir, 'flows'))).map(file => basename(file, '.json')).sort()

let folder = ''
let tarball = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'platziverse-palette-'))
  // Built by the test command already.
  tarball = await pack(folder)
  await access(tarball)
})
after(() => rm(folder, { recursive: true, force: true }))

test('the tarball has what runs and what is shown, and nothing else', async () => {
  const { stdout } = await run('tar', ['-tzf', tarball])
  const files = new Set(stdout.trim().split('\n').map(file => file.replace(/^package\//, '')))
  const expected = [
    'package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'docs/messages.schema.json', 'docs/openapi.json', 'dist/lib/agent/agent.js', 'dist/lib/agent/agent.d.ts', 'dist/lib/messages/parse.d.ts', 'dist/lib/terminal/command.js',
    ...examples.map(name => `examples/${name}.json`),
    ...types.flatMap(type => [`dist/nodes/${type}/${type}.js`, `dist/nodes/${type}/${type}.html`]),
    ...plugins.flatMap(plugin => [`dist/nodes/${plugin}/${plugin}.js`, `dist/nodes/${plugin}/${plugin}.html`]),
    ...plugins.flatMap(plugin => ['en-US', 'es-ES', 'pt-BR'].map(language => `dist/nodes/${plugin}/locales/${language}/${plugin}.json`)),
    ...types.map(type => `dist/nodes/${type}/icons/${type}.svg`),
    ...types.flatMap(type => ['en-US', 'es-ES', 'pt-BR'].flatMap(language => ['json', 'html'].map(kind => `dist/nodes/${type}/locales/${language}/${type}.${kind}`)))
  ]
  assert.deepEqual(expected.filter(file => !files.has(file)), [])
  assert.deepEqual([...files].filter(file => /^(test|bench|scripts|flows|lib|nodes)\//.test(file) || /\.tgz$|\.sqlite$/.test(file)), [])
  assert.deepEqual([...files].filter(file => /^dist\/.*\.ts$/.test(file) && !file.endsWith('.d.ts')), [])
})

for (const version of [5, 4] as const) {
  test(`Node-RED ${version} installs the tarball from its palette and runs the main flow`, { timeout: 600_000, skip: skipWithoutNodeRed(version) }, async t => {
    const nodeRed = await startNodeRed({ version, linked: false, env: await offerBuiltSqlite3(folder) })
    t.after(() => nodeRed.stop())
    const form = new FormData()
    form.append('tarball', new Blob([await readFile(tarball)], { type: 'application/gzip' }), basename(tarball))
    const installed = await nodeRed.api<{ name: string, version: string, nodes: Array<{ types: string[], enabled: boolean, err?: string }> }>('nodes', { method: 'POST', body: form })
    assert.deepEqual([installed.name, installed.version], [packageName, manifest.version])
    assert.deepEqual(installed.nodes.filter(({ err, enabled }) => err !== undefined || !enabled), [])
    assert.deepEqual(installed.nodes.flatMap(({ types }) => types).sort(), [...types].sort())

    const sets = await nodeRed.api<Array<{ id: string, module: string, version: string, enabled: boolean, err?: string }>>('plugins')
    assert.deepEqual(sets.filter(({ module }) => module === packageName).map(({ id, enabled, err }) => ({ id, enabled, err })),
      plugins.map(plugin => ({ id: `${packageName}/${plugin}`, enabled: true, err: undefined })))
    // What an editor that is opened now gets of it, and what answers it.
    assert.match(await nodeRed.api<string>('plugins', { headers: { accept: 'text/html' } }), /platziverse-sidebar/)
    assert.match(JSON.stringify(await nodeRed.api('plugins/messages?lng=es-ES')), /platziverse-sidebar/)
    assert.equal((await nodeRed.api<{ ok: boolean }>('platziverse/sidebar/look', { body: {} })).ok, true)

    const flows = await nodeRed.api<unknown>('library/examples/flows/@platziverse/node-red-platziverse')
    assert.match(JSON.stringify(flows), new RegExp(examples.join('.*')))
    const icons = await nodeRed.api<Record<string, string[]>>('icons')
    assert.deepEqual(icons[packageName]?.sort(), types.map(type => `${type}.svg`).sort())
    for (const type of types) assert.match(await nodeRed.api<string>(`icons/${packageName}/${type}.svg`), /<svg/)

    const port = await freePort()
    await nodeRed.deploy(await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }))
    const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined)
    t.after(() => { client?.end(true) })
    await client?.publishAsync('agent/message', reading('palette'), { qos: 1 })
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
    t.after(() => knex.destroy())
    const [row] = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').where('uuid', 'palette').count({ n: '*' })
    assert.equal(row?.n, 3)
  })
}
