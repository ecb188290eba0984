import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { until } from '../helpers/events.ts'
import { flow, openTab, runningNodeRed, shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { freePort } from '../helpers/node-red.ts'

/** What a Tasmota plug and a sensor behind Zigbee2MQTT publish when they start, as they come from the factory. */
const sensor = (watts: number): string => JSON.stringify({ Time: '2026-11-30T12:00:00', ENERGY: { TotalStartTime: '2026-01-01T00:00:00', Total: 1.2, Power: watts, Voltage: 231 } })
const first: Array<[topic: string, payload: string, retain: boolean]> = [
  ['tele/plug/LWT', 'Online', true],
  ['tele/plug/SENSOR', sensor(40), false],
  ['zigbee2mqtt/bridge/state', '{"state":"online"}', true],
  ['zigbee2mqtt/kitchen/availability', '{"state":"online"}', true],
  ['zigbee2mqtt/kitchen', '{"battery":100,"humidity":41.2,"linkquality":120,"temperature":21.5}', true]
]

for (const version of [5, 4] as const) {
  describe(`in five minutes, from the palette and without code, in Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const nodeRed = runningNodeRed(version)

    test('a Tasmota plug and a Zigbee2MQTT sensor are stored, and somebody is told', () => nodeRed.withEditor({ flows: [flow] }, async editor => {
      const { page } = editor
      const began = performance.now()
      const port = await freePort()

      const broker = await editor.drag('platziverse-broker', 120, 80)
      await editor.edit(broker)
      await editor.fill('#node-input-port', String(port))
      await editor.done()

      const agentIn = await editor.drag('agent-in', 120, 220)
      await editor.edit(agentIn)
      await openTab(page, 'agent-in-topics-tab')
      for (const preset of ['tasmota', 'zigbee2mqtt']) await page.locator('#agent-in-preset').selectOption(preset)
      await page.locator('#agent-in-topics summary').nth(1).click()
      await shoot(page, `form-agent-in-other-topics-${version}`)
      await editor.done()

      const store = await editor.drag('metric-store', 380, 220)
      for (const output of [0, 1, 2]) await editor.wire(agentIn, output, store)

      const alert = await editor.drag('metric-alert', 120, 380)
      await editor.edit(alert)
      await page.locator('#dialog-form .red-ui-editableList-addButton').first().click()
      const rule = page.locator('#metric-alert-rules .platziverse-row')
      for (const [field, text] of [['name', 'Much power'], ['types', 'ENERGY.Power'], ['value', '2000']] as const) await rule.locator(`[data-field=${field}] input`).fill(text)
      await shoot(page, `five-minutes-metric-alert-${version}`)
      await editor.done()
      const debug = await editor.drag('debug', 380, 380)
      await editor.wire(alert, 0, debug)
      await editor.deploy()
      assert.equal(await until(() => page.evaluate(id => RED.nodes.node(id)?.valid, alert), valid => valid === true), true)

      const colour = (node: string) => page.evaluate(id => (RED.nodes.node(id) as unknown as { status?: { fill?: string } }).status?.fill, node)
      assert.equal(await until(() => editor.status(alert), text => text.startsWith('0 ')), '0 alerts watched')
      assert.equal(await colour(alert), 'yellow', 'nothing is of that type yet')
      assert.equal(await until(() => editor.status(agentIn), text => text.startsWith('0 ')), '0 agents · nothing on other topics yet')
      assert.equal(await colour(agentIn), 'yellow')

      const client = await connect(port)
      for (const [topic, payload, retain] of first) await client.publishAsync(topic, payload, { qos: 1, retain })
      await client.publishAsync('tele/plug/SENSOR', sensor(2300), { qos: 1 })

      assert.equal(await until(() => editor.status(agentIn), text => text.startsWith('2 ')), '2 agents')
      assert.equal(await colour(agentIn), 'green')
      // One alert, and all of its message in the sidebar.
      // Node-RED 4 shows it only when it is asked to.
      if (version === 4) await page.locator('#red-ui-tab-debug-link-button').click()
      const told = page.locator('.red-ui-debug-msg')
      await told.first().waitFor()
      assert.equal(await told.count(), 1)
      assert.match(await told.innerText(), /alert\/plug\/ENERGY\.Power[^]*raised[^]*Much power/)
      // Three of the plug, twice, and four of the sensor.
      await until(() => editor.status(store), text => text === '10 metrics')
      assert.ok(performance.now() - began < 5 * 60_000)
      await shoot(page, `five-minutes-${version}`)
      await client.endAsync()

      await editor.edit(alert)
      const types = rule.locator('[data-field=types] input')
      await types.press('End')
      await types.pressSequentially(', temp')
      await page.locator('.red-ui-autoComplete-container').getByText('temperature', { exact: true }).click()
      assert.equal(await types.inputValue(), 'ENERGY.Power, temperature')
      await editor.cancel()
    }))
  })
}

async function connect (port: number): Promise<MqttClient> {
  return await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
}
