import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { savedRuleDefaults, type SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import { metricAlertDefaults } from '../../nodes/metric-alert/config.ts'
import { flawsOf, flow, looks, runningNodeRed, shoot, skipWithoutEditor } from '../helpers/forms.ts'

const database = { id: 'da7aba5e00000004', type: 'platziverse-database', name: '', client: 'sqlite', filename: 'alerts.sqlite' }
const rules: SavedRule[] = [
  { ...savedRuleDefaults, id: 'a1e27000000000a1', name: 'hot', types: 'temperature', value: 90, end: 80 },
  { ...savedRuleDefaults, id: 'a1e27000000000a2', name: 'pressure', types: 'bar', condition: 'outside', value: 1, high: 3, severity: 'critical' },
  { ...savedRuleDefaults, id: 'a1e27000000000a3', name: 'leak', types: 'level', condition: 'changedFaster', value: 5 },
  { ...savedRuleDefaults, id: 'a1e27000000000a4', name: 'gone', condition: 'agentGone' }
]
const maintenance = [{ cron: '0 2 * * 0', minutes: 120, timezone: 'Europe/Madrid', agents: '' }]
const alert = { ...metricAlertDefaults, id: 'a1e2700000000001', type: 'metric-alert', z: flow.id, database: database.id, rules, maintenance, x: 160, y: 80, wires: [[], [], []] }

for (const version of [5, 4] as const) {
  describe(`the form of metric-alert in Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const nodeRed = runningNodeRed(version)

    test('adds a rule with the fields that its condition uses, and marks what is missing', () => nodeRed.withEditor({ flows: [flow, database, { ...alert, rules: [] }] }, async editor => {
      const { page } = editor
      await editor.edit(alert.id)
      await page.locator('#metric-alert-rules').locator('xpath=ancestor::div[contains(@class,"red-ui-editableList")]').locator('.red-ui-editableList-addButton').click()
      const row = page.locator('#metric-alert-rules li')
      const field = (name: string) => row.locator(`[data-field=${name}] :is(input, select)`)
      const used = async () => await row.locator('.metric-alert-field:visible').evaluateAll(fields => fields.map(field => field.getAttribute('data-field')))
      assert.deepEqual(await used(), ['name', 'agents', 'types', 'condition', 'value', 'end', 'for', 'endFor', 'severity', 'repeat'])
      assert.match(await field('types').getAttribute('class') ?? '', /input-error/)
      await field('condition').selectOption('agentGone')
      assert.deepEqual(await used(), ['name', 'agents', 'condition', 'for', 'endFor', 'severity', 'repeat'])
      await field('condition').selectOption('outside')
      assert.deepEqual(await used(), ['name', 'agents', 'types', 'condition', 'value', 'high', 'end', 'endHigh', 'for', 'endFor', 'severity', 'repeat'])
      for (const [name, value] of [['name', 'pressure'], ['types', 'bar'], ['value', '1'], ['high', '0.5']]) await field(name as string).fill(value as string)
      assert.match(await field('high').getAttribute('title') ?? '', /^Rule 1: it could not end/)
      await field('high').fill('3')
      assert.doesNotMatch(await field('high').getAttribute('class') ?? '', /input-error/)
      await field('severity').selectOption('critical')
      await editor.done()
      const [{ id, ...rule }] = await editor.property(alert.id, 'rules') as [SavedRule]
      const { id: _id, ...expected } = { ...savedRuleDefaults, name: 'pressure', types: 'bar', condition: 'outside', value: 1, high: 3, severity: 'critical' }
      assert.deepEqual(rule, expected)
      assert.match(id, /^[0-9a-f]{16}$/)
      assert.equal(await editor.property(alert.id, 'valid'), true)
    }))

    test('says what is wrong with what people write', () => nodeRed.withEditor({ flows: [flow, database, { ...alert, rules: [], maintenance: [] }] }, async editor => {
      const { page } = editor
      await editor.edit(alert.id)
      for (const list of [0, 1]) await page.locator('#dialog-form .red-ui-editableList-addButton').nth(list).click()
      const field = (name: string) => page.locator(`#metric-alert-rules [data-field=${name}] :is(input, select)`)
      await field('types').fill('temperature')
      await field('value').fill('21.5')
      for (const [name, wrong, right, said] of [
        ['value', '21,5', '21.5', 'Rule 1: value needs a number, such as 21.5'],
        ['for', '5m', '300', 'Rule 1: for s needs a number of seconds, such as 300'],
        ['repeat', '1 h', '3600', 'Rule 1: repeat s needs a number of seconds, such as 300'],
        ['end', '80 °C', '20', 'Rule 1: ends at needs a number, such as 21.5'],
        ['types', ' , ', 'temperature', 'Rule 1: which types?']
      ] as const) {
        await field(name).fill(wrong)
        assert.equal(await field(name).getAttribute('title'), said)
        await field(name).fill(right)
        assert.equal(await field(name).evaluate(element => element.classList.contains('input-error')), false, name)
      }
      const times = page.locator('#metric-alert-maintenance')
      const fill = async (name: string, text: string) => { await times.getByLabel(name, { exact: true }).fill(text) }
      const title = async (name: string) => await times.getByLabel(name, { exact: true }).getAttribute('title')
      await fill('cron line', 'every day at two o\'clock')
      assert.match(await title('cron line') ?? '', /^Maintenance 1: five or six fields/)
      await fill('cron line', '0 2 * * 0')
      await fill('time zone', 'Europa/Madrid')
      assert.equal(await title('time zone'), 'Maintenance 1: there is no time zone Europa/Madrid; one is Europe/Madrid')
      await fill('time zone', 'Europe/Madrid')
      assert.equal(await title('time zone'), 'time zone')
      await editor.done()
      assert.equal(await editor.property(alert.id, 'valid'), true)
    }))

    test('is no change when it is only looked at', () => nodeRed.withEditor({ flows: [flow, database, alert] }, async editor => {
      await editor.edit(alert.id)
      await editor.done()
      assert.notEqual(await editor.property(alert.id, 'changed'), true)
      assert.deepEqual(await editor.property(alert.id, 'rules'), rules)
    }))

    // What differs between the two is the same in each language.
    for (const look of version === 5 ? looks : looks.slice(1, 2)) {
      test(`is whole and readable in ${look.language}`, () => nodeRed.withEditor({ flows: [flow, database, alert], ...look }, async editor => {
        await editor.edit(alert.id)
        assert.deepEqual(await flawsOf(editor.page), [])
        await shoot(editor.page, `form-metric-alert-${version}-${look.language}`)
        await editor.cancel()
      }))
    }
  })
}
