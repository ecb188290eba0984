import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import type { Locator } from 'playwright-core'
import { formShown, type Editor, type EditorOptions } from '../helpers/browser.ts'
import { flawsOf, flow, runningNodeRed, settled, shoot, skipWithoutEditor } from '../helpers/forms.ts'
import { freePort, packageDir } from '../helpers/node-red.ts'

for (const version of [5, 4] as const) {
  describe(`in the editor of Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const { withEditor } = runningNodeRed(version)

    test('four nodes dragged, chosen, wired and deployed store and acknowledge what a client publishes', () => withEditor({}, async editor => {
      const port = await freePort()
      const broker = await editor.drag('platziverse-broker', 160, 80)
      const agentIn = await editor.drag('agent-in', 160, 220)
      const store = await editor.drag('metric-store', 420, 220)
      const agentOut = await editor.drag('agent-out', 680, 220)

      await editor.edit(broker)
      await editor.fill('#node-input-port', String(port))
      await editor.done()
      for (const id of [agentIn, agentOut]) {
        await editor.edit(id)
        await editor.page.locator('#platziverse-broker-select').selectOption({ label: `MQTT ${port} – Plant` })
        await editor.done()
        assert.equal(await editor.property(id, 'broker'), broker)
      }
      for (const output of [0, 1, 2]) await editor.wire(agentIn, output, store)
      await editor.wire(store, 0, agentOut)
      for (const id of [broker, agentIn, store, agentOut]) assert.equal(await editor.property(id, 'valid'), true)
      await editor.deploy()
      await statusOf(editor, broker, `${port} · 0 clients`)

      const subscriber = await connectAsync(`mqtt://127.0.0.1:${port}`)
      const heard = new Promise<string>(resolve => { subscriber.on('message', topic => resolve(topic)) })
      await subscriber.subscribeAsync('agent/#')
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
      const agent = { uuid: 'chip-1', username: 'ana', name: 'press', hostname: 'plant', pid: 1 }
      // Resolves with the PUBACK.
      await client.publishAsync('agent/message', JSON.stringify({ agent, metrics: [{ type: 'temperature', value: 21.5 }, { type: 'pressure', value: 3 }] }), { qos: 1 })
      assert.equal(await heard, 'agent/message')
      await statusOf(editor, store, '2 metrics')
      await statusOf(editor, agentOut, '1 sent')
      await statusOf(editor, agentIn, '1 agent')
      await statusOf(editor, broker, `${port} · 2 clients`)
      await shoot(editor.page, `flow-${version}`)
      await client.endAsync()
      await subscriber.endAsync()
    }))

    test('the forms open and close without an error and without a change', () => withEditor({}, async editor => {
      const ids = await dragAll(editor)
      for (const id of Object.values(ids)) {
        const before = await propertiesOf(editor, id)
        await editor.edit(id)
        await editor.done()
        assert.deepEqual(await propertiesOf(editor, id), before)
      }
    }))

    test('Import ▸ Examples offers every flow, which is valid as it is', () => withEditor({}, async editor => {
      const labels = (await readdir(join(packageDir, 'flows'))).filter(file => file.endsWith('.json')).map(file => file.slice(0, -'.json'.length))
      assert.deepEqual((await editor.examples()).sort(), labels.sort())
      for (const label of labels) await editor.importExample(label)
      const invalid = await editor.page.evaluate(() => {
        const found: unknown[] = []
        const see = ({ type, valid, validationErrors }: { type: string, valid: boolean, validationErrors?: string[] }) => { if (!valid) found.push({ type, validationErrors }) }
        RED.nodes.eachNode(see)
        RED.nodes.eachConfig(see)
        return found
      })
      assert.deepEqual(invalid, [])
      assert.equal(await editor.page.locator('.platziverse-unstored:not(.hide)').count(), 0)
      await shoot(editor.page, `examples-${version}`)
    }))

    test('every node has its own icon in the palette, and its help', () => withEditor({}, async editor => {
      const { page } = editor
      await page.locator('.red-ui-palette-node[data-palette-type="agent-in"]').scrollIntoViewIfNeeded()
      for (const type of Object.keys(await types())) {
        if (type === 'platziverse-database') continue
        const icon = page.locator(`.red-ui-palette-node[data-palette-type="${type}"] .red-ui-palette-icon`)
        const url = /url\("?([^")]+)/.exec(await icon.evaluate(element => getComputedStyle(element).backgroundImage))?.[1]
        assert.match(url ?? '', new RegExp(`/${type}\\.svg$`))
        const response = await page.request.get(url ?? '')
        assert.match(await response.text(), /^<svg/)
        assert.match(await page.evaluate(type => RED.nodes.getNodeHelp(type), type), /<p>/)
      }
      await shoot(editor.page, `palette-${version}`)
    }))
  })
}

describe('the form', { skip: skipWithoutEditor(5) }, () => {
  const { withEditor } = runningNodeRed(5)

  test('of a node that was dropped before any broker says so, and the first broker dropped is chosen', () => withEditor({}, async editor => {
    const agentIn = await editor.drag('agent-in', 160, 220)
    assert.equal(await editor.property(agentIn, 'valid'), false)
    await editor.edit(agentIn)
    assert.match(await editor.page.locator('#platziverse-broker-hint').innerText(), /Drag a platziverse-broker onto the canvas/)
    await shoot(editor.page, 'form-no-broker')
    await editor.cancel()
    const broker = await editor.drag('platziverse-broker', 160, 80)
    await editor.page.waitForFunction(isValid, agentIn)
    assert.equal(await editor.property(agentIn, 'broker'), broker)
  }))

  test('lists the brokers of all flows, and choosing another one lights Deploy up', () => withEditor({
    flows: [flow, { id: 'f10w000000000002', type: 'tab', label: 'Office' },
      { id: 'b1', type: 'platziverse-broker', z: flow.id, name: '', port: '8083', x: 100, y: 100, wires: [[], []] },
      { id: 'b2', type: 'platziverse-broker', z: 'f10w000000000002', name: 'Second', port: '1884', x: 100, y: 100, wires: [[], []] },
      { id: 'o1', type: 'agent-out', z: flow.id, name: '', broker: 'b1', topic: '', qos: 1, retain: false, x: 300, y: 200, wires: [] }]
  }, async editor => {
    assert.equal(await editor.page.locator('#red-ui-header-button-deploy.disabled').count(), 1)
    await editor.edit('o1')
    const select = editor.page.locator('#platziverse-broker-select')
    assert.deepEqual(await select.locator('option').allTextContents(), ['MQTT 8083 – Plant', 'Second (1884) – Office'])
    await select.selectOption('b2')
    await editor.done()
    assert.equal(await editor.property('o1', 'broker'), 'b2')
    assert.equal(await editor.property('o1', 'changed'), true)
    assert.equal(await editor.page.locator('#red-ui-header-button-deploy.disabled').count(), 0)
    await undo(editor)
    assert.equal(await editor.property('o1', 'broker'), 'b1')
    const fresh = await editor.drag('agent-in', 160, 350)
    assert.equal(await editor.property(fresh, 'broker'), '', 'of two brokers none is chosen')
  }))

  test('of a node that an older version saved shows the defaults of what it lacks, and nothing is wrong with it', () => withEditor({
    flows: [flow,
      { id: 'd1', type: 'platziverse-database', name: '', client: 'sqlite', filename: 'platziverse.sqlite' },
      { id: 'b1', type: 'platziverse-broker', z: flow.id, name: '', host: '', port: '0', anonymous: false, statistics: 0, x: 160, y: 80, wires: [[], []] },
      { id: 'i1', type: 'agent-in', z: flow.id, name: '', broker: 'b1', acknowledge: 'stored', timeLimit: 30, clientWindow: 1000, totalWindow: 10_000, x: 160, y: 220, wires: [['s1'], ['s1'], ['s1'], []] },
      { id: 's1', type: 'metric-store', z: flow.id, name: '', database: 'd1', grace: 60, x: 420, y: 220, wires: [[]] },
      { id: 'a1', type: 'platziverse-agent', z: flow.id, name: '', broker: 'b1', url: '', username: '', interval: 5, cpu: true, memory: true, temperature: true, disk: true, network: true, x: 420, y: 80, wires: [[]] },
      { id: 'g1', type: 'platziverse-bridge', z: flow.id, d: true, name: '', broker: 'b1', url: 'mqtt://192.0.2.1', topics: [{ direction: 'out', filter: '#', qos: 1, localPrefix: '', remotePrefix: '' }], x: 420, y: 320, wires: [[]] }]
  }, async editor => {
    for (const id of ['d1', 'b1', 'i1', 's1', 'a1', 'g1']) assert.equal(await editor.property(id, 'valid'), true, id)
    await editor.edit('i1')
    const shown = await editor.page.evaluate(names => names.map(name => (document.querySelector(`#node-input-${name}`) as HTMLInputElement).value), ['clientMemory', 'totalMemory', 'pastDays', 'futureDays', 'outside'])
    assert.deepEqual(shown, ['8', '64', '3650', '1', 'reject'])
    await editor.done()
    assert.equal(await editor.property('i1', 'valid'), true)
    await editor.edit('g1')
    for (const [name, value] of Object.entries({ keepalive: '60', buffer: '10000', megabytes: '50' })) assert.equal(await editor.page.locator(`#node-input-${name}`).inputValue(), value, name)
    assert.equal(await editor.page.locator('#node-input-bridgeBit').isChecked(), true)
    await editor.done()
    assert.equal(await editor.property('g1', 'valid'), true)
  }))

  test('of a copy of a flow has the broker of the copy', () => withEditor({
    flows: [flow,
      { id: 'b1', type: 'platziverse-broker', z: flow.id, name: '', port: '8083', x: 100, y: 100, wires: [[], []] },
      { id: 'i1', type: 'agent-in', z: flow.id, name: '', broker: 'b1', acknowledge: 'arrival', x: 100, y: 200, wires: [[], [], [], []] }]
  }, async editor => {
    const { broker, chosen } = await editor.page.evaluate(() => {
      RED.view.importNodes(RED.nodes.createCompleteNodeSet(), { generateIds: true, addFlow: true })
      return {
        broker: RED.nodes.filterNodes({ type: 'platziverse-broker' }).find(({ id }) => id !== 'b1')?.id,
        chosen: RED.nodes.filterNodes({ type: 'agent-in' }).find(({ id }) => id !== 'i1')?.broker
      }
    })
    assert.ok(broker)
    assert.equal(chosen, broker)
  }))

  test('shows a broker that was deleted as missing, and undo brings it back', () => withEditor({}, async editor => {
    const broker = await editor.drag('platziverse-broker', 160, 80)
    const agentOut = await editor.drag('agent-out', 400, 220)
    await editor.node(broker).click()
    await editor.page.keyboard.press('Delete')
    await editor.page.waitForFunction(isInvalid, agentOut)
    assert.deepEqual(await editor.property(agentOut, 'validationErrors'), ['Broker: the chosen one no longer exists'])
    await editor.edit(agentOut)
    assert.equal(await editor.page.locator('#platziverse-broker-select.input-error').count(), 1)
    await editor.cancel()
    await undo(editor)
    await editor.page.waitForFunction(isValid, agentOut)
  }))

  test('of platziverse-broker refuses a bad port, takes ${ENV}, and warns of the open network', () => withEditor({}, async editor => {
    const { page } = editor
    const broker = await editor.drag('platziverse-broker', 160, 80)
    await editor.edit(broker)
    const port = page.locator('#node-input-port')
    for (const bad of ['', 'http', '65536', '-1', '80.5']) {
      await editor.fill('#node-input-port', bad)
      assert.match(await port.getAttribute('class') ?? '', /input-error/, bad)
    }
    for (const good of ['1883', '0', '65535', '${MQTT_PORT}']) {
      await editor.fill('#node-input-port', good)
      assert.doesNotMatch(await port.getAttribute('class') ?? '', /input-error/, good)
    }
    const host = page.locator('#node-input-host')
    await editor.fill('#node-input-host', '0.0.0.0')
    assert.match(await host.getAttribute('class') ?? '', /input-error/)
    assert.equal(await page.locator('#platziverse-broker-open').isVisible(), false)
    await page.locator('#node-input-anonymous').check()
    assert.equal(await page.locator('#platziverse-broker-open').isVisible(), true)
    assert.doesNotMatch(await host.getAttribute('class') ?? '', /input-error/)
    await shoot(editor.page, 'form-broker-open')
    await editor.fill('#node-input-port', 'eight')
    await editor.done()
    assert.equal(await editor.property(broker, 'valid'), false)
    assert.deepEqual(await editor.property(broker, 'validationErrors'), ['Port: a whole number from 0 to 65535'])
    assert.equal(await editor.node(broker).locator('.red-ui-flow-node-error:not(.hide)').count(), 1)
    await shoot(editor.page, 'invalid')
  }))

  test('of agent-out refuses wildcards and unknown fields', () => withEditor({}, async editor => {
    await editor.drag('platziverse-broker', 160, 80)
    const agentOut = await editor.drag('agent-out', 400, 220)
    await editor.edit(agentOut)
    const topic = editor.page.locator('#node-input-topic')
    for (const bad of ['agent/+/x', 'agent/#', 'agent/{id}', 'agent/{uuid']) {
      await editor.fill('#node-input-topic', bad)
      assert.match(await topic.getAttribute('class') ?? '', /input-error/, bad)
    }
    for (const good of ['', 'plant/all', 'agent/{uuid}/{type}', '{kind}/{username}/{name}/{hostname}/{pid}', '${TOPIC}']) {
      await editor.fill('#node-input-topic', good)
      assert.doesNotMatch(await topic.getAttribute('class') ?? '', /input-error/, good)
    }
  }))

  test('of agent-out keeps what it says to subscribers of MQTT 5', () => withEditor({}, async editor => {
    const { page } = editor
    await editor.drag('platziverse-broker', 160, 80)
    const agentOut = await editor.drag('agent-out', 400, 220)
    await editor.edit(agentOut)
    for (const [field, bad, good] of [['expiry', 'soon', '60'], ['responseTopic', 'answers/#', 'answers'], ['contentType', undefined, 'text/plain']] as const) {
      const input = page.locator(`#node-input-${field}`)
      if (bad !== undefined) {
        await editor.fill(`#node-input-${field}`, bad)
        assert.match(await input.getAttribute('class') ?? '', /input-error/, bad)
      }
      await editor.fill(`#node-input-${field}`, good)
      assert.doesNotMatch(await input.getAttribute('class') ?? '', /input-error/, good)
    }
    for (const [i, value] of ['north', 'south'].entries()) {
      await page.locator('.red-ui-editableList-addButton').click()
      const [name, text] = [0, 1].map(field => page.locator('.platziverse-row').nth(i).locator('input').nth(field)) as [Locator, Locator]
      assert.match(await name.getAttribute('class') ?? '', /input-error/, 'it has no name')
      await name.fill('plant')
      await text.fill(value)
      assert.doesNotMatch(await name.getAttribute('class') ?? '', /input-error/)
    }
    const aliases = page.locator('#node-input-topicAlias')
    assert.ok(await aliases.isChecked())
    await aliases.uncheck()
    await shoot(page, 'agent-out-mqtt5')
    await editor.done()
    const saved = await Promise.all(['expiry', 'responseTopic', 'contentType', 'userProperties', 'topicAlias'].map(name => editor.property(agentOut, name)))
    assert.deepEqual(saved, ['60', 'answers', 'text/plain', [{ name: 'plant', value: 'north' }, { name: 'plant', value: 'south' }], false])
    assert.deepEqual(await editor.property(agentOut, 'validationErrors'), [])
  }))

  const elsewhere = { id: 'f10w000000000002', type: 'platziverse-broker', z: 'f10w000000000001', x: 160, y: 80, mode: 'elsewhere', url: 'mqtt://127.0.0.1:1', shards: 'north', wires: [[], []] }
  const reader = { id: 'f10w000000000003', type: 'agent-in', z: 'f10w000000000001', x: 160, y: 160, broker: elsewhere.id, wires: [[], [], [], []] }
  const writer = { id: 'f10w000000000004', type: 'agent-out', z: 'f10w000000000001', x: 400, y: 220, broker: elsewhere.id, topic: 'platform/{kind}' }
  test('of agent-out refuses what agent-in would get back from a broker elsewhere', () => withEditor({ flows: [flow, elsewhere, reader, writer] }, async editor => {
    await editor.edit(writer.id)
    const topic = editor.page.locator('#node-input-topic')
    for (const bad of ['', 'agent/north/{kind}', 'agent/{uuid}/{type}']) {
      await editor.fill('#node-input-topic', bad)
      assert.match(await topic.getAttribute('class') ?? '', /input-error/, bad)
    }
    for (const good of ['agent/{kind}', 'agent/south/{kind}', 'platform/{uuid}']) {
      await editor.fill('#node-input-topic', good)
      assert.doesNotMatch(await topic.getAttribute('class') ?? '', /input-error/, good)
    }
  }))

  test('of platziverse-agent asks for an address only where no broker is chosen, and keeps the password secret', () => withEditor({}, async editor => {
    const { page } = editor
    await editor.drag('platziverse-broker', 160, 80)
    const agent = await editor.drag('platziverse-agent', 400, 80)
    await editor.edit(agent)
    const url = page.locator('#node-input-url')
    assert.equal(await url.isVisible(), false)
    await page.locator('#platziverse-broker-select').selectOption('')
    assert.equal(await url.isVisible(), true)
    await editor.fill('#node-input-url', 'somewhere')
    assert.match(await url.getAttribute('class') ?? '', /input-error/)
    await editor.fill('#node-input-url', 'mqtts://broker.example:8883')
    await page.locator('#node-input-user').fill('ana')
    await page.locator('#node-input-password').fill('secret')
    await shoot(editor.page, 'form-agent-address')
    await editor.done()
    assert.equal(await editor.property(agent, 'broker'), '')
    assert.equal(await editor.property(agent, 'valid'), true)
    assert.equal(JSON.stringify(await propertiesOf(editor, agent)).includes('secret'), false)
  }))

  test('of metric-store needs no visit: the first one makes the default database, the next one takes it', () => withEditor({}, async editor => {
    const first = await editor.drag('metric-store', 300, 100)
    const second = await editor.drag('metric-store', 300, 200)
    const database = await editor.property(first, 'database')
    assert.ok(database)
    assert.equal(await editor.property(second, 'database'), database)
    assert.equal(await editor.property(second, 'valid'), true)
    assert.equal(await editor.property(String(database), 'filename'), 'platziverse.sqlite')
    for (let i = 0; i < 3; i++) await undo(editor)
    assert.equal(await editor.property(String(database), 'id'), undefined, 'undo takes the database away again')
  }))

  test('of metric-query has the fields that its query uses, and keeps the values that are ticked', () => withEditor({}, async editor => {
    const { page } = editor
    const query = await editor.drag('metric-query', 300, 100)
    assert.equal(await editor.property(query, 'valid'), true)
    await editor.edit(query)
    const fields = async (): Promise<unknown> => await page.locator('.metric-query-field:visible').evaluateAll(rows => rows.map(row => row.getAttribute('data-field')))
    assert.deepEqual(await fields(), ['uuid'])
    await page.locator('#node-input-query').selectOption('series')
    assert.deepEqual(await fields(), ['uuid', 'metricType', 'from', 'to', 'order', 'limit'])
    await page.locator('#node-input-query').selectOption('typeBuckets')
    assert.deepEqual(await fields(), ['metricType', 'from', 'to', 'bucket', 'points', 'timezone', 'aggregates', 'fill', 'order'])
    await page.locator('#node-input-result').selectOption('chart')
    await page.locator('#metric-query-chart').waitFor()
    await page.locator('#metric-query-aggregates input[value=max]').check()
    await page.locator('#metric-query-aggregates input[value=avg]').uncheck()
    assert.deepEqual(await flawsOf(page), [])
    await shoot(editor.page, 'form-metric-query-buckets')
    await editor.fill('#node-input-from', 'yesterday')
    await editor.fill('#node-input-bucket', '0h')
    await page.locator('#node-input-from.input-error').waitFor()
    for (const [field, wrong] of [['points', '1'], ['timezone', 'Madrid'], ['follow', '5ms']]) await editor.fill(`#node-input-${field}`, String(wrong))
    for (const field of ['bucket', 'points', 'timezone', 'follow']) await page.locator(`#node-input-${field}.input-error`).waitFor()
    await editor.fill('#node-input-from', 'now-7d')
    await editor.fill('#node-input-bucket', 'week')
    await editor.fill('#node-input-points', '300')
    await editor.fill('#node-input-follow', '2s')
    await page.locator('#node-input-timezone').fill('')
    await page.locator('#node-input-timezone').pressSequentially('new york')
    await page.locator('.red-ui-autoComplete-container').getByText('America/New_York', { exact: true }).click()
    await editor.done()
    assert.equal(await editor.property(query, 'valid'), true)
    const saved = await Promise.all(['aggregates', 'from', 'bucket', 'points', 'timezone', 'follow'].map(name => editor.property(query, name)))
    assert.deepEqual(saved, [['max'], 'now-7d', 'week', '300', 'America/New_York', '2s'])
    await editor.edit(query)
    assert.deepEqual(await page.locator('#metric-query-aggregates input:checked').evaluateAll(boxes => boxes.map(box => box.getAttribute('value'))), ['max'])
    await editor.cancel()
  }))

  test('of agent-in warns of outputs without a metric-store, on the canvas too, until they are wired', () => withEditor({}, async editor => {
    const { page } = editor
    await editor.drag('platziverse-broker', 160, 80)
    const agentIn = await editor.drag('agent-in', 160, 220)
    const badge = editor.node(agentIn).locator('.platziverse-unstored:not(.hide)')
    await badge.waitFor()
    assert.equal(await editor.property(agentIn, 'valid'), true, 'a warning does not make Deploy ask')
    await badge.hover()
    await page.getByText('No metric-store behind: connected, disconnected, message.').waitFor()

    const debug = await editor.drag('function', 420, 220)
    const store = await editor.drag('metric-store', 680, 220)
    for (const output of [0, 1, 2]) await editor.wire(agentIn, output, debug)
    assert.equal(await badge.count(), 1)
    await editor.wire(debug, 0, store)
    await badge.waitFor({ state: 'detached' })
    await undo(editor)
    await badge.waitFor()

    await editor.edit(agentIn)
    assert.match(await page.locator('#agent-in-no-store').innerText(), /No metric-store behind: connected, disconnected, message/)
    await shoot(editor.page, 'form-agent-in-warning')
    await page.locator('#node-input-acknowledge').selectOption('arrival')
    assert.equal(await page.locator('#agent-in-no-store').isVisible(), false)
    await editor.done()
    await badge.waitFor({ state: 'detached' })
  }))

  const looks: Array<{ options: EditorOptions, palette: RegExp, broker: RegExp }> = [
    { options: { language: 'en-US' }, palette: /An MQTT broker inside Node-RED/, broker: /Allow anonymous access from the network/ },
    { options: { language: 'es-ES', theme: 'dark' }, palette: /Un broker MQTT dentro de Node-RED/, broker: /Permitir el acceso anónimo desde la red/ },
    { options: { language: 'pt-BR' }, palette: /Um broker MQTT dentro do Node-RED/, broker: /Permitir acesso anônimo pela rede/ }
  ]
  for (const { options, palette, broker } of looks) {
    const look = `${options.language}-${options.theme ?? 'light'}`
    test(`of every node is whole and readable in ${look}`, () => withEditor(options, async editor => {
      const { page } = editor
      assert.equal(await page.locator('html.nr-theme-dark').count(), options.theme === 'dark' ? 1 : 0)
      assert.match(await page.evaluate(() => RED.nodes.getNodeHelp('platziverse-broker')), palette)
      const ids = await dragAll(editor)
      await page.mouse.move(700, 600)
      await shoot(editor.page, `canvas-${look}`)
      for (const [type, id] of Object.entries(ids)) {
        await editor.edit(id)
        if (type === 'platziverse-broker') assert.match(await page.locator('#dialog-form').innerText(), broker)
        assert.deepEqual(await flawsOf(page), [], type)
        await shoot(editor.page, `form-${type}-${look}`)
        if (type === 'metric-store') {
          await page.locator('#node-input-btn-database-edit').click()
          await formShown(page, '#node-config-dialog-edit-form')
          assert.deepEqual(await flawsOf(page), [], 'platziverse-database')
          await shoot(editor.page, `form-platziverse-database-${look}`)
          await page.locator('#node-config-dialog-cancel').click()
          await page.locator('#node-config-dialog-ok').waitFor({ state: 'detached' })
          await settled(page)
        }
        await editor.cancel()
      }
    }))
  }
})

async function types (): Promise<Record<string, string>> {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } })
  return manifest['node-red'].nodes
}

async function dragAll (editor: Editor): Promise<Record<string, string>> {
  return {
    'platziverse-broker': await editor.drag('platziverse-broker', 160, 80),
    'platziverse-agent': await editor.drag('platziverse-agent', 420, 80),
    'agent-in': await editor.drag('agent-in', 160, 220),
    'metric-store': await editor.drag('metric-store', 420, 220),
    'metric-query': await editor.drag('metric-query', 420, 340),
    'agent-out': await editor.drag('agent-out', 680, 220)
  }
}

function propertiesOf (editor: Editor, id: string): Promise<unknown> {
  return editor.page.evaluate(id => {
    const { x: _x, y: _y, ...properties } = RED.nodes.convertNode(RED.nodes.node(id), false)
    return properties
  }, id)
}

function isValid (id: string): boolean {
  return RED.nodes.node(id)?.valid === true
}

function isInvalid (id: string): boolean {
  return RED.nodes.node(id)?.valid === false
}

async function undo (editor: Editor): Promise<void> {
  await editor.page.locator('#red-ui-workspace-chart').click({ position: { x: 5, y: 5 } })
  await editor.page.keyboard.press('Control+z')
}

async function statusOf (editor: Editor, id: string, text: string): Promise<void> {
  await editor.node(id).locator('.red-ui-flow-node-status-label').getByText(text, { exact: true }).waitFor()
}
