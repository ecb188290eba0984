import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import type { Browser } from 'playwright-core'
import { openBrowser, skipWithoutChromium } from '../helpers/browser.ts'
import { openDashboard, type Dashboard, type DashboardOptions, type Point } from '../helpers/dashboard.ts'
import { until, waitFor } from '../helpers/events.ts'
import { shoot } from '../helpers/forms.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, skipWithoutNodeRed, startNodeRed, type NodeRed } from '../helpers/node-red.ts'
import { openRawViewer } from '../helpers/raw-viewer.ts'

const minute = 60_000
const dashboardId = '25bced4baa29d6f5'
const phone: DashboardOptions = { viewport: { width: 390, height: 844 } }

describe('the example Live dashboard', { skip: skipWithoutChromium() || skipWithoutNodeRed(5), timeout: 300_000 }, () => {
  let browser: Browser
  let nodeRed: NodeRed
  let port: number
  const clients: MqttClient[] = []

  before(async () => {
    port = await freePort()
    browser = await openBrowser()
    const changes = { 'platziverse-broker': { port } }
    const flows = [...await exampleFlow('Monitor agents', changes, ['platziverse-agent']), ...countingLists(await exampleFlow('Live dashboard'))]
    nodeRed = await startNodeRed({ flows: [...new Map(flows.map(node => [node.id, node])).values()] })
  })
  after(async () => {
    for (const client of clients) client.end(true)
    await browser?.close()
    await nodeRed?.stop()
  })

  const connect = async (clientId: string): Promise<MqttClient> => {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, reconnectPeriod: 0 })
    clients.push(client)
    return client
  }
  const report = async (client: MqttClient, uuid: string, cpuLoad: number, { at = Date.now(), name = uuid, metrics = {} as Record<string, unknown> } = {}): Promise<void> => {
    const values = Object.entries({ cpuLoad, ...metrics }).map(([type, value]) => ({ type, value }))
    await client.publishAsync('agent/message', JSON.stringify({ agent: { uuid, name, username: 'home', hostname: `${uuid}.local` }, metrics: values, timestamp: at }), { qos: 1 })
  }
  const view = async (path: string, options: DashboardOptions, use: (dashboard: Dashboard) => Promise<void>): Promise<void> => {
    const dashboard = await openDashboard(browser, nodeRed, path, options)
    try {
      await use(dashboard)
      assert.deepEqual(dashboard.errors, [])
    } catch (error) {
      await shoot(dashboard.page, `failed-${Date.now()}`)
      throw error
    } finally {
      await dashboard.close()
    }
  }

  test('says that no agent has reported yet, without an empty chart', () => view('/agent', {}, async ({ page, chart }) => {
    await page.getByText('No agent has reported yet.', { exact: true }).waitFor()
    assert.equal(await page.locator('.nrdb-ui-chart-container:visible, .nrdb-ui-dropdown:visible').count(), 0)
    await page.goto(`${nodeRed.url}dashboard/overview`)
    // The traffic, however little there is: fifteen minutes.
    const [first, last] = await until(() => chart(''), points => points !== undefined && points.length > 1) as Point[]
    assert.ok(first !== undefined && last !== undefined)
    assert.ok(Date.now() - first.x < 17 * minute && Date.now() - first.x > 14 * minute)
  }))

  test('shows an agent as soon as it reports, and that it went', () => view('', {}, async ({ page, row }) => {
    const client = await connect('attic')
    await report(client, 'attic', 20)
    await row('attic').getByText('connected', { exact: true }).waitFor()
    client.end(true)
    await row('attic').getByText('disconnected', { exact: true }).waitFor()
    await row('attic').click()
    await page.waitForURL(/\/agent\?agent=attic/)
  }))

  test('draws the history of an agent, and goes on', () => view('/agent?agent=cellar', {}, async ({ page, charted }) => {
    const client = await connect('cellar')
    const now = Date.now()
    for (let i = 10; i > 0; i--) await report(client, 'cellar', i, { at: now - i * minute })
    await page.reload()
    const history = await charted('CPU load, %', points => points.length >= 10)
    await report(client, 'cellar', 99)
    const later = await charted('CPU load, %', points => points.at(-1)?.y === 99)
    assert.ok(later.length > history.length)
    client.end(true)
  }))

  test('lets two viewers look at two agents and two ranges', async () => {
    const client = await connect('two')
    const now = Date.now()
    for (const hours of [5, 4, 3, 2]) await report(client, 'one', hours, { at: now - hours * 60 * minute })
    await report(client, 'one', 1)
    await report(client, 'other', 7)
    await view('/agent?agent=one&range=15m', {}, first => view('/agent?agent=one&range=15m', {}, async second => {
      const near = await first.charted('CPU load, %', points => points.some(({ y }) => y === 1))
      await second.charted('CPU load, %', points => points.some(({ y }) => y === 1))
      await second.page.getByRole('button', { name: '6 h', exact: true }).click()
      const far = await second.charted('CPU load, %', points => points.some(({ y }) => y === 5))
      assert.ok((far[0]?.x ?? 0) < now - 5 * 60 * minute)
      assert.match(second.page.url(), /range=6h/)

      await second.page.getByRole('combobox', { name: 'Agent' }).click()
      await second.page.getByRole('option', { name: 'other' }).click()
      await second.charted('CPU load, %', points => points.some(({ y }) => y === 7))
      await report(client, 'one', 3)
      const still = await first.charted('CPU load, %', points => points.at(-1)?.y === 3)
      // The line begins where the range does, which moves.
      const measured = (points: Point[]) => points.filter(({ y }) => y !== null)
      assert.deepEqual(measured(still).slice(0, measured(near).length), measured(near))
      assert.match(first.page.url(), /agent=one&range=15m$/)
    }))
    client.end(true)
  })

  test('asks for the list of all agents for another agent, and not for another range', async () => {
    const client = await connect('lists')
    const now = Date.now()
    for (const hours of [20, 5, 0]) await report(client, 'ranges', hours, { at: now - hours * 60 * minute })
    await report(client, 'another', 8)
    const lists = async () => Number((await nodeRed.api<{ msg?: string }>(`context/flow/${dashboardId}/lists`)).msg ?? 0)
    const cpuLoad = (value: number) => (points: Point[]) => points.some(({ y }) => y === value)
    await view('/agent?agent=ranges&range=15m', {}, async ({ page, charted }) => {
      await page.addInitScript(patient)
      await page.reload()
      await charted('CPU load, %', cpuLoad(0))
      const opened = await lists()
      assert.ok(opened > 0)
      const range = (name: string) => page.getByRole('button', { name, exact: true })
      await range('6 h').click()
      await charted('CPU load, %', cpuLoad(5))
      assert.equal(await lists(), opened, 'another range')

      await page.evaluate(chooseTwice, ['1h', '24h'])
      await charted('CPU load, %', cpuLoad(20))
      assert.equal(await lists(), opened, 'another range, before the last answer came')

      await page.getByRole('combobox', { name: 'Agent' }).click()
      await page.getByRole('option', { name: 'another' }).click()
      await charted('CPU load, %', cpuLoad(8))
      assert.equal(await lists(), opened + 1, 'another agent')
    })
    client.end(true)
  })

  test('begins charts of percentages at 0, and others where their metric does', () => view('/agent?agent=axes', {}, async ({ page, charted, axis }) => {
    const client = await connect('axes')
    const now = Date.now()
    for (let i = 9; i > 0; i--) await report(client, 'axes', 41 + i % 2, { at: now - i * minute, metrics: { diskUsedPercent: 61 + i / 100, cpuTemperature: 50 + i / 10, level: 700 + i } })
    await page.reload()
    await charted('CPU load, %', points => points.length >= 9)
    const begins = async (titles: string[]) => await Promise.all(titles.map(async title => (await axis(title))?.[0]))
    const percentages = () => begins(['CPU load, %', 'Disk used, %'])
    // Each chart is drawn on its own.
    await until(percentages, starts => starts.every(start => start === 0))
    await until(() => begins(['CPU temperature, °C', 'level']), starts => starts.every(start => start !== undefined && start > 40))
    await report(client, 'axes', 44, { metrics: { cpuTemperature: 51 } })
    await charted('CPU load, %', points => points.at(-1)?.y === 44)
    await until(percentages, starts => starts.every(start => start === 0))
    client.end(true)
  }))

  test('disconnects a client once the viewer confirms it', () => view('/broker', {}, async ({ page, row }) => {
    const client = await connect('to-go')
    await row('to-go').getByRole('button', { name: 'Disconnect' }).click()
    const gone = waitFor(client, 'close')
    await page.locator('.nrdb-ui-notification').getByRole('button', { name: 'Disconnect' }).click()
    await gone
    await page.locator('tr', { hasText: 'to-go' }).getByText('disconnected', { exact: true }).waitFor()
  }))

  test('shows names as text, whatever they are', () => view('/agent?agent=%3Cimg%20src%3Dx%3E', {}, async ({ page }) => {
    const client = await connect('hostile')
    const metrics = { '<b>bold</b>': 1, note: '<i>not markup</i>' }
    const agent = { uuid: '<img src=x>', name: '<h1>big</h1>', hostname: '<script>alert(1)</script>', username: '<u>me</u>' }
    await client.publishAsync('agent/message', JSON.stringify({ agent, metrics: Object.entries(metrics).map(([type, value]) => ({ type, value })) }), { qos: 1 })
    await page.getByText('<script>alert(1)</script>', { exact: true }).waitFor()
    for (const text of ['<img src=x>', '<u>me</u>', '<i>not markup</i>']) await page.getByText(text, { exact: true }).waitFor()
    assert.equal(await page.locator('img[src=x], h1, .nrdb-ui-text u, td i').count(), 0)
    client.end(true)
  }))

  test('answers a browser that asks without end only so often, and the others all the same', async () => {
    const flooding = await openRawViewer(nodeRed)
    const viewer = (await exampleFlow('Live dashboard')).find(({ name }) => name === 'viewer')?.id
    for (let n = 1; n <= 2000; n++) flooding.emit('widget-send', viewer, { topic: '/overview', payload: { n, state: null, query: {}, lang: 'en', timeZone: 'UTC', texts: true } })
    await view('', {}, async ({ row }) => { await row('attic').waitFor() })
    const tables = flooding.events.filter(({ args }) => JSON.stringify(args).includes('"attic"'))
    assert.ok(tables.length > 0 && tables.length < 30, `${tables.length} answers to 2000 questions`)
    flooding.close()
  })

  test('speaks Spanish to browsers that do, and is dark where the system is', () => view('', { locale: 'es-ES', colorScheme: 'dark' }, async ({ page, row }) => {
    await row('attic').getByText('desconectado', { exact: true }).waitFor()
    for (const text of ['Agentes', 'Mensajes por segundo', 'Última vez']) await page.getByText(text, { exact: true }).first().waitFor()
    const [red = 255] = await page.locator('.nrdb-app').evaluate(element => (getComputedStyle(element).backgroundColor.match(/\d+/g) ?? []).map(Number))
    assert.ok(red < 60)
  }))

  for (const [look, options] of Object.entries({ desktop: {}, dark: { colorScheme: 'dark' }, phone, spanish: { locale: 'es-ES' } } as Record<string, DashboardOptions>)) {
    test(`is whole and readable: ${look}`, async () => {
      const uuid = `server-room-${look}`
      const client = await connect(uuid)
      const now = Date.now()
      for (let i = 180; i >= 0; i--) {
        const memoryUsed = 6e9 + 1e9 * Math.sin(i / 20)
        const metrics = { memoryUsedPercent: memoryUsed / 1.6e8, memoryUsed, diskUsedPercent: 61 + i / 100, networkReceived: 40_000 + 30_000 * Math.cos(i / 9), networkSent: 12_000 + 9000 * Math.sin(i / 5), door: 'closed' }
        await report(client, uuid, 30 + 20 * Math.sin(i / 12), { at: now - i * 5000, name: 'Server room', metrics })
      }
      for (const path of ['/overview', `/agent?agent=${uuid}`, '/broker']) {
        await view(path, options, async ({ page, row }) => {
          if (path.startsWith('/agent')) await until(() => page.locator('.nrdb-ui-chart-container:visible').count(), count => count === 6)
          else await row(path === '/broker' ? uuid : 'Server room').nth(path === '/broker' ? 1 : 0).waitFor()
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth), false, 'nothing sticks out')
          await shoot(page, `dashboard-${/\w+/.exec(path)?.[0]}-${look}`)
        })
      }
      client.end(true)
    })
  }
})

test('Live dashboard and Sensors and commands run on Node-RED 4.1: an agent appears, its chart moves, its client is disconnected', { skip: skipWithoutChromium() || skipWithoutNodeRed(4), timeout: 120_000 }, async t => {
  const port = await freePort()
  const changes = { 'platziverse-broker': { port }, 'mqtt-broker': { port } }
  const flows = (await Promise.all(['Monitor agents', 'Live dashboard', 'Sensors and commands'].map(name => exampleFlow(name, changes, ['platziverse-agent'])))).flat()
  const nodeRed = await startNodeRed({ version: 4, flows: [...new Map(flows.map(node => [node.id, node])).values()] })
  t.after(() => nodeRed.stop())
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: 'loft', reconnectPeriod: 0 })
  t.after(() => { client.end(true) })
  const report = (value: number): Promise<unknown> => client.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'loft' }, metrics: [{ type: 'cpuLoad', value }] }), { qos: 1 })
  await report(20)

  const browser = await openBrowser()
  t.after(() => browser.close())
  const { page, row, charted, errors } = await openDashboard(browser, nodeRed, '/overview')
  await row('loft').click()
  await charted('CPU load, %', points => points.at(-1)?.y === 20)
  await report(30)
  await charted('CPU load, %', points => points.at(-1)?.y === 30)
  await page.getByRole('link', { name: 'Commands' }).click()
  await row('loft').waitFor()
  await page.getByRole('link', { name: 'Broker' }).click()
  await row('loft').getByRole('button', { name: 'Disconnect' }).click()
  const gone = waitFor(client, 'close')
  await page.locator('.nrdb-ui-notification').getByRole('button', { name: 'Disconnect' }).click()
  await gone
  assert.deepEqual(errors, [])
})

/** Live dashboard with a count, in its flow's `lists`, of how often the store answers with the list of all agents. */
function countingLists (flows: Awaited<ReturnType<typeof exampleFlow>>): typeof flows {
  const count = { id: 'c0un7000000000001', type: 'function', z: dashboardId, func: 'flow.set("lists", (flow.get("lists") ?? 0) + 1)', outputs: 0, wires: [], x: 0, y: 0 }
  return [...flows.map(node => node.name === 'the agents' ? { ...node, wires: [[...(node.wires as string[][])[0] ?? [], count.id]] } : node), count]
}

/** A page that waits for an answer however long it takes: after fifteen seconds, as on a busy machine, it would begin anew. */
function patient (): void {
  const { setTimeout } = globalThis
  const ofOthers = (run: () => void, ms?: number, ...more: []): unknown => ms === 15_000 ? undefined : setTimeout(run, ms, ...more)
  Object.assign(globalThis, { setTimeout: ofOthers })
}

interface DashboardApp extends Element {
  __vue_app__: { config: { globalProperties: { $router: { currentRoute: { value: { query: object } }, replace (to: { query: object }): Promise<unknown> } } } }
}

/** In the page: two ranges, the second before the answer to the first can come. */
async function chooseTwice (ranges: string[]): Promise<void> {
  const app = document.querySelector<DashboardApp>('#app')
  const router = app?.__vue_app__.config.globalProperties.$router
  for (const range of ranges) {
    await router?.replace({ query: { ...router.currentRoute.value.query, range } })
    // The page asks in its next turn.
    await new Promise(resolve => { setTimeout(resolve) })
  }
}
