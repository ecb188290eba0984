import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { bridgeDefaults, type BridgeConfig } from '../../nodes/platziverse-bridge/config.ts'
import type { Editor, EditorOptions } from '../helpers/browser.ts'
import { until } from '../helpers/events.ts'
import { flawsOf, flow, looks, runningNodeRed, shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { freePort, type NodeRed } from '../helpers/node-red.ts'

const z = flow.id
const bridge = 'b41d9e0000000001'
const [plant, centre] = ['b10c000000000002', 'b10c000000000003']

for (const version of [5, 4] as const) {
  describe(`the bridge's form in Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const withForm = openedForm(version)

    test('keeps broker, address, login and topics, and the bridge connects by them', () => withForm({ broker: '', url: '' }, async ({ nodeRed, editor, page, port }) => {
      assert.equal(await editor.property(bridge, 'valid'), false)
      await page.locator('#platziverse-broker-select').selectOption(plant)
      await page.locator('#node-input-url').fill(`mqtt://127.0.0.1:${port}`)
      await page.locator('#node-input-user').fill('ana')
      await page.locator('#node-input-password').fill('Tr0ub4dor')
      await fill(row(page, 0), { filter: 'sensor_data/#', qos: '2', remotePrefix: 'plant-1/' })
      await page.locator('.red-ui-editableList-addButton').click()
      await fill(row(page, 1), { direction: 'in', filter: '', localPrefix: 'clock', remotePrefix: 'time/now' })
      await page.locator('#node-input-buffer').fill('500')
      await editor.done()
      assert.deepEqual(await editor.property(bridge, 'validationErrors'), [])
      await editor.deploy()
      await until(() => editor.status(bridge), text => text.startsWith('connected'))

      const flows = await nodeRed.api<Array<BridgeConfig & { id: string }>>('flows')
      const saved = flows.find(({ id }) => id === bridge) ?? assert.fail('the bridge is not deployed')
      const topics = [
        { direction: 'out', filter: 'sensor_data/#', qos: 2, localPrefix: '', remotePrefix: 'plant-1/' },
        { direction: 'in', filter: '', qos: 1, localPrefix: 'clock', remotePrefix: 'time/now' }
      ]
      assert.deepEqual([saved.broker, saved.url, saved.topics, saved.buffer], [plant, `mqtt://127.0.0.1:${port}`, topics, '500'])
      assert.deepEqual(await nodeRed.api(`credentials/platziverse-bridge/${bridge}`), { user: 'ana', has_password: true })
      for (const file of ['flows.json', 'flows_cred.json']) assert.doesNotMatch(await readFile(join(nodeRed.userDir, file), 'utf8'), /Tr0ub4dor/, file)

      await editor.edit(bridge)
      assert.deepEqual(await valuesOf(row(page, 1)), ['in', '', '1', 'clock', 'time/now'])
      await editor.done()
      assert.notEqual(await editor.property(bridge, 'changed'), true, 'looking at it is no change')
    }))
  })
}

describe('the bridge\'s form', { skip: skipWithoutEditor(5) }, () => {
  const withForm = openedForm(5)

  const topics = ['a', 'b', 'c'].map(filter => ({ direction: 'out' as const, filter, qos: 1, localPrefix: '', remotePrefix: '' }))
  test('keeps the order of the topics, and forgets those that are removed', () => withForm({ topics }, async ({ editor, page }) => {
    await drag(page, row(page, 2).locator('xpath=..').locator('.red-ui-editableList-item-handle'), row(page, 0))
    await row(page, 1).locator('xpath=..').locator('.red-ui-editableList-item-remove').click()
    await until(() => page.locator('.platziverse-row').count(), count => count === 2)
    await editor.done()
    const saved = await editor.property(bridge, 'topics') as BridgeConfig['topics']
    assert.deepEqual(saved.map(({ filter }) => filter), ['c', 'b'])
  }))

  test('says what is wrong with an address and with topics', () => withForm({}, async ({ editor, page }) => {
    for (const [url, right] of [['', false], ['192.0.2.1', false], ['http://192.0.2.1', false], ['mqtts://192.0.2.1:8883', true], ['wss://mqtt.example/path', true], ['${OTHER}', true]] as const) {
      await editor.fill('#node-input-url', url)
      assert.equal(await isWrong(page.locator('#node-input-url')), !right, url)
    }
    for (const [values, wrong] of [
      [{ filter: 'a#' }, 'filter'], [{ filter: 'a/#/b' }, 'filter'], [{ filter: '' }, 'filter'], [{ filter: '#', localPrefix: 'x' }, 'filter'],
      [{ filter: '#', localPrefix: '+/' }, 'localPrefix'], [{ filter: '#', localPrefix: '', remotePrefix: '#' }, 'remotePrefix'],
      [{ filter: '+/a/#', remotePrefix: 'x/' }, undefined]
    ] as const) {
      await fill(row(page, 0), values)
      const found = await Promise.all(Object.entries(fieldsOf(row(page, 0))).map(async ([name, field]) => await isWrong(field) ? [name] : []))
      assert.deepEqual(found.flat(), wrong === undefined ? [] : [wrong], JSON.stringify(values))
    }
    await page.locator('.red-ui-editableList-item-remove').click()
    await row(page, 0).waitFor({ state: 'detached' })
    await editor.done()
    assert.deepEqual(await editor.property(bridge, 'validationErrors'), ['Topics: add at least one'])
  }))

  test('asks for certificates only where there are some', () => withForm({}, async ({ editor, page }) => {
    for (const [url, visible] of [['mqtt://a', false], ['ws://a', false], ['mqtts://a', true], ['wss://a', true], ['${OTHER}', true]] as const) {
      await editor.fill('#node-input-url', url)
      assert.equal(await page.locator('#platziverse-bridge-tls').isVisible(), visible, url)
    }
  }))

  for (const look of looks) {
    test(`is whole in ${look.language}, and no text is missing`, () => withForm({ url: 'mqtts://192.0.2.1:8883', look }, async ({ page }) => {
      assert.deepEqual(await flawsOf(page), [])
      await shoot(page, `bridge-form-${look.language}`)
    }))
  }
})

/** Each test gets an editor in which the form of a bridge is open. */
function openedForm (version: 4 | 5) {
  const { running, withEditor } = runningNodeRed(version)
  return async (
    { look = {}, ...config }: Partial<BridgeConfig> & { look?: EditorOptions },
    use: (opened: { nodeRed: NodeRed, editor: Editor, page: Page, port: number }) => Promise<void>
  ): Promise<void> => {
    const port = await freePort()
    const flows = [
      flow,
      { id: plant, type: 'platziverse-broker', z, name: 'plant', host: '', port: '0', anonymous: false, statistics: '0', x: 160, y: 80, wires: [[], []] },
      { id: centre, type: 'platziverse-broker', z, name: 'centre', host: '', port, anonymous: false, statistics: '0', x: 160, y: 240, wires: [[], []] },
      { ...bridgeDefaults, id: bridge, type: 'platziverse-bridge', z, broker: plant, url: 'mqtt://127.0.0.1:1', x: 160, y: 160, wires: [[]], ...config }
    ]
    await withEditor({ flows, ...look }, async editor => {
      await editor.edit(bridge)
      await use({ nodeRed: running(), editor, page: editor.page, port })
    })
  }
}

function row (page: Page, index: number): Locator {
  return page.locator('.platziverse-row').nth(index)
}

function fieldsOf (row: Locator) {
  const [inputs, selects] = [row.locator('input'), row.locator('select')]
  return { direction: selects.nth(0), filter: inputs.nth(0), qos: selects.nth(1), localPrefix: inputs.nth(1), remotePrefix: inputs.nth(2) }
}

async function fill (row: Locator, values: Partial<Record<keyof ReturnType<typeof fieldsOf>, string>>): Promise<void> {
  const fields = fieldsOf(row)
  for (const [name, value] of Object.entries(values) as Array<[keyof typeof fields, string]>) {
    if (name === 'direction' || name === 'qos') await fields[name].selectOption(value)
    else await fields[name].fill(value)
  }
}

function valuesOf (row: Locator): Promise<string[]> {
  return Promise.all(Object.values(fieldsOf(row)).map(field => field.inputValue()))
}

async function isWrong (field: Locator): Promise<boolean> {
  return /input-error/.test(await field.getAttribute('class') ?? '')
}

async function drag (page: Page, handle: Locator, to: Locator): Promise<void> {
  const [from, target] = [await handle.boundingBox(), await to.boundingBox()]
  if (from === null || target === null) return assert.fail('not to be seen')
  await page.mouse.move(from.x + from.width / 2, from.y + from.height / 2)
  await page.mouse.down()
  await page.mouse.move(from.x, target.y + 10, { steps: 20 })
  await page.mouse.move(from.x, target.y - 10, { steps: 5 })
  await page.mouse.up()
}
