import { test } from 'node:test'
import { openBrowser, openEditor, skipWithoutChromium } from '../helpers/browser.ts'
import { shoot } from '../helpers/forms.ts'
import { skipWithoutNodeRed, startNodeRed } from '../helpers/node-red.ts'

const dashboard = '@flowfuse/node-red-dashboard'

for (const version of [5, 4] as const) {
  test(`importing Live dashboard into a Node-RED ${version} without FlowFuse Dashboard offers to install it`, { skip: skipWithoutChromium() || skipWithoutNodeRed(version), timeout: 120_000 }, async t => {
    // Node-RED finds what is installed beside itself, which here is the dashboard.
    const nodeRed = await startNodeRed({ version, settings: { externalModules: { palette: { denyList: [dashboard] } } } })
    t.after(() => nodeRed.stop())
    const browser = await openBrowser()
    t.after(() => browser.close())
    const { page, importExample } = await openEditor(browser, nodeRed)
    await importExample('Live dashboard')
    await page.locator('.red-ui-notification', { hasText: dashboard }).getByRole('button', { name: 'Install all' }).waitFor()
    await shoot(page, `missing-dashboard-${version}`)
  })
}
