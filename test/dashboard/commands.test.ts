import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectAsync } from 'mqtt'
import { Agent } from '../../lib/agent/agent.ts'
import { openBrowser, skipWithoutChromium } from '../helpers/browser.ts'
import { openDashboard } from '../helpers/dashboard.ts'
import { until } from '../helpers/events.ts'
import { shoot } from '../helpers/forms.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, skipWithoutNodeRed, startNodeRed } from '../helpers/node-red.ts'

test('Sensors and commands slows a real agent down, and shows each viewer what was asked and what is in force', { skip: skipWithoutChromium() || skipWithoutNodeRed(5), timeout: 180_000 }, async t => {
  const port = await freePort()
  const changes = { 'platziverse-broker': { port }, 'mqtt-broker': { port } }
  const examples = await Promise.all(['Monitor agents', 'Live dashboard', 'Sensors and commands'].map(name => exampleFlow(name, changes, ['platziverse-agent'])))
  const nodeRed = await startNodeRed({ flows: [...new Map(examples.flat().map(node => [node.id, node])).values()] })
  t.after(() => nodeRed.stop())
  const agent = new Agent({ uuid: 'press', name: 'Press', interval: 500, mqtt: { url: `mqtt://127.0.0.1:${port}` } })
  t.after(() => agent.disconnect())
  agent.addMetric('cpuLoad', () => 7)
  agent.addMetric('diskUsedPercent', () => 61)
  await agent.connect()
  // What anybody may publish on an open broker, and what no table can draw.
  const anybody = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  t.after(() => { anybody.end(true) })
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  for (const uuid of ['all', 'oven']) await anybody.publishAsync(`config_change/${uuid}/state`, `{"interval":{"toString":1},"refused":{"message":${deep}}}`, { qos: 1, retain: true })
  await anybody.publishAsync('config_change/oven', `{"metrics":[{"toString":1},${deep}]}`, { qos: 1, retain: true })

  const browser = await openBrowser()
  t.after(() => browser.close())
  const { page, row, errors } = await openDashboard(browser, nodeRed, '/commands')
  await row('Press').getByText('0.5 s · cpuLoad, diskUsedPercent', { exact: true }).waitFor()
  const other = await openDashboard(browser, nodeRed, '/commands', { locale: 'es-ES' })
  await row('Press').click()
  await page.locator('.nrdb-ui-form').getByText('Press (press)', { exact: true }).waitFor()
  await page.getByLabel('Every … seconds').fill('2')
  await page.getByLabel('CPU load').check()
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await until(() => agent.inForce?.interval, interval => interval === 2000)
  assert.deepEqual(agent.inForce?.metrics, ['cpuLoad'])
  const cells = row('Press').locator('td')
  await until(() => cells.allInnerTexts(), texts => texts.map(text => text.trim()).slice(1, 3).join('|') === '2 s · cpuLoad|2 s · cpuLoad')

  await page.getByLabel('Every … seconds').fill('0.001')
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await until(() => cells.last().innerText(), text => /interval/.test(text))
  assert.equal(agent.inForce?.interval, 2000)
  const [place, view] = [await cells.last().boundingBox(), page.viewportSize()]
  assert.ok(place !== null && view !== null && place.x + place.width <= view.width, 'why a command was refused can be seen')
  await shoot(page, 'dashboard-commands')
  assert.deepEqual(errors, [])

  // Each viewer is answered alone, in their own language.
  await other.row('todos').waitFor()
  await other.row('Press').getByText('0,001 s · cpuLoad', { exact: true }).waitFor()
  await other.page.getByRole('button', { name: 'Pedir', exact: true }).waitFor()
  await row('all').waitFor()
  assert.deepEqual(other.errors, [])
})
