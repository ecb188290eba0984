import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import mqtt from 'mqtt'
import type { Locator, Page } from 'playwright-core'
import { agentInDefaults, type AgentInConfig } from '../../nodes/agent-in/config.ts'
import type { Editor, EditorOptions } from '../helpers/browser.ts'
import { until } from '../helpers/events.ts'
import { flawsOf, flow, looks, runningNodeRed, shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { freePort } from '../helpers/node-red.ts'

const z = flow.id
const [intake, plant] = ['a9e0000000000001', 'b10c000000000002']

for (const version of [5, 4] as const) {
  describe(`"Other topics" of agent-in in Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const withForm = openedForm(version)

    test('a preset adds its rows once, a row is filled in, tried on what the broker saw, and saved', () => withForm({}, async ({ editor, page, port }) => {
      await page.locator('#agent-in-preset').selectOption('tasmota')
      const rows = page.locator('.platziverse-row')
      await until(() => rows.count(), count => count === 4)
      await page.locator('#agent-in-preset').selectOption('tasmota')
      await page.locator('.red-ui-editableList-addButton').click()
      await until(() => rows.count(), count => count === 5)
      const row = rows.nth(4)
      await field(row, 'topic:').fill('gw/{site}/up')
      await field(row, 'Agent').fill('{site}-{$.id}')
      await field(row, 'Take').fill('power, ENERGY.*')
      await field(row, 'Rename').fill('ENERGY.Power=watts')
      await field(row, 'Time in').fill('at')
      await field(row, 'Time as').selectOption('s')

      const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`)
      try {
        await client.publishAsync('gw/plant/up', '{"id":7,"at":1764547200,"ENERGY":{"Power":5},"x":"<b>no</b>"}', { retain: true, qos: 1 })
        await client.publishAsync('elsewhere/x', '1', { retain: true, qos: 1 })
        await page.locator('#agent-in-try').click()
        const tried = await until(() => page.locator('#agent-in-tried').innerText(), text => text.includes('→'))
        assert.match(tried, /gw\/plant\/up \{"id":7,"at":1764547200,"ENERGY":\{"Power":5\},"x":"<b>no<\/b>"\}\n→ plant-7 2025-12-01T00:00:00.000Z: watts = 5\nNo row reads: elsewhere\/x/)
      } finally {
        await client.endAsync()
      }
      await editor.done()
      assert.deepEqual(await editor.property(intake, 'validationErrors') ?? [], [])
      const saved = await editor.property(intake, 'otherTopics') as AgentInConfig['otherTopics']
      assert.equal(saved.length, 5)
      assert.deepEqual(saved[0], { topic: 'tele/{uuid}/LWT', format: 'presence', presence: { online: 'Online', offline: 'Offline' } })
      assert.deepEqual(saved[4], { topic: 'gw/{site}/up', format: 'json', uuid: '{site}-{$.id}', take: ['power', 'ENERGY.*'], rename: { 'ENERGY.Power': 'watts' }, time: { path: 'at', unit: 's' } })
      await editor.deploy()
      await editor.edit(intake)
      await openTab(page)
      assert.equal(await field(page.locator('.platziverse-row').nth(4), 'Take').inputValue(), 'power, ENERGY.*')
      await editor.done()
      assert.notEqual(await editor.property(intake, 'changed'), true, 'looking at it is no change')
    }))
  })
}

describe('"Other topics" of agent-in', { skip: skipWithoutEditor(5) }, () => {
  const withForm = openedForm(5)

  test('the form says what is wrong with a row, and shows what its format needs', () => withForm({ otherTopics: [{ topic: 'x/{uuid}', format: 'value' }] }, async ({ editor, page }) => {
    const row = page.locator('.platziverse-row').first()
    for (const [topic, wrong] of [['x/{uuid', true], ['', true], ['x/#/y', true], ['x/{uuid}/y#', true], ['x/{ uuid }', true], ['agent/message', true], ['x/{uuid}/+/#', false]] as const) {
      await field(row, 'topic:').fill(topic)
      assert.equal(await isWrong(row.locator('input').first()), wrong, topic)
    }
    // Other brackets, and another name.
    for (const topic of ['x/(uuid)', 'x/[uuid]', 'x/<uuid>', 'x/{UUID}', 'x/+']) {
      await field(row, 'topic:').fill(topic)
      assert.equal(await field(row, 'Agent').getAttribute('title'), 'Other topics, row 1: call a level of the topic {uuid}, or say what the uuid is', topic)
    }
    await field(row, 'topic:').fill('x/{type}')
    assert.equal(await isWrong(field(row, 'Agent')), true, 'there is no uuid')
    await field(row, 'what is').selectOption('influx')
    assert.equal(await isWrong(field(row, 'Agent')), false, 'lines have a host')
    for (const [format, online, columns, type] of [['value', false, false, true], ['presence', true, false, false], ['csv', false, true, false]] as const) {
      await field(row, 'what is').selectOption(format)
      const visible = await Promise.all([field(row, 'There'), field(row, 'Columns'), field(row, 'Type')].map(each => each.isVisible()))
      assert.deepEqual(visible, [online, columns, type], format)
    }
    await editor.done()
    assert.match(String((await editor.property(intake, 'validationErrors') as string[])[0]), /row 1: call a level of the topic \{uuid\}/)
  }))

  test('the form says which row comes too late to read anything, and finds nothing wrong with any preset', () => withForm({}, async ({ page }) => {
    const rows = page.locator('.platziverse-row')
    const ids = await page.locator('#agent-in-preset option').evaluateAll(options => options.map(option => (option as HTMLOptionElement).value).filter(value => value !== ''))
    // These two have the same topic.
    for (const id of ids.filter(id => id !== 'telegraf-json')) await page.locator('#agent-in-preset').selectOption(id)
    const wrong = await rows.locator('.input-error').evaluateAll(inputs => inputs.map(input => (input as HTMLInputElement).value))
    assert.deepEqual(wrong, [])
    const add = async (topic: string) => {
      const before = await rows.count()
      await page.locator('.red-ui-editableList-addButton').click()
      await until(() => rows.count(), count => count === before + 1)
      await field(rows.last(), 'topic:').fill(topic)
      return { said: await rows.last().locator('input').first().getAttribute('title') ?? '', number: before + 1 }
    }
    const { number: first } = await add('house/{uuid}/{type}')
    const late = await add('house/{uuid}/status')
    assert.equal(late.said, `Other topics, row ${late.number}: row ${first} reads these topics first; move this one above it`)
    await add('{uuid}/far/{type}')
    // No agent of the row before is called so.
    for (const topic of ['house/+/status', 'tasmota/far/{uuid}', '$far/far/{uuid}']) assert.doesNotMatch((await add(topic)).said, /reads these topics first/, topic)
    await field(rows.last(), 'topic:').fill('flat/{uuid}')
    await rows.last().locator('summary').click()
    await field(rows.last(), 'Rename').fill('ENERGY.Power:power')
    assert.match(await field(rows.last(), 'Rename').getAttribute('title') ?? '', /rename with an equals sign, such as ENERGY\.Power=power/)
    await field(rows.last(), 'Rename').fill('ENERGY.Power=power')
    assert.equal(await isWrong(field(rows.last(), 'Rename')), false)
  }))

  for (const look of looks) {
    const otherTopics: AgentInConfig['otherTopics'] = [
      { topic: 'tele/{uuid}/LWT', format: 'presence', presence: { online: 'Online', offline: 'Offline' } }, { topic: 'home/{uuid}/{type}', format: 'value' },
      { topic: 'csv/{uuid}', format: 'csv', columns: ['at', 'power'], time: { path: 'at', unit: 's' } }, { topic: 'tele/{uuid}/SENSOR', format: 'json', take: ['ENERGY.*'] }
    ]
    test(`is whole in ${look.language}, and no text is missing`, () => withForm({ look, otherTopics }, async ({ page }) => {
      await page.locator('#agent-in-topics summary').nth(2).click()
      await page.locator('#agent-in-try').click()
      await until(() => page.locator('#agent-in-tried').innerText(), text => text !== '' && !text.includes('…'))
      await page.locator('#agent-in-try').scrollIntoViewIfNeeded()
      assert.deepEqual(await flawsOf(page), [])
      await shoot(page, `other-topics-form-${look.language}`)
    }))
  }
})

async function openTab (page: Page): Promise<void> {
  await page.locator('#red-ui-tab-agent-in-topics-tab').click()
}

function field (row: Locator, label: string): Locator {
  return row.locator(`[aria-label^="${label}"]`)
}

async function isWrong (input: Locator): Promise<boolean> {
  return / input-error( |$)/.test(` ${await input.getAttribute('class') ?? ''}`)
}

/** Each test gets an editor in which the form of an agent-in is open. */
function openedForm (version: 4 | 5) {
  const { withEditor } = runningNodeRed(version)
  return async (
    { look = {}, ...config }: Partial<AgentInConfig> & { look?: EditorOptions }, use: (opened: { editor: Editor, page: Page, port: number }) => Promise<void>
  ): Promise<void> => {
    const port = await freePort()
    const flows = [
      flow,
      { id: plant, type: 'platziverse-broker', z, name: 'plant', host: '', port, anonymous: false, statistics: '0', x: 160, y: 80, wires: [[], []] },
      { ...agentInDefaults, id: intake, type: 'agent-in', z, broker: plant, x: 160, y: 160, wires: [[], [], [], []], ...config }
    ]
    await withEditor({ flows, ...look }, async editor => {
      await editor.edit(intake)
      await openTab(editor.page)
      await use({ editor, page: editor.page, port })
    })
  }
}
