import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { metricQueryDefaults } from '../../nodes/metric-query/config.ts'
import { flawsOf, flow, looks, runningNodeRed, shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { freePort } from '../helpers/node-red.ts'
import { until } from '../helpers/events.ts'

const database = { id: 'da7aba5e00000003', type: 'platziverse-database', name: '', client: 'sqlite', filename: 'names.sqlite' }
const query = { ...metricQueryDefaults, id: '9e3b0c5a00000001', type: 'metric-query', z: flow.id, database: database.id, uuid: 'a, b', x: 160, y: 80, wires: [[]] }
/** As a version before points, time zones and live questions saved it. */
const older = { ...query, points: undefined, timezone: undefined, follow: undefined }
const pipeline = (port: number): object[] => [
  { id: 'b20ce2000000001', type: 'platziverse-broker', z: flow.id, name: '', host: '127.0.0.1', port, x: 160, y: 160, wires: [[], []] },
  { id: 'a9e27100000001', type: 'agent-in', z: flow.id, broker: 'b20ce2000000001', x: 160, y: 240, wires: [['570e000000000003'], ['570e000000000003'], ['570e000000000003'], []] },
  { id: '570e000000000003', type: 'metric-store', z: flow.id, database: database.id, x: 420, y: 240, wires: [[]] }
]

for (const version of [5, 4] as const) {
  describe(`the form of metric-query in Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const nodeRed = runningNodeRed(version)

    test('completes agents and types from the database, several too, and shows names as text', async () => {
      const port = await freePort()
      await nodeRed.withEditor({ flows: [flow, database, query, ...pipeline(port)] }, async editor => {
        const { page } = editor
        const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined)
        for (const [uuid, name] of [['kitchen', 'The <b>kitchen</b>'], ['attic', ''], ['with, comma', '']]) {
          await client?.publishAsync('agent/message', JSON.stringify({ agent: { uuid, name }, metrics: [{ type: 'cpuLoad', value: 1 }, { type: `${uuid} only`, value: 1 }] }), { qos: 1 })
        }
        await client?.endAsync()

        await editor.edit(query.id)
        const [uuids, types] = ['#metric-query-uuid', '#metric-query-metricType'].map(field => page.locator(field)) as [ReturnType<typeof page.locator>, ReturnType<typeof page.locator>]
        const choices = page.locator('.red-ui-autoComplete-container .red-ui-autoComplete-completion')
        assert.equal(await uuids.inputValue(), '"a, b"', 'a name with a comma is one name')
        await page.locator('#node-input-query').selectOption('buckets')
        await uuids.fill('')
        await uuids.pressSequentially('KIT')
        await choices.first().waitFor()
        assert.deepEqual(await choices.allInnerTexts(), ['The <b>kitchen</b> · kitchen'])
        await shoot(page, `form-metric-query-complete-${version}`)
        await choices.first().click()
        assert.equal(await uuids.inputValue(), 'kitchen')
        await uuids.press('End')
        await uuids.pressSequentially(', comma')
        await choices.getByText('with, comma', { exact: true }).click()
        assert.equal(await uuids.inputValue(), 'kitchen, "with, comma"')
        await types.press('ArrowDown')
        await choices.first().waitFor()
        assert.deepEqual((await choices.allInnerTexts()).sort(), ['cpuLoad', 'kitchen only', 'with, comma only'], 'those of the agents that are named')
        await choices.getByText('cpuLoad', { exact: true }).click()
        await editor.done()
        assert.deepEqual([await editor.property(query.id, 'uuid'), await editor.property(query.id, 'metricType')], [['kitchen', 'with, comma'], 'cpuLoad'])
        await editor.edit(query.id)
        assert.equal(await uuids.inputValue(), 'kitchen, "with, comma"')
        await editor.cancel()
      })
    })

    test('is no change when it is only looked at', () => nodeRed.withEditor({ flows: [flow, database, query] }, async editor => {
      await editor.edit(query.id)
      await editor.done()
      assert.notEqual(await editor.property(query.id, 'changed'), true)
      assert.equal(await editor.property(query.id, 'uuid'), 'a, b')
    }))
  })
}

describe('the form of metric-query', { skip: skipWithoutEditor(5) }, () => {
  const nodeRed = runningNodeRed(5)
  for (const look of looks) {
    test(`is whole and readable with all its fields in ${look.language}`, () => nodeRed.withEditor({ flows: [flow, database, older], ...look }, async editor => {
      await editor.edit(query.id)
      for (const asked of ['buckets', 'latestOfAll']) {
        await editor.page.locator('#node-input-query').selectOption(asked)
        assert.deepEqual(await flawsOf(editor.page), [])
      }
      await editor.page.locator('#node-input-query').selectOption('buckets')
      await shoot(editor.page, `form-metric-query-${look.language}`)
      await editor.cancel()
    }))
  }
})
