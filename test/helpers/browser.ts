import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { until } from './events.ts'
import { packageName, skipped } from './node-red.ts'
import type { NodeRed } from './node-red.ts'

/** Where Debian, and other systems, put Chromium. */
const executables = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = executables.find(path => path !== undefined && path !== '' && existsSync(path))

/** What `{ skip }` of a test takes: false, or the reason and what to do. Throws instead where CI_COMPLETE=1. */
export function skipWithoutChromium (): string | false {
  if (executablePath !== undefined) return false
  return skipped('the editor is tested in Chromium: "apt-get install chromium", or set CHROMIUM to its executable.')
}

export function openBrowser (): Promise<Browser> {
  return chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking']
  })
}

/** A node as the editor knows it: what is saved of it, and how it looks. */
interface EditorNode extends Record<string, unknown> {
  id: string
  type: string
  broker?: string
  valid: boolean
  validationErrors?: string[]
  changed?: boolean
  credentials?: { users?: string }
}

declare global {
  /** Node-RED's editor. It is there in the browser alone: for the functions that `page.evaluate` takes there. */
  const RED: {
    nodes: {
      node (id: string): EditorNode | null
      getWorkspaceOrder (): string[]
      eachNode (see: (node: EditorNode) => void): void
      eachConfig (see: (node: EditorNode) => void): void
      filterNodes (filter: { type: string }): EditorNode[]
      getType (type: string): { defaults: object }
      getNodeHelp (type: string): string
      /** What is saved of a node. */
      convertNode (node: EditorNode | null, withCredentials: boolean): Record<string, unknown>
      createCompleteNodeSet (): object[]
    }
    state: { EDITING: number }
    view: {
      state (): number
      importNodes (nodes: object[], options: { generateIds: boolean, addFlow: boolean }): void
    }
    editor: { editConfig (name: string, type: string, id: string): void }
  }
}

export interface EditorOptions {
  language?: 'en-US' | 'es-ES' | 'pt-BR'
  /** Node-RED 5 only. */
  theme?: 'light' | 'dark'
  width?: number
  height?: number
}

export interface Editor {
  readonly page: Page
  /** Errors that the page threw, or that Node-RED wrote of one of our nodes, since it was opened. */
  readonly errors: string[]
  /** Drags a node from the palette to a place on the canvas; resolves with its id. */
  drag (type: string, x: number, y: number): Promise<string>
  /** The node's group on the canvas. */
  node (id: string): Locator
  /** Opens the form of a node on the canvas. */
  edit (id: string): Promise<void>
  /** Writes into a field of the open form, with a key press, so that Node-RED validates it. */
  fill (field: string, text: string): Promise<void>
  done (): Promise<void>
  cancel (): Promise<void>
  wire (from: string, output: number, to: string): Promise<void>
  /** Presses Deploy and resolves when Node-RED took the flows. */
  deploy (): Promise<void>
  /** What Import ▸ Examples offers of this package. */
  examples (): Promise<string[]>
  /** Imports an example; as a copy, where Node-RED says that some of its nodes exist already. */
  importExample (label: string): Promise<void>
  /** Saved properties of a node, by id. */
  property (id: string, name: string): Promise<unknown>
  /** What is written under a node. */
  status (id: string): Promise<string>
  close (): Promise<void>
}

/** Pages whose editors were closed. In them the browser has compiled the editor, which is half of what opening one costs. */
const spares = new WeakMap<BrowserContext, Page[]>()

/** Opens the editor of a running Node-RED in a page of its own, and resolves when the palette and the flows are there. */
export async function openEditor (browser: Browser, nodeRed: Pick<NodeRed, 'url'>, options: EditorOptions = {}): Promise<Editor> {
  const { language = 'en-US', theme = 'light', width = 1400, height = 900 } = options
  // One context for all pages: they share what the browser has cached.
  const context = browser.contexts()[0] ?? await browser.newContext({ locale: 'en-US' })
  const page = spares.get(context)?.pop() ?? await context.newPage()
  await page.setViewportSize({ width, height })
  // The editor looks for them while it loads. An image is there without it.
  await page.goto(new URL('red/images/node-red-icon.svg', nodeRed.url).href)
  await page.evaluate(settings => { Object.assign(localStorage, settings) }, { 'editor-language': language, 'view-dark-theme': theme })
  page.setDefaultTimeout(60_000)
  const errors: string[] = []
  // Node-RED's own: its first tip is due after a second, also while the page is not there yet.
  page.on('pageerror', ({ message }) => { if (message !== 'Cannot read properties of undefined (reading \'html\')') errors.push(message) })
  page.on('console', message => {
    if (/oneditprepare|oneditsave|oneditcancel|onadd|Validation error|Definition error/.test(message.text())) errors.push(message.text())
  })
  await page.goto(nodeRed.url)
  await page.locator('.red-ui-palette-node[data-palette-type="metric-store"]').waitFor({ state: 'attached' })
  await page.locator('#red-ui-loading-progress').waitFor({ state: 'hidden' })

  const node = (id: string) => page.locator(`[id="${id}"]`)
  const body = (id: string) => node(id).locator('.red-ui-flow-node').first()

  async function trayShut (): Promise<void> {
    await page.locator('#node-dialog-ok').waitFor({ state: 'detached' })
    await page.locator('#red-ui-editor-shade').waitFor({ state: 'hidden' })
  }

  return {
    page,
    errors,
    node,
    async drag (type, x, y) {
      const before = await nodeIds(page)
      const source = page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`)
      await source.scrollIntoViewIfNeeded()
      const from = await middleOf(source)
      const chart = await page.locator('#red-ui-workspace-chart').boundingBox()
      if (chart === null) throw new Error('The editor shows no canvas.')
      await page.mouse.move(from.x, from.y)
      await page.mouse.down()
      await page.mouse.move(chart.x + x - 20, chart.y + y - 20, { steps: 5 })
      await page.mouse.move(chart.x + x, chart.y + y, { steps: 5 })
      await page.mouse.up()
      const added = await page.waitForFunction(before => {
        let added: string | undefined
        RED.nodes.eachNode(({ id }) => { if (!before.includes(id)) added = id })
        return added
      }, before)
      const id = await added.jsonValue() as string
      await node(id).waitFor()
      return id
    },
    async edit (id) {
      for (;;) {
        await body(id).dblclick()
        if (await page.evaluate(() => RED.view.state() === RED.state.EDITING)) break
        // A busy page had the second click after 650 ms, which is no double click to Node-RED; nor shall it be one with the next.
        await page.waitForTimeout(700)
      }
      await formShown(page, '#dialog-form')
    },
    async fill (field, text) {
      await page.locator(field).fill(text)
      await page.locator(field).press('End')
    },
    async done () {
      await page.locator('#node-dialog-ok').click()
      await trayShut()
    },
    async cancel () {
      await page.locator('#node-dialog-cancel').click()
      await trayShut()
    },
    async wire (from, output, to) {
      const source = await middleOf(node(from).locator('.red-ui-flow-port-output .red-ui-flow-port').nth(output))
      const target = await middleOf(node(to).locator('.red-ui-flow-port-input .red-ui-flow-port'))
      await page.mouse.move(source.x, source.y)
      await page.mouse.down()
      await page.mouse.move(target.x - 30, target.y, { steps: 5 })
      await page.mouse.move(target.x, target.y, { steps: 5 })
      await page.mouse.up()
    },
    async deploy () {
      const answered = page.waitForResponse(response => response.request().method() === 'POST' && new URL(response.url()).pathname === '/flows')
      await page.locator('#red-ui-header-button-deploy').click()
      const response = await answered
      if (!response.ok()) throw new Error(`Deploy failed: ${response.status()} ${await response.text()}`)
      await page.locator('#red-ui-header-button-deploy.disabled').waitFor()
    },
    async examples () {
      const items = await openExamples(page)
      const labels = await items.allTextContents()
      await page.locator('#red-ui-clipboard-dialog-cancel').click()
      return labels
    },
    async importExample (label) {
      const items = await openExamples(page)
      const ok = page.locator('#red-ui-clipboard-dialog-ok')
      // A click on a list that is still unfolding is lost.
      await until(async () => {
        await items.getByText(label, { exact: true }).click()
        return await ok.isEnabled()
      }, Boolean)
      const flows = await flowCount(page)
      await ok.click()
      await page.locator('#red-ui-clipboard-dialog').waitFor({ state: 'hidden' })
      // A database that is there already.
      const copy = page.locator('.red-ui-notification').getByRole('button', { name: /^(Import copy|Importar copia|Importar cópia)$/ })
      await until(async () => {
        if (await copy.isVisible()) await copy.click()
        return await flowCount(page) > flows
      }, Boolean)
    },
    property: (id, name) => page.evaluate(([id, name]) => RED.nodes.node(id)?.[name], [id, name] as const),
    status: async id => (await node(id).locator('.red-ui-flow-node-status-label').textContent() ?? '').trim(),
    async close () {
      if (page.isClosed()) return
      for (const event of ['pageerror', 'console', 'request']) page.removeAllListeners(event as 'request')
      await page.unrouteAll({ behavior: 'ignoreErrors' })
      await page.goto('about:blank')
      await page.mouse.up()
      await page.mouse.move(0, 0)
      spares.set(context, [...spares.get(context) ?? [], page])
    }
  }
}

/** Node-RED puts a form into its tray once it has the credentials, and then slides it in; only then does it stay where it is. */
export async function formShown (page: Page, form: '#dialog-form' | '#node-config-dialog-edit-form'): Promise<void> {
  await page.waitForFunction(form => {
    const tray = document.querySelector(form)?.closest('.red-ui-tray')
    return tray instanceof HTMLElement && tray.getAnimations().length === 0 && tray.getBoundingClientRect().right <= window.innerWidth + 1
  }, form)
}

async function openExamples (page: Page): Promise<Locator> {
  await page.locator('#red-ui-workspace-chart').click({ position: { x: 5, y: 5 } })
  await page.keyboard.press('Control+i')
  await page.locator('#red-ui-tab-red-ui-clipboard-dialog-import-tab-examples').click()
  const list = page.locator('#red-ui-clipboard-dialog-import-tab-examples')
  const folder = list.locator('.red-ui-treeList-label', { hasText: packageName })
  await folder.click()
  const items = folder.locator('xpath=..').locator('ol .red-ui-treeList-label-text')
  await items.first().waitFor()
  return items
}

function flowCount (page: Page): Promise<number> {
  return page.evaluate(() => RED.nodes.getWorkspaceOrder().length)
}

function nodeIds (page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const ids: string[] = []
    RED.nodes.eachNode(({ id }) => { ids.push(id) })
    return ids
  })
}

async function middleOf (locator: Locator): Promise<{ x: number, y: number }> {
  const box = await locator.boundingBox()
  if (box === null) throw new Error(`Not to be seen: ${locator}`)
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
}
