import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { databaseDefaults, type DatabaseConfig } from '../../nodes/platziverse-database/config.ts'
import { formShown, type Editor, type EditorOptions } from '../helpers/browser.ts'
import { flawsOf, flow, openTab, runningNodeRed, settled, shoot, skipWithoutEditor, tlsConfig } from '../helpers/forms.ts'
import { freePort, type NodeRed } from '../helpers/node-red.ts'
import { startPostgresql, withoutPostgresql } from '../helpers/postgresql.ts'

const id = 'da7aba5e00000001'
const store = { id: '570e000000000001', type: 'metric-store', z: flow.id, name: '', database: id, grace: 60, x: 160, y: 80, wires: [[]] }
/** As a version without servers saved it. */
const before01 = { id, type: 'platziverse-database', name: '', client: 'sqlite', filename: 'platziverse.sqlite' }
const server = { ...before01, ...databaseDefaults, client: 'postgresql' }
const tabs = ['connection', 'keeping', 'writing', 'outages'] as const
type Tab = typeof tabs[number]

for (const version of [5, 4] as const) {
  describe(`the database's form in Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const nodeRed = runningNodeRed(version)

    test('keeps what every tab says, and no secret in clear', () => nodeRed.withEditor({ flows: [flow, tlsConfig, before01, store] }, async editor => {
      const { page } = editor
      await openForm(editor)
      await field(page, 'client').selectOption('postgresql')
      await fill(page, { host: 'db.plant', port: '6432', database: 'metrics', user: 'ana', password: 'Tr0ub4dor', poolSize: '8' })
      await field(page, 'secure').check()
      await field(page, 'tls').selectOption(tlsConfig.id)
      await open(page, 'keeping')
      await fill(page, { rawDays: '30', hourDays: '365' })
      await addOverride(page, 0, ['temperature', '7', '30', '60'])
      await addOverride(page, 1, ['door', '0', '', '0'])
      await open(page, 'writing')
      await fill(page, { gather: '5000' })
      await open(page, 'outages')
      await fill(page, { spool: '200' })
      await update(editor)
      assert.deepEqual(await editor.property(id, 'validationErrors'), [])
      await editor.deploy()

      const expected: Partial<DatabaseConfig> = {
        client: 'postgresql', connection: 'fields', host: 'db.plant', port: '6432', database: 'metrics', secure: true, tls: tlsConfig.id, poolSize: '8', gather: '5000', spool: '200', rawDays: '30', hourDays: '365', dayDays: '0',
        overrides: [{ type: 'temperature', rawDays: 7, hourDays: 30, dayDays: 60 }, { type: 'door', rawDays: 0, hourDays: 0, dayDays: 0 }]
      }
      const saved = await savedNode(nodeRed.running())
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map(name => [name, saved[name]])), expected)
      assert.deepEqual(await nodeRed.running().api(`credentials/platziverse-database/${id}`), { user: 'ana', has_password: true, has_url: false })
      for (const file of (await readdir(nodeRed.running().userDir)).filter(file => file.endsWith('.json'))) {
        assert.doesNotMatch(await readFile(join(nodeRed.running().userDir, file), 'utf8'), /Tr0ub4dor/, file)
      }

      await openForm(editor)
      assert.deepEqual(await values(page, ['client', 'host', 'port', 'user', 'password', 'tls']), ['postgresql', 'db.plant', '6432', 'ana', '__PWRD__', tlsConfig.id])
      await open(page, 'keeping')
      assert.deepEqual(await overrides(page), [['temperature', '7', '30', '60'], ['door', '0', '0', '0']])
      await update(editor)
      assert.notEqual(await editor.property(id, 'changed'), true, 'looking at it is no change')

      await openForm(editor)
      await open(page, 'keeping')
      await page.locator('#platziverse-database-overrides .red-ui-editableList-item-remove').first().click()
      await rows(page).nth(1).waitFor({ state: 'detached' })
      await update(editor)
      await editor.deploy()
      assert.deepEqual((await savedNode(nodeRed.running()))['overrides'], expected.overrides?.slice(1))
    }))
  })
}

describe('the database\'s form', { skip: skipWithoutEditor(5) }, () => {
  const nodeRed = runningNodeRed(5)

  test('asks for a file and nothing else where it is SQLite, and a node of before is valid', () => nodeRed.withEditor({ flows: [flow, before01, store] }, async editor => {
    const { page } = editor
    assert.equal(await editor.property(id, 'valid'), true)
    await openForm(editor)
    assert.deepEqual(await shownFields(page), ['name', 'client', 'filename'])
    assert.deepEqual(await values(page, ['client', 'filename']), ['sqlite', 'platziverse.sqlite'])
    for (const tab of tabs) assert.equal(await page.locator(`#platziverse-database-${tab}-tab`).isVisible(), tab === 'connection', tab)
    await open(page, 'keeping')
    assert.deepEqual(await values(page, ['rawDays', 'hourDays', 'dayDays']), ['0', '0', '0'])
    await open(page, 'writing')
    assert.deepEqual(await values(page, ['gather']), ['0'])
    await open(page, 'outages')
    assert.deepEqual(await values(page, ['spool']), ['0'])
    await update(editor)
    assert.equal(await editor.property(id, 'valid'), true)
    assert.deepEqual(await editor.property(id, 'overrides') ?? [], [])
  }))

  test('shows what the chosen kind of database needs', () => nodeRed.withEditor({ flows: [flow, before01, store] }, async editor => {
    const { page } = editor
    await openForm(editor)
    const fields = ['name', 'client', 'connection', 'host', 'port', 'database', 'user', 'password', 'secure', 'poolSize']
    for (const [client, port, name] of [['postgresql', '5432', 'pg'], ['mysql', '3306', 'mysql2']] as const) {
      await field(page, 'client').selectOption(client)
      assert.deepEqual(await shownFields(page), fields, client)
      assert.equal(await field(page, 'port').getAttribute('placeholder'), port)
      assert.equal(await field(page, 'host').inputValue(), '127.0.0.1')
      await page.getByText(`run "npm install ${name}"`).waitFor()
    }
    await field(page, 'secure').check()
    assert.deepEqual(await shownFields(page), [...fields.slice(0, -1), 'tls', 'poolSize'])
    await field(page, 'connection').selectOption('url')
    assert.deepEqual(await shownFields(page), ['name', 'client', 'connection', 'url', 'secure', 'tls', 'poolSize'])
    await field(page, 'client').selectOption('sqlite')
    assert.deepEqual(await shownFields(page), ['name', 'client', 'filename'])
  }))

  test('says what is wrong, only of what is used', () => nodeRed.withEditor({ flows: [flow, before01, store] }, async editor => {
    const { page } = editor
    const marked = (tab: Tab) => page.locator(`#red-ui-tab-platziverse-database-${tab}-tab.platziverse-wrong`).count()
    await openForm(editor)
    await field(page, 'client').selectOption('postgresql')
    await fill(page, { host: '', port: '65536', database: '', poolSize: '0' })
    assert.deepEqual(await wrongFields(page), ['host', 'port', 'database', 'poolSize'])
    assert.equal(await marked('connection'), 1)
    await field(page, 'connection').selectOption('url')
    assert.deepEqual(await wrongFields(page), ['connection', 'url', 'poolSize'])
    await fill(page, { poolSize: '5', url: 'mysql://ana@db/metrics' })
    assert.deepEqual(await wrongFields(page), ['connection', 'url'])
    await fill(page, { url: 'postgresql://ana:Tr0ub4dor@db/metrics' })
    assert.deepEqual(await wrongFields(page), [])
    assert.equal(await marked('connection'), 0)

    await open(page, 'writing')
    await fill(page, { gather: '60001' })
    assert.deepEqual(await wrongFields(page), ['gather'])
    assert.equal(await marked('writing'), 1)
    await fill(page, { gather: '60000' })
    assert.deepEqual([await wrongFields(page), await marked('writing')], [[], 0])

    await open(page, 'outages')
    await fill(page, { spool: '1.5' })
    assert.equal(await marked('outages'), 1)
    await fill(page, { spool: '' })
    assert.equal(await marked('outages'), 0)

    await open(page, 'keeping')
    for (const [days, wrong] of [
      [['x', '0', '0'], ['rawDays']], [['30', '7', '0'], ['rawDays']], [['0', '7', '0'], ['rawDays']], [['7', '30', '29'], ['hourDays']], [['36501', '0', '0'], ['rawDays']],
      [['30', '0', '0'], []], [['7', '30', '30'], []], [['', '', ''], []], [['${DAYS}', '7', '30'], []], [['36500', '36500', '36500'], []]
    ] as const) {
      await fill(page, { rawDays: days[0], hourDays: days[1], dayDays: days[2] })
      assert.deepEqual(await wrongFields(page), wrong, String(days))
      assert.equal(await marked('keeping'), wrong.length, String(days))
    }
    await addOverride(page, 0, ['door', '9', '8', '0'])
    await addOverride(page, 1, ['door', '1', '1', '1'])
    assert.equal(await marked('keeping'), 1)
    assert.deepEqual(await page.locator('.platziverse-row .input-error').evaluateAll(inputs => inputs.map(input => (input as HTMLInputElement).title)),
      ['door: Every metric: must not be kept for longer than "By hour" (0 = for ever)', 'The type "door" is listed twice'])
    await update(editor)
    assert.deepEqual(await editor.property(id, 'validationErrors'), ['door: Every metric: must not be kept for longer than "By hour" (0 = for ever)'])
  }))

  test('is called after its server and its database, never after who logs in', () => nodeRed.withEditor({ flows: [flow, before01, store] }, async editor => {
    const { page } = editor
    const label = () => page.locator('#node-input-database option:checked').innerText()
    await editor.edit(store.id)
    await openNested(editor)
    await field(page, 'client').selectOption('mysql')
    await fill(page, { host: 'db.plant', database: 'metrics', user: 'ana', password: 'Tr0ub4dor' })
    await update(editor)
    assert.equal(await label(), 'MySQL or MariaDB: metrics on db.plant')
    await openNested(editor)
    await field(page, 'connection').selectOption('url')
    await fill(page, { url: 'mysql://ana:Tr0ub4dor@db.plant/metrics' })
    await update(editor)
    assert.equal(await label(), 'MySQL or MariaDB, at a URL')
    await openNested(editor)
    await fill(page, { name: 'Plant' })
    await update(editor)
    assert.equal(await label(), 'Plant')
    await editor.done()
    await editor.deploy()
    assert.deepEqual(await nodeRed.running().api(`credentials/platziverse-database/${id}`), { user: 'ana', has_password: true, has_url: true })
  }))

  test('a metric-store from the palette gets a database that is SQLite and valid', () => nodeRed.withEditor({ flows: [flow] }, async editor => {
    const made = await editor.property(await editor.drag('metric-store', 200, 200), 'database') as string
    assert.equal(await editor.property(made, 'client'), 'sqlite')
    assert.equal(await editor.property(made, 'valid'), true)
    await editor.deploy()
  }))
})

describe('the database\'s test button', { skip: skipWithoutEditor(5) }, () => {
  const nodeRed = runningNodeRed(5)

  test('says of SQLite whether the tables are there, and what keeps the file from being opened', () => nodeRed.withEditor({ flows: [flow, { ...before01, filename: 'here.sqlite' }, store] }, async editor => {
    const { page } = editor
    await openForm(editor)
    await fill(page, { filename: 'new.sqlite' })
    await press(page)
    assert.match(await answer(page, 'good'), /^SQLite 3\.[\d.]+ answered; the tables will be made\.$/)
    await fill(page, { filename: 'missing/new.sqlite' })
    assert.equal(await page.locator('#platziverse-database-answer').isVisible(), false, 'an answer to something else')
    await press(page)
    assert.match(await answer(page, 'bad'), /^The file cannot be opened: check that its folder exists.*\nSTORE_CANNOT_OPEN: /)
    await writeFile(join(nodeRed.running().userDir, 'notes.txt'), 'Buy milk. '.repeat(100))
    await fill(page, { filename: 'notes.txt' })
    await press(page)
    assert.match(await answer(page, 'bad'), /^The file is not a SQLite database, or is damaged\.\nSTORE_NOT_A_DATABASE: /)
    await fill(page, { filename: '${NO_SUCH_VARIABLE}' })
  }))

  test('says of a server that answers who it is, and what is wrong with others', { skip: withoutPostgresql ?? false }, async t => {
    const postgresql = await startPostgresql()
    t.after(() => postgresql.end())
    const { port, user, password, database } = await postgresql.fresh()
    const flows = [flow, { ...server, port: String(port), database, credentials: { user, password } }, store]
    await nodeRed.withEditor({ flows }, async editor => {
      const { page } = editor
      await openForm(editor)
      assert.equal(await field(page, 'password').inputValue(), '__PWRD__')
      await press(page)
      assert.match(await answer(page, 'good'), /^PostgreSQL \d+\.\d+.* answered; the tables (will be made|are there)\.( TimescaleDB [\d.]+ (will be|is) used\.)?$/)
      await shoot(page, 'database-test-good')
      await fill(page, { password: 'wr0ng' })
      await press(page)
      assert.match(await answer(page, 'bad'), /^The server refused the login: .*\nSTORE_LOGIN_REFUSED: /)
      assert.doesNotMatch(await answer(page, 'bad'), /wr0ng/)
      await shoot(page, 'database-test-bad')
      await fill(page, { password: password ?? '', database: 'nowhere' })
      await press(page)
      assert.match(await answer(page, 'bad'), /^The server has no database of this name: .*\nSTORE_DATABASE_UNKNOWN: /)
      await fill(page, { port: String(await freePort()) })
      await press(page)
      assert.match(await answer(page, 'bad'), /^No database server answers there: .*\nSTORE_REFUSED_CONNECTION: /)
      await fill(page, { host: 'nobody.invalid' })
      await press(page)
      assert.match(await answer(page, 'bad'), /^No machine has this name: check the host\.\nSTORE_HOST_UNKNOWN: /)
    })
  })

  test('turns while it waits, forgets what the form no longer says, and shows text as text', () => nodeRed.withEditor({ flows: [flow, server, store] }, async editor => {
    const { page } = editor
    const button = page.locator('#platziverse-database-test')
    const shown = page.locator('#platziverse-database-answer')
    const spinner = button.locator('.fa-spinner')
    let release = () => {}
    const replies: Array<{ status?: number, json: object }> = []
    await page.route(/platziverse\/database\/test/, async route => {
      await new Promise<void>(resolve => { release = resolve })
      await route.fulfill(replies.shift() ?? { json: {} })
    })
    const asked = () => page.waitForRequest(/platziverse\/database\/test/)
    const answered = () => page.waitForResponse(/platziverse\/database\/test/)
    await openForm(editor)

    let [request] = await Promise.all([asked(), press(page)])
    assert.deepEqual([await spinner.count(), await button.isEnabled()], [1, false])
    const { id: about, config } = request.postDataJSON() as { id: string, config: Partial<DatabaseConfig> }
    assert.deepEqual([about, config.client, config.host, config.secure, config.tls], [id, 'postgresql', '127.0.0.1', false, ''])
    await fill(page, { host: 'elsewhere' })
    assert.deepEqual([await spinner.count(), await button.isEnabled()], [0, true])
    replies.push({ json: { ok: true, server: 'PostgreSQL 1', tables: 'ready' } })
    let late = answered()
    release()
    await (await late).finished()

    ;[request] = await Promise.all([asked(), press(page)])
    assert.equal(await shown.isVisible(), false)
    const detail = '<img src=x onerror="document.title = 1"> said no'
    replies.push({ json: { ok: false, code: 'STORE_SOMETHING_NEW', detail, help: '<b>Help</b> yourself' } })
    late = answered()
    release()
    await late
    assert.equal(await answer(page, 'bad'), `<b>Help</b> yourself\nSTORE_SOMETHING_NEW: ${detail}`)
    assert.equal(await shown.locator('img, b').count(), 0)

    for (const [status, sentence] of [[401, 'You may not test connections'], [500, 'Node-RED did not answer']] as const) {
      await Promise.all([asked(), press(page)])
      replies.push({ status, json: {} })
      release()
      assert.match(await answer(page, 'bad'), new RegExp(`^${sentence}`))
    }
  }))

  const looks: Array<EditorOptions & { good: RegExp, bad: RegExp }> = [
    { language: 'en-US', good: /answered; the tables will be made/, bad: /^No database server answers there[^]*\nSTORE_REFUSED_CONNECTION: PostgreSQL at 127\.0\.0\.1:\d+: connect ECONNREFUSED/ },
    { language: 'es-ES', theme: 'dark', good: /respondió; las tablas se crearán/, bad: /^Allí no responde ningún servidor[^]*\nSTORE_REFUSED_CONNECTION: PostgreSQL en 127\.0\.0\.1:\d+: nadie escucha en 127/ },
    { language: 'pt-BR', good: /respondeu; as tabelas serão criadas/, bad: /^Nenhum servidor de banco de dados responde ali[^]*\nSTORE_REFUSED_CONNECTION: PostgreSQL em 127\.0\.0\.1:\d+: ninguém escuta em 127/ }
  ]
  for (const { good, bad, ...options } of looks) {
    const name = `${options.language}-${options.theme ?? 'light'}`
    test(`and the form are whole on every tab in ${name}`, () => nodeRed.withEditor({ flows: [flow, before01, tlsConfig, store], ...options }, async editor => {
      const { page } = editor
      const look = async (what: string) => {
        assert.deepEqual(await flawsOf(page), [], what)
        await shoot(page, `database-form-${what}-${name}`)
      }
      await openForm(editor)
      await fill(page, { filename: `${name}.sqlite` })
      await press(page)
      assert.match(await answer(page, 'good'), good)
      await look('sqlite')
      await field(page, 'client').selectOption('mysql')
      await field(page, 'secure').check()
      await look('url-not')
      await field(page, 'connection').selectOption('url')
      await look('url')
      await field(page, 'connection').selectOption('fields')
      await field(page, 'secure').uncheck()
      await field(page, 'client').selectOption('postgresql')
      await fill(page, { host: '127.0.0.1', port: String(await freePort()), user: 'ana' })
      await press(page)
      assert.match(await answer(page, 'bad'), bad)
      await look('postgresql')
      await open(page, 'keeping')
      await fill(page, { rawDays: '30', hourDays: '365' })
      await addOverride(page, 0, ['temperature', '365', '3650', '0'])
      await addOverride(page, 1, ['door', '7', '7', '7'])
      await look('keeping')
      await open(page, 'writing')
      await fill(page, { gather: '5000' })
      await look('writing')
      await open(page, 'outages')
      await fill(page, { spool: '200' })
      await look('outages')
    }))
  }
})

async function savedNode (nodeRed: NodeRed): Promise<Record<string, unknown>> {
  const flows = await nodeRed.api<Array<Record<string, unknown>>>('flows')
  return flows.find(node => node['id'] === id) ?? assert.fail('the database is not deployed')
}

/** As the sidebar of configuration nodes does. */
async function openForm ({ page }: Editor): Promise<void> {
  await page.evaluate(id => {
    RED.editor.editConfig('', 'platziverse-database', id)
  }, id)
  await formShown(page, '#node-config-dialog-edit-form')
}

/** From the open form of a metric-store. */
async function openNested ({ page }: Editor): Promise<void> {
  await page.locator('#node-input-btn-database-edit').click()
  await formShown(page, '#node-config-dialog-edit-form')
}

async function update ({ page }: Editor): Promise<void> {
  await page.locator('#node-config-dialog-ok').click()
  await page.locator('#node-config-dialog-ok').waitFor({ state: 'detached' })
  await page.waitForFunction(() => document.querySelectorAll('#node-dialog-ok').length > 0 || document.querySelector<HTMLElement>('#red-ui-editor-shade')?.offsetParent === null)
  await settled(page)
}

type Field = Exclude<keyof DatabaseConfig, 'overrides'> | 'user' | 'password' | 'url'

function field (page: Page, name: Field) {
  return page.locator(`#node-config-input-${name}`)
}

/** With a key press each, so that Node-RED validates them. */
async function fill (page: Page, texts: Partial<Record<Field, string>>): Promise<void> {
  for (const [name, text] of Object.entries(texts)) {
    await field(page, name as Field).fill(text)
    await field(page, name as Field).press('End')
  }
}

function values (page: Page, names: Field[]): Promise<string[]> {
  return Promise.all(names.map(name => field(page, name).inputValue()))
}

/** The properties whose fields are to be seen, in their order. */
function shownFields (page: Page): Promise<string[]> {
  return page.locator('#platziverse-database-connection-tab [id^="node-config-input-"]:visible').evaluateAll(fields =>
    fields.filter(({ tagName }) => ['INPUT', 'SELECT'].includes(tagName)).map(({ id }) => id.slice('node-config-input-'.length)).filter(name => !name.startsWith('btn-')))
}

function wrongFields (page: Page): Promise<string[]> {
  return page.locator('#platziverse-database-tabs-content [id^="node-config-input-"].input-error:visible').evaluateAll(fields => fields.map(({ id }) => id.slice('node-config-input-'.length)))
}

function open (page: Page, tab: Tab): Promise<void> {
  return openTab(page, `platziverse-database-${tab}-tab`)
}

function rows (page: Page) {
  return page.locator('#platziverse-database-overrides .platziverse-row')
}

async function addOverride (page: Page, index: number, texts: string[]): Promise<void> {
  await page.locator('#platziverse-database-keeping-tab .red-ui-editableList-addButton').click()
  for (const [i, text] of texts.entries()) await rows(page).nth(index).locator('input').nth(i).fill(text)
}

async function overrides (page: Page): Promise<string[][]> {
  return Promise.all((await rows(page).all()).map(async row => Promise.all((await row.locator('input').all()).map(input => input.inputValue()))))
}

async function press (page: Page): Promise<void> {
  await page.locator('#platziverse-database-test').click()
}

/** What the test button answered, in green or in red. */
async function answer (page: Page, kind: 'good' | 'bad'): Promise<string> {
  const shown = page.locator(`#platziverse-database-answer.platziverse-database-${kind}:visible`)
  return (await shown.innerText()).trim().replace(/\n+/g, '\n')
}
