import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { openBrowser, openEditor, skipWithoutChromium, type Editor, type EditorOptions } from './browser.ts'
import { bringContrast, type WithContrast } from './contrast.ts'
import { skipWithoutNodeRed, startNodeRed, type NodeRed, type NodeRedVersion } from './node-red.ts'

// What the tests of forms share.

export const flow = { id: 'f10w000000000001', type: 'tab', label: 'Plant' }
export const tlsConfig = { id: 'c0nf1g0000000001', type: 'tls-config', name: 'Plant', cert: '', key: '', ca: '', certname: '', keyname: '', caname: '', servername: '', verifyservercert: true, alpnprotocol: '' }

export const looks: EditorOptions[] = [{ language: 'en-US' }, { language: 'es-ES', theme: 'dark' }, { language: 'pt-BR' }]

/** What `{ skip }` of a test takes: see skipWithoutChromium and skipWithoutNodeRed. */
export function skipWithoutEditor (version: NodeRedVersion): string | false {
  return skipWithoutChromium() || skipWithoutNodeRed(version)
}

export interface WithEditorOptions extends EditorOptions {
  /** What is deployed before the editor opens. */
  flows?: object[]
}

let starting: Promise<Browser> | undefined
const startingNodeReds = new Map<NodeRedVersion, Promise<NodeRed>>()

after(async () => {
  await (await starting)?.close()
  for (const nodeRed of startingNodeReds.values()) await (await nodeRed).stop()
})

/** The browser and the Node-RED of this version that the tests of a file share; each gets an editor of its own and fresh flows. */
export function runningNodeRed (version: NodeRedVersion) {
  let browser: Browser
  let nodeRed: NodeRed
  before(async () => {
    browser = await (starting ??= openBrowser())
    const started = startingNodeReds.get(version) ?? startNodeRed({ version, flows: [flow] })
    startingNodeReds.set(version, started)
    nodeRed = await started
  })
  return {
    running: () => nodeRed,
    /** Passes what `use` throws, or what the page did. */
    async withEditor ({ flows = [flow], ...options }: WithEditorOptions, use: (editor: Editor) => Promise<void>): Promise<void> {
      // Without their nodes credentials go, too.
      await nodeRed.deploy([flow])
      await nodeRed.deploy(flows)
      const editor = await openEditor(browser, nodeRed, options)
      try {
        await use(editor)
        assert.deepEqual(editor.errors, [])
      } catch (error) {
        await shootFailure(editor.page)
        throw error
      } finally {
        await editor.close()
      }
    }
  }
}

const screenshots = process.env['SCREENSHOTS']

/** A picture in the folder SCREENSHOTS, where that is set. Without it the page settles, too: the test goes on at the same point. */
export async function shoot (page: Page, name: string): Promise<void> {
  await settled(page)
  if (screenshots !== undefined) await page.screenshot({ path: join(screenshots, `${name}.png`) })
}

/** A picture of the page as it failed, in the folder SCREENSHOTS or else in that for temporary files; its name is told. */
async function shootFailure (page: Page): Promise<void> {
  const path = join(screenshots ?? tmpdir(), `platziverse-failed-${process.pid}-${Date.now()}.png`)
  // What failed may be the page itself, and the test's own error says more.
  await page.screenshot({ path }).then(() => { console.log(`screenshot: ${path}`) }, () => undefined)
}

/** Forms slide in; only then do they stay where they are. */
export async function settled (page: Page): Promise<void> {
  await page.waitForFunction(() => document.getAnimations().every(animation => animation.playState !== 'running'))
}

/** Opens a tab of the form, by the id of its element. */
export async function openTab (page: Page, id: string): Promise<void> {
  // Node-RED 4 takes the second of two quick clicks for a double click, on whatever tab.
  do await page.locator(`#red-ui-tab-${id}`).click()
  while (!await page.locator(`#${id}`).isVisible())
}

/**
 * What is not right to the eye in the open form: texts that the catalogue lacks, what sticks out, wraps or is cut off,
 * and text that its background swallows (WCAG: 4.5).
 */
export async function flawsOf (page: Page): Promise<string[]> {
  await bringContrast(page)
  return await page.evaluate(() => {
    const { contrastOf } = globalThis as unknown as WithContrast
    const form = document.querySelector('#node-config-dialog-edit-form') ?? document.querySelector('#dialog-form')
    if (form === null) return ['no form is open']
    const flaws: string[] = []
    const { right } = form.getBoundingClientRect()
    for (const element of form.querySelectorAll<HTMLElement>('*')) {
      const own = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ textContent }) => textContent ?? '')
      for (const text of [...own, element.getAttribute('placeholder') ?? '', element.title, element.ariaLabel ?? '']) {
        if (/\b((agent|metric|platziverse)-\w+|shared)\.\w+\.\w/.test(text)) flaws.push(`no text: ${text}`)
      }
      // Node-RED measures its selects out of sight.
      if (element.offsetParent === null || element.closest('span[style*="-2000px"]') !== null) continue
      const name = `${element.tagName} "${element.innerText.slice(0, 40)}"`
      const box = element.getBoundingClientRect()
      const isLine = element.matches('label, .form-row > span, #platziverse-database-columns > span')
      const isBox = element.matches('label, button, .form-tips, .red-ui-tab, .red-ui-tab-label')
      if ((isLine || isBox || element.matches('input, select')) && box.right > right + 1) flaws.push(`${name} sticks out`)
      if (isLine && box.height > 30) flaws.push(`${name} wraps`)
      if (isBox && element.scrollWidth > element.clientWidth + 1) flaws.push(`${name} is cut off`)
      // A button that was just pressed is in Node-RED's colours for what is under the mouse.
      if (!element.matches('label, input, select, .form-tips, span[data-i18n]') || element.matches('button:hover *')) continue
      const contrast = contrastOf(element)
      if (contrast < 4.5) flaws.push(`${name} has a contrast of ${contrast.toFixed(1)}`)
    }
    return flaws
  })
}
