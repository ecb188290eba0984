import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Page } from 'playwright-core'
import { openBrowser, openEditor, type Editor } from '../helpers/browser.ts'
import { openDashboard } from '../helpers/dashboard.ts'
import { until } from '../helpers/events.ts'
import { shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { freePort, nodeFor } from '../helpers/node-red.ts'
import { cloneIsHere, openPage, openShell, withoutPrograms, type Shell } from '../helpers/pages.ts'
import { offerBuiltSqlite3 } from '../helpers/tarball.ts'

const page = await openPage('tutorial.md')
const skip = skipWithoutEditor(5) || withoutPrograms(['mosquitto_pub'], 'mosquitto-clients')

/** Starts what a person leaves running in a terminal. */
function inTerminal (t: TestContext, shell: Shell, script: string, env: NodeJS.ProcessEnv = {}): { child: ChildProcess, log: () => string } {
  const child = spawn('bash', ['-euc', script], { cwd: shell.home, env: { ...shell.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => { child.kill('SIGKILL') })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { log += text })
  return { child, log: () => log }
}

/** The last command of a script in place of the shell, so that a signal reaches it. */
const exec = (script: string): string => script.trimEnd().replace(/.*$/, 'exec $&')

/** The pictures are part of the page, which names the usual ports. */
const pictured = process.env['SCREENSHOTS'] !== undefined

test('a new user gets from nothing to a chart of a device of their own by the steps of the tutorial', { timeout: 900_000, skip }, async t => {
  const shell = await openShell(t)
  const prefix = join(shell.home, 'prefix')
  Object.assign(shell.env, await offerBuiltSqlite3(shell.home), { npm_config_prefix: prefix })
  shell.env['PATH'] += `:${join(prefix, 'bin')}`
  await shell.program('node', `exec "${nodeFor(5)}" "$@"`)
  await cloneIsHere(shell)
  const [editorPort, brokerPort] = [await freePort(), pictured ? 8083 : await freePort()]
  const here = (text: string): string => text.replaceAll('8083', String(brokerPort)).replaceAll('1880', String(editorPort))
  const only = (heading: string, block = 0): string => here(page.commands(heading)[block] ?? assert.fail(`${heading}: no block ${block}`))

  await shell.run(only('1. Install'))

  // Without its two questions of the first start, which come after a while.
  const quietly = '-D telemetry.enabled=false -D editorTheme.tours=false'
  const nodeRed = inTerminal(t, shell, `${exec(only('2. Start Node-RED'))} ${quietly}`, { PORT: String(editorPort) })
  await until(() => nodeRed.log(), log => /Server now running|Started flows/.test(log) || nodeRed.child.exitCode !== null, 60_000)
  assert.equal(nodeRed.child.exitCode, null, nodeRed.log())
  const url = `http://127.0.0.1:${editorPort}/`
  const browser = await openBrowser()
  t.after(() => browser.close())
  const editor = await openEditor(browser, { url }, { height: 780 })

  await editor.importExample('Monitor agents')
  await editor.page.locator('#red-ui-workspace-tabs .red-ui-tab-label', { hasText: 'Monitor agents' }).click()
  const broker = await idOf(editor.page, 'platziverse-broker')
  await editor.edit(broker)
  await editor.fill('#node-input-port', String(brokerPort))
  await editor.done()
  await editor.deploy()
  await editor.page.locator('.red-ui-debug-msg', { hasText: 'agent/message' }).first().waitFor()
  const store = await idOf(editor.page, 'metric-store')
  const stored = (): Promise<string> => until(() => editor.status(store), text => /[1-9]/.test(text))
  await stored()
  await until(() => editor.status(broker), text => /1 client/.test(text))
  await picture(editor, 'tutorial-platform')

  await shell.run(only('4. A device of your own'))
  await writeFile(join(shell.home, '.node-red', 'balcony.mjs'), here(page.file('4. A device of your own')))
  const balcony = inTerminal(t, shell, exec(only('4. A device of your own', 1)))
  await until(() => balcony.log(), log => log.includes('The balcony reports') || balcony.child.exitCode !== null)
  assert.equal(balcony.child.exitCode, null, balcony.log())

  const inject = await editor.drag('inject', 160, 500)
  const query = await editor.drag('metric-query', 380, 500)
  const debug = await editor.drag('debug', 640, 500)
  await editor.wire(inject, 0, query)
  await editor.wire(query, 0, debug)
  await editor.edit(query)
  await editor.fill('#metric-query-uuid', 'balcony')
  // Away from what it offers to complete.
  await editor.page.locator('#metric-query-uuid').press('Tab')
  await editor.done()
  await editor.deploy()
  await editor.node(inject).locator('.red-ui-flow-node-button-button').click()
  await until(() => editor.status(query), text => /\b1 row\b/.test(text))
  const answer = editor.page.locator('.red-ui-debug-msg', { hasText: 'debug 1' }).first()
  await answer.getByText('array[1]').waitFor()
  await stored()
  await until(() => editor.status(broker), text => /2 clients/.test(text))
  for (const closed of ['.red-ui-debug-msg-expandable', '.red-ui-debug-msg-object-entry .red-ui-debug-msg-expandable']) await answer.locator(closed).first().click()
  await answer.getByText('"temperature"').waitFor()
  await answer.evaluate(element => { element.scrollIntoView({ block: 'end' }) })
  await picture(editor, 'tutorial-question')

  await editor.importExample('Live dashboard')
  await editor.page.getByRole('button', { name: 'Install all' }).click()
  await editor.page.getByText('Successfully installed modules').waitFor({ timeout: 300_000 })
  // Node-RED says so before the editor knows the types.
  await editor.page.waitForFunction(() => {
    const { RED } = globalThis as unknown as { RED: { nodes: Record<'eachNode' | 'eachConfig', (look: (node: { type: string }) => void) => void> } }
    let unknown = 0
    for (const each of [RED.nodes.eachNode, RED.nodes.eachConfig]) each(({ type }) => { if (type === 'unknown') unknown++ })
    return unknown === 0
  })
  await editor.deploy()
  const [, address = ''] = /<(http:[^>]*dashboard[^>]*)>/.exec(page.text('6. See it')) ?? []
  const dashboard = await openDashboard(browser, { url }, new URL(address).pathname.replace('/dashboard', '') + new URL(address).search)
  const drawn = await dashboard.charted('temperature', points => points.length > 1)
  await dashboard.charted('temperature', points => points.length > drawn.length)
  balcony.child.kill('SIGINT')
  await dashboard.page.getByText('disconnected', { exact: true }).waitFor()
  assert.deepEqual(dashboard.errors, [])
})

/** A picture without what covers the flow for a moment. */
async function picture ({ page }: Editor, name: string): Promise<void> {
  await page.evaluate(() => { for (const notice of document.querySelectorAll('.red-ui-notification')) notice.remove() })
  await page.mouse.move(1000, 700)
  await shoot(page, name)
}

async function idOf (page: Page, type: string): Promise<string> {
  const id = await page.evaluate(type => {
    const { RED } = globalThis as unknown as { RED: { nodes: { eachNode (see: (node: { id: string, type: string }) => void): void } } }
    let found: string | undefined
    RED.nodes.eachNode(node => { if (node.type === type) found = node.id })
    return found
  }, type)
  return id ?? assert.fail(`no ${type}`)
}
