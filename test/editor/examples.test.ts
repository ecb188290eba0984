import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { databaseDefaults } from '../../nodes/platziverse-database/config.ts'
import { flow, runningNodeRed, shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { packageDir } from '../helpers/node-red.ts'

/** A node on the canvas, by its edges. */
interface Box { label: string, left: number, right: number, top: number, bottom: number, isComment: boolean }

const all = (await readdir(join(packageDir, 'flows'))).filter(file => file.endsWith('.json')).map(file => file.slice(0, -'.json'.length))
/** Not those that need other modules, which this Node-RED lacks. */
const needs = await Promise.all(all.map(async label => (await exampleFlow(label)).some(({ type }) => type === 'global-config')))
const labels = all.filter((_, i) => !needs[i])
const ofWorkers = 'Workers on an external broker'
/** What the palette and the sidebar leave of the window, in px. */
const canvasWidth = 880
const ownDatabase = { id: 'da7aba5e000000aa', type: 'platziverse-database' }
/** Lines of a comment are at most so long. */
const longestLine = 60

describe('the examples in a window of 1,400 px', { skip: skipWithoutEditor(5) }, () => {
  const { running, withEditor } = runningNodeRed(5)

  for (const label of labels) {
    test(`${label} fits, its nodes stand in columns, and none covers another`, () => withEditor({}, async editor => {
      await editor.importExample(label)
      await showFlow(editor.page, label)
      const boxes = await boxesOf(editor.page)
      // What was imported is said in front of the flow.
      await editor.page.evaluate(() => { for (const notice of document.querySelectorAll('.red-ui-notification')) notice.remove() })
      await shoot(editor.page, `example-${label}`)
      assert.deepEqual(boxes.filter(({ right }) => right > canvasWidth).map(({ label }) => label), [])
      const columns = new Map<number, number>()
      for (const { left } of boxes) columns.set(left, (columns.get(left) ?? 0) + 1)
      assert.ok(columns.size <= 5, `left edges: ${[...columns.keys()].join()}`)
      for (const { label, isComment } of boxes) if (isComment) for (const line of label.split('\\n ')) assert.ok(line.length <= longestLine, line)
      const covered = boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).map(b => `${a.label} and ${b.label}`))
      assert.deepEqual(covered, [])
    }))
  }

  test('all together have one database, but for the workers, whose is a server', () => withEditor({}, async editor => {
    // The dashboard brings none: it comes first, and last.
    for (const label of ['Live dashboard', ...labels.filter(label => label !== ofWorkers), 'Live dashboard']) await editor.importExample(label)
    assert.equal((await databasesOf(editor.page)).length, 1)
    await editor.importExample(ofWorkers)
    assert.equal((await databasesOf(editor.page)).length, 2)
    assert.deepEqual(await invalidOf(editor.page), [])
  }))

  test('Live dashboard takes the database that is there', () => withEditor({ flows: [flow, { ...ownDatabase, ...databaseDefaults, filename: 'plant.sqlite' }] }, async editor => {
    await editor.importExample('Live dashboard')
    const [database, ...others] = await databasesOf(editor.page)
    assert.deepEqual([database?.id, others], [ownDatabase.id, []])
    assert.equal(database?.users, (await exampleFlow('Live dashboard')).filter(({ type }) => type === 'metric-query').length)
    assert.deepEqual(await invalidOf(editor.page), [])
    await editor.deploy()
    const saved = await running().api<Array<{ type: string, database?: string }>>('flows')
    for (const { type, database } of saved) if (type === 'metric-query') assert.equal(database, ownDatabase.id)
  }))
})

/** Waits until the nodes are drawn: only then are they as wide as their labels. */
async function showFlow (page: Page, label: string): Promise<void> {
  await page.locator('#red-ui-workspace-tabs .red-ui-tab-label', { hasText: label }).click()
  await page.waitForFunction(label => {
    const { RED } = globalThis as unknown as { RED: { nodes: { workspace (id: string): { label: string } | null }, workspaces: { active (): string } } }
    return RED.nodes.workspace(RED.workspaces.active())?.label === label && document.querySelectorAll('#red-ui-workspace-chart .red-ui-flow-node-label').length > 0
  }, label)
}

function databasesOf (page: Page): Promise<Array<{ id: string, users: number }>> {
  return page.evaluate(() => {
    const found: Array<{ id: string, users: number }> = []
    RED.nodes.eachConfig(({ type, id, users }) => { if (type === 'platziverse-database') found.push({ id, users: (users as unknown[]).length }) })
    return found
  })
}

function invalidOf (page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = []
    const see = ({ type, valid, validationErrors }: { type: string, valid: boolean, validationErrors?: string[] }): void => { if (!valid) found.push(`${type}: ${validationErrors?.join()}`) }
    RED.nodes.eachNode(see)
    RED.nodes.eachConfig(see)
    return found
  })
}

/** Of the nodes of the flow that is shown. */
function boxesOf (page: Page): Promise<Box[]> {
  return page.evaluate(() => {
    interface Node { type: string, name?: string, z: string, x: number, y: number, w: number, h: number }
    const { RED } = globalThis as unknown as { RED: { nodes: { eachNode (see: (node: Node) => void): void }, workspaces: { active (): string } } }
    const boxes: Box[] = []
    RED.nodes.eachNode(({ type, name, z, x, y, w, h }) => {
      if (z !== RED.workspaces.active()) return
      boxes.push({ label: name || type, left: x - w / 2, right: x + w / 2, top: y - h / 2, bottom: y + h / 2, isComment: type === 'comment' })
    })
    return boxes
  })
}
