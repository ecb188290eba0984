import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import type { Browser, Locator, Page } from 'playwright-core'
import { openBrowser, openEditor, type EditorOptions } from '../helpers/browser.ts'
import { bringContrast, type WithContrast } from '../helpers/contrast.ts'
import { closing, until } from '../helpers/events.ts'
import { runningNodeRed, shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { besides, exampleFlow } from '../helpers/main-flow.ts'
import { reading } from '../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'

/** The main flow without its own agent, and a client for it. */
async function plant (t: { after (act: () => void): void }, name = 'Plant') {
  const port = await freePort()
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port, name }, 'platziverse-database': { name: name === 'Plant' ? 'Metrics' : `Metrics of ${name}`, filename: `sidebar-${port}.sqlite` } }, ['platziverse-agent'])
  const connect = async (options: IClientOptions = {}): Promise<MqttClient> => {
    const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options }).catch(() => undefined), client => client !== undefined) as MqttClient
    client.on('error', () => undefined)
    t.after(() => { client.end(true) })
    return client
  }
  return { flows, connect }
}

function idOf (flows: Array<{ id: string, type: string }>, type: string): string {
  return flows.find(node => node.type === type)?.id ?? ''
}

async function openSidebar (page: Page): Promise<void> {
  await page.evaluate(() => { (globalThis as unknown as { RED: { actions: { invoke (action: string): void } } }).RED.actions.invoke('platziverse:show-sidebar') })
  await page.locator('.platziverse-side').waitFor()
}

const section = (page: Page, name: string) => page.getByRole('region', { name, exact: true })
const row = (page: Page, of: string, name: string) => section(page, of).getByRole('listitem').filter({ has: page.getByText(name, { exact: true }) })

for (const version of [5, 4] as const) {
  describe(`the sidebar in the editor of Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const { withEditor } = runningNodeRed(version)

    test('shows brokers, databases, clients and agents, and what changes without being asked', async t => {
      const { flows, connect } = await plant(t)
      await withEditor({ flows }, async ({ page }) => {
        await openSidebar(page)
        await section(page, 'Agents').getByText('No agent has reported yet.').waitFor()
        const client = await connect({ clientId: 'gateway', username: 'ana' })
        await row(page, 'Clients', 'gateway').getByText(/connected · ana · /).waitFor()
        await row(page, 'Clients', 'gateway').getByRole('button', { name: /^gateway/ }).click()
        await row(page, 'Clients', 'gateway').getByText('MQTT 3.1.1').waitFor()
        await client.publishAsync('agent/message', reading('press', { metrics: [{ type: 'load', value: 21.5 }, { type: 'state', value: 'ok' }] }), { qos: 1 })
        const press = row(page, 'Agents', 'Agent press')
        await press.getByText(/^connected · now · load 21.5 · state ok$|^connected · .* · load 21.5 · state ok$/).waitFor()
        await section(page, 'Agents').getByText('1 of 1 connected').waitFor()
        await row(page, 'Brokers', 'Plant').getByText(/^listening · \d+ · 1 client/).waitFor()
        await row(page, 'Databases', 'Metrics').getByText('ready · 2 metrics').waitFor()

        await press.getByRole('button', { name: /^Agent press/ }).click()
        await press.getByRole('cell', { name: '21.5' }).waitFor()
        await client.publishAsync('agent/message', reading('press', { metrics: [{ type: 'load', value: 35 }], timestamp: Date.now() }), { qos: 1 })
        await press.getByRole('cell', { name: '35' }).waitFor()
        await shoot(page, `sidebar-open-${version}`)
        await client.endAsync()
        await press.getByText(/^disconnected · /).waitFor()
      })
    })

    test('searches agents, clients and topics', async t => {
      const { flows, connect } = await plant(t)
      await withEditor({ flows }, async ({ page }) => {
        const client = await connect({ clientId: 'gateway' })
        for (const uuid of ['press', 'oven']) await client.publishAsync('agent/message', reading(uuid), { qos: 1 })
        await client.publishAsync('plant/gate', 'open', { qos: 1, retain: true })
        await openSidebar(page)
        await row(page, 'Agents', 'Agent oven').waitFor()
        await page.getByRole('button', { name: 'Retained messages' }).click()
        await row(page, 'Retained messages', 'plant/gate').getByText('open').waitFor()
        await page.getByRole('searchbox', { name: 'Search agents, clients, topics' }).fill('PRESS')
        await row(page, 'Agents', 'Agent oven').waitFor({ state: 'detached' })
        await row(page, 'Agents', 'Agent press').waitFor()
        await section(page, 'Clients').getByText('Nothing found.').waitFor()
        await section(page, 'Retained messages').getByText('Nothing found.').waitFor()
        await section(page, 'Agents').getByText('1 of 2', { exact: true }).waitFor()
        await page.getByRole('status').getByText('Found: agents 1, clients 0.').waitFor({ state: 'attached' })
      })
    })

    test('asks, and then disconnects a client, forgets an agent and clears a retained message, by keyboard alone', async t => {
      const { flows, connect } = await plant(t)
      await withEditor({ flows }, async ({ page }) => {
        const client = await connect({ clientId: 'gateway' })
        for (const uuid of ['press', 'oven']) await client.publishAsync('agent/message', reading(uuid), { qos: 1 })
        await client.publishAsync('plant/gate', 'open', { qos: 1, retain: true })
        await openSidebar(page)
        const dialog = page.getByRole('alertdialog')

        await page.getByRole('button', { name: 'Forget Agent oven' }).focus()
        await page.keyboard.press('Enter')
        await dialog.getByText('Forget Agent oven?').waitFor()
        await shoot(page, `sidebar-question-${version}`)
        await page.keyboard.press('Escape')
        await dialog.waitFor({ state: 'detached' })
        assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Forget Agent oven', 'the focus is back')
        await page.keyboard.press('Enter')
        await page.keyboard.press('Tab')
        await page.keyboard.press('Enter')
        await row(page, 'Agents', 'Agent oven').waitFor({ state: 'detached' })
        await page.getByRole('status').getByText('Agent oven was forgotten.').waitFor()
        await until(() => page.evaluate(() => document.activeElement?.textContent ?? ''), text => text.startsWith('Agent press'))

        await page.getByRole('button', { name: 'Retained messages' }).focus()
        await page.keyboard.press('Enter')
        await page.getByRole('button', { name: 'Clear the retained message of plant/gate' }).focus()
        await page.keyboard.press('Enter')
        await page.keyboard.press('Tab')
        await page.keyboard.press('Enter')
        await section(page, 'Retained messages').getByText('There are no retained messages.').waitFor()

        const closed = closing(client)
        await page.getByRole('button', { name: 'Disconnect gateway' }).focus()
        await page.keyboard.press('Enter')
        await page.keyboard.press('Tab')
        await page.keyboard.press('Enter')
        await closed
        await row(page, 'Clients', 'gateway').waitFor({ state: 'detached' })
        await page.getByRole('status').getByText('gateway was disconnected.').waitFor()
      })
    })

    test('suggests the next node: metric-store and agent-out behind agent-in', async () => {
      await withEditor({}, async editor => {
        const { page } = editor
        const agentIn = await editor.drag('agent-in', 160, 220)
        const port = await middleOf(editor.node(agentIn).locator('.red-ui-flow-port-output .red-ui-flow-port').first())
        await page.mouse.move(port.x, port.y)
        await page.mouse.down()
        await page.mouse.move(port.x + 150, port.y + 20, { steps: 5 })
        await page.mouse.up()
        await page.getByText('metric-store → agent-out', { exact: true }).click()
        const wired = await until(() => page.evaluate(() => {
          const links: string[] = []
          const { RED } = globalThis as unknown as { RED: { nodes: { eachLink (see: (link: { source: { type: string }, target: { type: string } }) => void): void } } }
          RED.nodes.eachLink(({ source, target }) => { links.push(`${source.type} > ${target.type}`) })
          return links.sort()
        }), links => links.length === 2)
        assert.deepEqual(wired, ['agent-in > metric-store', 'metric-store > agent-out'])
      })
    })
  })
}

describe('the sidebar', { skip: skipWithoutEditor(5) }, () => {
  let browser: Browser
  before(async () => { browser = await openBrowser() })
  after(() => browser?.close())

  for (const [permissions, isThere, mayWrite] of [
    [['flows.read', 'nodes.read', 'settings.read', 'status.read', 'plugins.read', 'context.read', 'library.read'], false, false],
    [['read'], true, false],
    [['read', 'platziverse.write'], true, true]
  ] as const) {
    test(`${isThere ? 'is there' : 'is not there'}, and may ${mayWrite ? '' : 'not '}change anything, for users with ${permissions.join(', ')}`, async t => {
      const { flows, connect } = await plant(t)
      const nodeRed = await startNodeRed({ flows, settings: { adminAuth: { type: 'credentials', users: [], default: { permissions } } } })
      t.after(() => nodeRed.stop())
      await connect({ clientId: 'gateway' })
      const { page, close, errors } = await openEditor(browser, nodeRed)
      t.after(close)
      if (isThere) {
        await openSidebar(page)
        await row(page, 'Clients', 'gateway').waitFor()
        assert.equal(await page.getByRole('button', { name: 'Disconnect gateway' }).count(), mayWrite ? 1 : 0)
      } else {
        assert.equal(await page.locator('.platziverse-side').count(), 0)
        assert.equal(await page.getByText('Platziverse', { exact: true }).count(), 0)
      }
      assert.deepEqual(errors, [])
    })
  }

  test('hears of changes only while it is open, and stays quick with ten thousand agents', async t => {
    const { flows, connect } = await plant(t)
    const nodeRed = await startNodeRed({ flows })
    t.after(() => nodeRed.stop())
    const client = await connect({ clientId: 'gateway' })
    const sending: Array<Promise<unknown>> = []
    for (let i = 0; i < 10_000; i++) sending.push(client.publishAsync('agent/message', reading(`chip-${String(i).padStart(5, '0')}`), { qos: 1 }))
    await Promise.all(sending)
    const { page, close } = await openEditor(browser, nodeRed)
    t.after(close)
    const heard: string[] = []
    page.on('request', request => { if (request.url().includes('platziverse/sidebar')) heard.push(request.url()) })
    await client.publishAsync('agent/message', reading('chip-00000'), { qos: 1 })
    assert.deepEqual(heard, [], 'nobody looks')

    await openSidebar(page)
    await section(page, 'Agents').getByText('10,000 of 10,000 connected').waitFor()
    assert.equal(await section(page, 'Agents').getByRole('listitem').count(), 50)
    await page.getByRole('button', { name: 'Show 50 more' }).click()
    await until(() => section(page, 'Agents').getByRole('listitem').count(), count => count === 100)
    await page.getByRole('searchbox').fill('chip-07777')
    await row(page, 'Agents', 'Agent chip-07777').waitFor()
    assert.equal(await section(page, 'Agents').getByRole('listitem').count(), 1)
  })

  test('of two brokers and two databases, shows and changes what is chosen, and retained messages live', async t => {
    const [gate, oven] = [await plant(t, 'Gate'), await plant(t, 'Oven')]
    const nodeRed = await startNodeRed({ flows: [...oven.flows, ...besides(gate.flows)] })
    t.after(() => nodeRed.stop())
    const [atGate, atOven] = [await gate.connect({ clientId: 'gateway' }), await oven.connect({ clientId: 'gateway' })]
    for (const [client, load] of [[atGate, 1], [atOven, 2]] as const) {
      await client.publishAsync('agent/message', reading('press', { metrics: [{ type: 'load', value: load }] }), { qos: 1 })
      await client.publishAsync('state', String(load), { qos: 1, retain: true })
    }
    const { page, close, errors } = await openEditor(browser, nodeRed)
    t.after(close)
    await openSidebar(page)
    const press = row(page, 'Agents', 'Agent press')
    await press.getByText(/load 1$/).waitFor()
    assert.equal(await section(page, 'Agents').getByLabel('Database').inputValue(), idOf(besides(gate.flows), 'platziverse-database'))
    await section(page, 'Agents').getByLabel('Database').selectOption({ label: 'Metrics of Oven' })
    await press.getByText(/load 2$/).waitFor()

    const retained = section(page, 'Retained messages')
    await page.getByRole('button', { name: 'Retained messages' }).click()
    await row(page, 'Retained messages', 'state').getByText('1', { exact: true }).waitFor()
    await atGate.publishAsync('state', '11', { qos: 1, retain: true })
    await row(page, 'Retained messages', 'state').getByText('11', { exact: true }).waitFor()
    await atGate.publishAsync('gate', 'open', { qos: 1, retain: true })
    await row(page, 'Retained messages', 'gate').waitFor()
    await atGate.publishAsync('gate', '', { qos: 1, retain: true })
    await row(page, 'Retained messages', 'gate').waitFor({ state: 'detached' })
    await retained.getByLabel('Broker').selectOption({ label: 'Oven' })
    await row(page, 'Retained messages', 'state').getByText('2', { exact: true }).waitFor()
    await shoot(page, 'sidebar-two-brokers')
    await retained.getByRole('button', { name: 'Clear the retained message of state' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Clear' }).click()
    await retained.getByText('There are no retained messages.').waitFor()
    await retained.getByLabel('Broker').selectOption({ label: 'Gate' })
    await row(page, 'Retained messages', 'state').getByText('11', { exact: true }).waitFor()

    assert.equal(await section(page, 'Clients').getByRole('listitem').count(), 2)
    const closed = closing(atOven)
    await page.getByRole('button', { name: 'Disconnect gateway (Oven)' }).click()
    await page.getByRole('alertdialog').getByText('Disconnect gateway (Oven)?').waitFor()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Disconnect' }).click()
    await closed
    await until(() => section(page, 'Clients').getByRole('listitem').count(), count => count === 1)
    await row(page, 'Clients', 'gateway').getByText(/Gate$/).waitFor()
    assert.ok(atGate.connected)

    await page.getByRole('button', { name: 'Forget Agent press' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Forget' }).click()
    await section(page, 'Agents').getByText('No agent has reported yet.').waitFor()
    await section(page, 'Agents').getByLabel('Database').selectOption({ label: 'Metrics of Gate' })
    await press.getByText(/load 1$/).waitFor()
    assert.deepEqual(errors, [])
  })

  test('of a broker elsewhere, says where it is, and reads what it retains whenever that is asked for', { skip: withoutMosquitto }, async t => {
    const mosquitto = await openMosquitto(t)
    const url = `mqtt://127.0.0.1:${mosquitto.port}`
    const { flows } = await plant(t)
    const tab = flows.find(({ type }) => type === 'tab')?.id
    const far = { id: 'fa4e15e0', type: 'platziverse-broker', z: tab, x: 200, y: 700, name: 'Far', mode: 'elsewhere', url, clientId: 'worker', wires: [[], []] }
    const nodeRed = await startNodeRed({ flows: [...flows, far] })
    t.after(() => nodeRed.stop())
    const client = await connectAsync(url, { reconnectPeriod: 0 })
    t.after(() => { client.end(true) })
    await client.publishAsync('plant/gate', 'open', { qos: 1, retain: true })
    const { page, close, errors } = await openEditor(browser, nodeRed)
    t.after(close)
    await openSidebar(page)
    await row(page, 'Brokers', 'Far').getByText(new RegExp(`^connected · 127\\.0\\.0\\.1:${mosquitto.port}`)).waitFor()

    const retained = section(page, 'Retained messages')
    await page.getByRole('button', { name: 'Retained messages' }).click()
    const read = retained.getByRole('button', { name: 'Read them now' })
    await retained.getByLabel('Broker').selectOption({ label: 'Plant' })
    await retained.getByText('There are no retained messages.').waitFor()
    assert.equal(await read.isVisible(), false)
    await retained.getByLabel('Broker').selectOption({ label: 'Far' })
    await retained.getByText('This broker runs elsewhere: its retained messages are read when you ask for them.').waitFor()
    assert.equal(await retained.getByRole('listitem').count(), 0)
    await read.click()
    await row(page, 'Retained messages', 'plant/gate').getByText('open', { exact: true }).waitFor()
    assert.equal(await retained.getByRole('button', { name: /^Clear/ }).count(), 0)
    await shoot(page, 'sidebar-elsewhere')

    await client.publishAsync('plant/gate', 'shut', { qos: 1, retain: true })
    await client.publishAsync('plant/lamp', '<b>on</b>', { qos: 1, retain: true })
    assert.equal(await row(page, 'Retained messages', 'plant/gate').getByText('open', { exact: true }).count(), 1)
    await read.click()
    await row(page, 'Retained messages', 'plant/gate').getByText('shut', { exact: true }).waitFor()
    await row(page, 'Retained messages', 'plant/lamp').getByText('<b>on</b>', { exact: true }).waitFor()

    await mosquitto.stop()
    await read.click()
    await retained.getByText(/The retained messages could not be read/).waitFor()
    assert.deepEqual(errors, [])
  })

  test('is at home in the other sidebar, too', async t => {
    const nodeRed = await startNodeRed({ flows: [] })
    t.after(() => nodeRed.stop())
    const { page, close, errors } = await openEditor(browser, nodeRed)
    t.after(close)
    await openSidebar(page)
    assert.equal(await page.locator('.red-ui-sidebar-right .platziverse-side').count(), 1)
    const from = await middleOf(page.locator('.red-ui-sidebar-right .red-ui-sidebar-banner').first())
    const to = await middleOf(page.locator('.red-ui-sidebar-left .red-ui-sidebar-section').first())
    await page.mouse.move(from.x, from.y)
    await page.mouse.down()
    await page.mouse.move(from.x - 30, from.y + 10, { steps: 5 })
    await page.mouse.move(to.x, to.y, { steps: 10 })
    await page.mouse.up()
    await page.locator('.red-ui-sidebar-left .platziverse-side').getByText('No broker is deployed.').waitFor()
    await shoot(page, 'sidebar-secondary')
    assert.deepEqual(errors, [])
  })

  const looks: EditorOptions[] = [{ language: 'en-US' }, { language: 'es-ES', theme: 'dark' }, { language: 'pt-BR', theme: 'dark', width: 700, height: 450 }]
  for (const look of looks) {
    test(`is whole in ${look.language}, ${look.theme ?? 'light'}${look.width === undefined ? '' : ', at a zoom of 200 %'}`, async t => {
      const { flows, connect } = await plant(t)
      const nodeRed = await startNodeRed({ flows })
      t.after(() => nodeRed.stop())
      const client = await connect({ clientId: 'gateway-of-the-plant-with-a-long-name', username: 'ana' })
      await client.subscribeAsync(['plant/#', 'agent/#'])
      for (const uuid of ['press', 'oven', '4f2c8a0e-1f5b-4a57-9f0e-5c2d7f4f9b11']) await client.publishAsync('agent/message', reading(uuid, { timestamp: Date.now() }), { qos: 1 })
      await client.publishAsync('agent/disconnected', JSON.stringify({ agent: { uuid: 'oven' } }), { qos: 1 })
      await client.publishAsync('plant/gate', '{"open": true}', { qos: 1, retain: true })
      const { page, close, errors } = await openEditor(browser, nodeRed, look)
      t.after(close)
      await openSidebar(page)
      const press = page.getByRole('button', { name: /^Agent press/ })
      await press.click()
      await page.getByRole('button', { name: /^gateway-of/ }).click()
      await page.locator('[aria-controls="platziverse-side-retained-body"]').click()
      await page.getByText('plant/gate', { exact: true }).waitFor()
      assert.deepEqual(await flawsOf(page), [])
      await shoot(page, `sidebar-${look.language}-${look.theme ?? 'light'}`)
      assert.deepEqual(errors, [])
    })
  }
})

async function middleOf (locator: Locator): Promise<{ x: number, y: number }> {
  const box = await locator.boundingBox()
  if (box === null) throw new Error(`Not to be seen: ${locator}`)
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 }
}

/** Texts that the catalogue lacks, buttons without a name, and text that its background swallows (WCAG: 4.5). */
async function flawsOf (page: Page): Promise<string[]> {
  await bringContrast(page)
  return await page.evaluate(() => {
    const { contrastOf } = globalThis as unknown as WithContrast
    const flaws: string[] = []
    for (const element of document.querySelectorAll<HTMLElement>('.platziverse-side *')) {
      const own = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ textContent }) => textContent ?? '').join('')
      for (const text of [own, element.ariaLabel ?? '']) if (/platziverse-sidebar\./.test(text)) flaws.push(`no text: ${text}`)
      if (element.offsetParent === null) continue
      const name = `${element.tagName} "${element.innerText.slice(0, 40)}"`
      if (element.matches('button') && element.innerText.trim() === '' && element.ariaLabel === null) flaws.push(`${name} has no name`)
      if (element.getBoundingClientRect().right > window.innerWidth + 1) flaws.push(`${name} sticks out`)
      if (own.trim() === '' && !element.matches('i')) continue
      const contrast = contrastOf(element)
      // What is no text needs less.
      if (contrast < (element.matches('i') ? 3 : 4.5)) flaws.push(`${name} has a contrast of ${contrast.toFixed(1)}`)
    }
    return flaws
  })
}
