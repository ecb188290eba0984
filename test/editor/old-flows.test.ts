import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Editor } from '../helpers/browser.ts'
import { runningNodeRed, skipWithoutEditor } from '../helpers/forms.ts'
import { freePort } from '../helpers/node-red.ts'
import { oldFlows, type SavedNode } from '../helpers/old-flows.ts'

const { withEditor } = runningNodeRed(5)

for (const [name, saved] of await oldFlows()) {
  test(`the flow "${name}" that 0.1.0 saved is valid, and stays as it is when its forms are opened and cancelled`, { skip: skipWithoutEditor(5) }, async () => {
    const port = String(await freePort())
    const flows = saved.map(node => node.type === 'platziverse-broker' ? { ...node, port } : node)
    await withEditor({ flows }, async editor => {
      const ours = flows.filter(({ type }) => /^(platziverse|agent|metric)-/.test(type))
      for (const { id, type } of ours) assert.equal(await editor.property(id, 'valid'), true, type)
      for (const node of ours) {
        const before = await propertiesOf(editor, node)
        if (node.type === 'platziverse-database') await openAndCancelDatabase(editor, ours)
        else {
          await editor.edit(node.id)
          await editor.cancel()
        }
        assert.deepEqual(await propertiesOf(editor, node), before, node.type)
        assert.notEqual(await editor.property(node.id, 'changed'), true, node.type)
      }
      assert.equal(await editor.page.locator('#red-ui-header-button-deploy.disabled').count(), 1, 'nothing is to be deployed')
    })
  })
}

/** A config node is opened from a node that uses it. */
async function openAndCancelDatabase (editor: Editor, nodes: SavedNode[]): Promise<void> {
  const { page } = editor
  await editor.edit(String(nodes.find(({ type }) => type === 'metric-store')?.id))
  await page.locator('#node-input-btn-database-edit').click()
  await page.locator('#node-config-dialog-ok').waitFor()
  await page.locator('#node-config-dialog-cancel').click()
  await page.locator('#node-config-dialog-ok').waitFor({ state: 'detached' })
  await editor.cancel()
}

async function propertiesOf (editor: Editor, { id, type }: SavedNode): Promise<unknown> {
  return editor.page.evaluate(([id, type]) => {
    const node = RED.nodes.node(id)
    return JSON.stringify(Object.keys(RED.nodes.getType(type).defaults).map(name => [name, node?.[name]]))
  }, [id, type] as const)
}
