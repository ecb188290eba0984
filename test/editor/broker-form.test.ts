import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { verifyPassword } from '../../lib/broker/access/passwords.ts'
import { networkAddresses } from '../../nodes/platziverse-broker/addresses.ts'
import type { BrokerConfig } from '../../nodes/platziverse-broker/config.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { flawsOf, flow, looks, openTab, runningNodeRed, shoot, skipWithoutEditor, tlsConfig } from '../helpers/forms.ts'
import { skipWithoutNodeRed, startNodeRed, type NodeRed } from '../helpers/node-red.ts'

const id = 'b10c000000000001'
/** As a version without tabs saved it; port 0, so that tests do not meet. */
const before01 = { id, type: 'platziverse-broker', z: flow.id, name: '', host: '', port: '0', anonymous: false, statistics: '0', x: 160, y: 80, wires: [[], []] }
const tabs = ['general', 'listeners', 'users', 'rules', 'limits', 'storage'] as const
type Tab = typeof tabs[number]
/** A week, as the form says it. */
const weeks = { 'en-US': /seconds \(7 days\)/, 'es-ES': /segundos \(7 días\)/, 'pt-BR': /segundos \(7 dias\)/ }

for (const version of [5, 4] as const) {
  describe(`the broker's form in Node-RED ${version}`, { skip: skipWithoutEditor(version) }, () => {
    const nodeRed = runningNodeRed(version)

    test('says which address to write into a device, and what large limits are', () => nodeRed.withEditor({ flows: [flow, { ...before01, port: 8083 }] }, async editor => {
      const { page } = editor
      await editor.edit(id)
      const reach = page.locator('#platziverse-broker-addresses')
      assert.equal((await reach.innerText()).trim(), 'Programs of this machine connect to 127.0.0.1, port 8083.')
      await page.locator('#node-input-anonymous').check()
      const addresses = networkAddresses().map(({ address, network }) => `${address} (${network})`).join(', ')
      if (addresses === '') await reach.waitFor({ state: 'hidden' })
      else await page.waitForFunction(text => document.querySelector('#platziverse-broker-addresses')?.textContent?.trim() === text, `Devices connect to ${addresses}, port 8083.`)
      await editor.fill('#node-input-host', '192.0.2.9')
      await editor.fill('#node-input-port', '1883')
      assert.equal((await reach.innerText()).trim(), 'Devices connect to 192.0.2.9, port 1883.')
      await shoot(page, `broker-addresses-${version}`)
      await open(page, 'limits')
      const unitOf = async (name: string) => (await page.locator(`.form-row:has(#platziverse-broker-limit-${name}) > span`).innerText()).trim()
      assert.deepEqual(await Promise.all(['packetBytes', 'byteRate', 'sessionExpiry', 'packetTimeout', 'keepalive', 'sessions'].map(unitOf)),
        ['bytes (2 MiB)', 'bytes a second (16 MiB)', 'seconds (7 days)', 'seconds (1 minute)', 'seconds', 'at one time'])
      await page.locator('#platziverse-broker-limit-packetBytes').fill('1572864')
      assert.equal(await unitOf('packetBytes'), 'bytes (1.5 MiB)')
      await editor.cancel()
    }))

    test('says of port 0 which one it is, once the broker listens', () => nodeRed.withEditor({ flows: [flow] }, async editor => {
      const { page } = editor
      const told = page.locator('#platziverse-broker-addresses')
      const broker = await editor.drag('platziverse-broker', 200, 100)
      await editor.edit(broker)
      await editor.fill('#node-input-port', '0')
      assert.equal((await told.innerText()).trim(), 'Programs of this machine connect to 127.0.0.1, any free port. Open this form again once the broker listens: it then names the port.')
      await editor.done()
      assert.equal((await editor.node(broker).locator('.red-ui-flow-node-label').first().textContent())?.trim(), 'MQTT, any free port')
      await editor.deploy()
      const [, port] = /^([0-9]+) · 0 clients$/.exec(await until(() => editor.status(broker), status => status.endsWith('clients'))) ?? []
      await editor.edit(broker)
      const taken = `Programs of this machine connect to 127.0.0.1, port ${port}. The broker took this free port when it started; after a restart of Node-RED it may be another.`
      await page.waitForFunction(text => document.querySelector('#platziverse-broker-addresses')?.textContent?.trim() === text, taken)
      await shoot(page, `broker-free-port-${version}`)
      assert.deepEqual(await flawsOf(page), [])
      await editor.fill('#node-input-host', '127.0.0.2')
      assert.match(await told.innerText(), /127\.0\.0\.2, any free port\. Open this form again/)
      await editor.fill('#node-input-port', '1883')
      assert.equal((await told.innerText()).trim(), 'Programs of this machine connect to 127.0.0.2, port 1883.')
      await editor.cancel()
    }))

    test('keeps what every tab says, and no password in clear', () => nodeRed.withEditor({ flows: [flow, tlsConfig, before01] }, async editor => {
      const { page } = editor
      await editor.edit(id)
      const listeners = await fillListeners(page)
      await fillUser(page, 0, 'ana', 'Tr0ub4dor')
      await open(page, 'rules')
      await fillRule(page, 0, { access: 'write', topic: 'sensor_data/%u' })
      await fillRule(page, 1, { subject: 'user', username: 'operator', access: 'write', topic: 'config_change/#' })
      await open(page, 'limits')
      await page.locator('#platziverse-broker-limit-connections').fill('50')
      await page.locator('#platziverse-broker-limit-topicLevels').fill('32')
      await open(page, 'storage')
      await page.locator('#node-input-sys').fill('10')
      await page.locator('#node-input-prometheus').check()
      await editor.done()
      assert.deepEqual(await editor.property(id, 'validationErrors'), [])
      await editor.deploy()

      const { credentials: _, ...saved } = await savedNode(nodeRed.running()) as BrokerConfig & { credentials?: unknown }
      assert.deepEqual(saved.listeners, listeners)
      assert.equal(saved.tls, tlsConfig.id)
      assert.deepEqual(saved.rules, [
        { subject: 'everyone', username: '', access: 'write', topic: 'sensor_data/%u' },
        { subject: 'user', username: 'operator', access: 'write', topic: 'config_change/#' }
      ])
      assert.deepEqual(saved.limits, { connections: 50 }, 'only what differs')
      assert.deepEqual([saved.persistence, saved.folder, String(saved.sys), saved.prometheus], ['memory', '', '10', true])
      const [user, ...others] = await savedUsers(nodeRed.running())
      assert.deepEqual([user?.username, others], ['ana', []])
      assert.equal(await verifyPassword(Buffer.from('Tr0ub4dor'), user?.hash ?? ''), true)
      for (const file of (await readdir(nodeRed.running().userDir)).filter(file => file.endsWith('.json'))) {
        assert.doesNotMatch(await readFile(join(nodeRed.running().userDir, file), 'utf8'), /Tr0ub4dor|\$scrypt\$/, file)
      }

      await editor.edit(id)
      await open(page, 'listeners')
      const kinds = await rows(page, 'listeners').all()
      assert.deepEqual(await Promise.all(kinds.map(row => row.locator('select').first().inputValue())), ['tls', 'wss', 'path'])
      await open(page, 'users')
      assert.deepEqual(await valuesOf(rows(page, 'users').locator('input')), ['ana', ''])
      assert.equal(await rows(page, 'users').locator('input').nth(1).getAttribute('placeholder'), '••••••••')
      await open(page, 'rules')
      assert.deepEqual(await valuesOf(rows(page, 'rules').nth(1).locator('input')), ['operator', 'config_change/#'])
      await open(page, 'limits')
      assert.equal(await page.locator('#platziverse-broker-limit-connections').inputValue(), '50')
      assert.equal(await page.locator('#platziverse-broker-limit-topicLevels').inputValue(), '', 'the default is a placeholder')
      await editor.done()
      assert.notEqual(await editor.property(id, 'changed'), true, 'looking at it is no change')

      await editor.edit(id)
      await open(page, 'users')
      await rows(page, 'users').nth(0).locator('input').nth(1).fill('another')
      await editor.done()
      assert.equal(await editor.property(id, 'changed'), true)
      await editor.deploy()
      const [changed] = await savedUsers(nodeRed.running())
      assert.equal(await verifyPassword(Buffer.from('another'), changed?.hash ?? ''), true)

      await editor.edit(id)
      await open(page, 'users')
      await page.locator('#platziverse-broker-users .red-ui-editableList-item-remove').click()
      await rows(page, 'users').waitFor({ state: 'detached' })
      await editor.done()
      await editor.deploy()
      assert.deepEqual(await savedUsers(nodeRed.running()), [])
    }))
  })
}

describe('the broker\'s form', { skip: skipWithoutEditor(5) }, () => {
  const nodeRed = runningNodeRed(5)

  test('opens with what it always had, and a node of before is valid', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    assert.equal(await editor.property(id, 'valid'), true)
    await editor.edit(id)
    for (const field of ['name', 'host', 'port', 'anonymous', 'statistics']) assert.equal(await page.locator(`#node-input-${field}`).isVisible(), true, field)
    for (const tab of tabs) assert.equal(await page.locator(`#platziverse-broker-${tab}-tab`).isVisible(), tab === 'general', tab)
    assert.equal(await page.locator('#platziverse-broker-closed').isVisible(), true)
    await editor.done()
    assert.equal(await editor.property(id, 'valid'), true)
  }))

  test('says with the first user that the broker will listen on every address, in clear text', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    const told = page.locator('#platziverse-broker-in-clear')
    await editor.edit(id)
    await open(page, 'users')
    assert.equal(await told.isVisible(), false)
    await fillUser(page, 0, 'ana', 'Tr0ub4dor')
    await told.waitFor()
    assert.match(await told.innerText(), /every address of this machine, any free port, in clear text/)
    assert.deepEqual(await flawsOf(page), [])
    await open(page, 'general')
    await page.locator('#node-input-host').fill('127.0.0.1')
    await open(page, 'users')
    assert.equal(await told.isVisible(), false)
    await editor.done()
    assert.equal(await editor.property(id, 'userCount'), 1)
  }))

  test('tells of users that were lost with the credentials, and opens the broker only when that is asked for', () => nodeRed.withEditor({ flows: [flow, { ...before01, userCount: 2 }] }, async editor => {
    const { page } = editor
    const lost = page.locator('#platziverse-broker-users-lost')
    await editor.edit(id)
    await open(page, 'users')
    assert.match(await lost.innerText(), /2 users were saved here/)
    assert.deepEqual(await flawsOf(page), [])
    await editor.done()
    assert.equal(await editor.property(id, 'userCount'), 2)
    await editor.edit(id)
    await open(page, 'users')
    await page.locator('#platziverse-broker-users-none').click()
    assert.equal(await lost.isVisible(), false)
    await editor.done()
    assert.equal(await editor.property(id, 'userCount'), 0)
    assert.equal(await editor.property(id, 'changed'), true)
  }))

  test('offers Mosquitto\'s customary ports, unless somebody chose another', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    await editor.edit(id)
    await open(page, 'listeners')
    await add(page, 'listeners')
    const [transport, certificates] = [rows(page, 'listeners').locator('select').first(), rows(page, 'listeners').locator('select').nth(1)]
    const port = rows(page, 'listeners').locator('input').nth(1)
    for (const [kind, expected] of [['tcp', '1883'], ['tls', '8883'], ['ws', '8080'], ['wss', '8081'], ['tls', '8883']] as const) {
      await transport.selectOption(kind)
      assert.equal(await port.inputValue(), expected, kind)
    }
    await certificates.selectOption('required')
    assert.equal(await port.inputValue(), '8884')
    await port.fill('9999')
    await transport.selectOption('ws')
    assert.equal(await port.inputValue(), '9999')
    assert.equal(await certificates.isVisible(), false)
    await transport.selectOption('path')
    assert.equal(await port.isVisible(), false)
    assert.equal(await rows(page, 'listeners').locator('input').nth(2).inputValue(), '/mqtt')
  }))

  test('says what is wrong with a listener, and asks for a certificate only where one is needed', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    await editor.edit(id)
    await open(page, 'listeners')
    const tls = page.locator('#node-input-tls')
    assert.equal(await tls.isVisible(), false)
    await add(page, 'listeners')
    await add(page, 'listeners')
    const [first, second] = [rows(page, 'listeners').nth(0), rows(page, 'listeners').nth(1)]
    assert.equal(await titleOfError(second.locator('input').nth(1)), 'Two listeners have the port 1883')
    await second.locator('select').first().selectOption('tls')
    assert.equal(await titleOfError(second.locator('input').nth(1)), undefined)
    await first.locator('input').nth(0).fill('0.0.0.0')
    assert.match(await titleOfError(first.locator('input').nth(0)) ?? '', /add users/)
    assert.match(await tls.getAttribute('class') ?? '', /input-error/)
    assert.equal(await page.locator('#red-ui-tab-platziverse-broker-listeners-tab.platziverse-wrong').count(), 1)
    await first.locator('select').first().selectOption('path')
    await first.locator('input').nth(2).fill('mqtt')
    await editor.done()
    assert.deepEqual(await editor.property(id, 'validationErrors'), ['Path of listener 1: / and a name, such as /mqtt', 'Certificate: the TLS listeners need one'])
  }))

  test('with users lets every address be listened on, and says that clients need a password', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    await editor.edit(id)
    await editor.fill('#node-input-host', '0.0.0.0')
    assert.match(await page.locator('#node-input-host').getAttribute('class') ?? '', /input-error/)
    await fillUser(page, 0, 'ana', 'Tr0ub4dor')
    await open(page, 'general')
    await page.locator('#platziverse-broker-known').waitFor()
    assert.doesNotMatch(await page.locator('#node-input-host').getAttribute('class') ?? '', /input-error/)
    await editor.done()
    assert.equal(await editor.property(id, 'valid'), true)
  }))

  test('lets the flow decide on logins, and says that it gets the passwords', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    const tip = page.locator('#platziverse-broker-login-flow')
    await editor.edit(id)
    await editor.fill('#node-input-host', '0.0.0.0')
    await open(page, 'users')
    assert.deepEqual([await page.locator('#node-input-login').inputValue(), await tip.isVisible()], ['users', false])
    await page.locator('#node-input-login').selectOption('flow')
    await tip.getByText('Passwords pass through the flow').waitFor()
    assert.equal(await page.locator('#platziverse-broker-users').isVisible(), false)
    assert.deepEqual(await flawsOf(page), [])
    await shoot(page, 'broker-form-login-by-flow')
    assert.doesNotMatch(await page.locator('#node-input-host').getAttribute('class') ?? '', /input-error/)
    await editor.done()
    assert.equal(await editor.property(id, 'valid'), true)
    await editor.deploy()
    assert.equal((await savedNode(nodeRed.running()) as BrokerConfig).login, 'flow')
    await editor.edit(id)
    await open(page, 'users')
    assert.equal(await page.locator('#node-input-login').inputValue(), 'flow')
    await page.locator('#node-input-login').selectOption('users')
    assert.match(await page.locator('#node-input-host').getAttribute('class') ?? '', /input-error/)
    await editor.done()
  }))

  test('keeps Done from losing a password that is being hashed, or a user without one', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    const done = page.locator('#node-dialog-ok')
    await editor.edit(id)
    await open(page, 'users')
    await add(page, 'users')
    assert.equal(await done.isEnabled(), true, 'an empty row is nobody')
    const [name, password] = [rows(page, 'users').locator('input').nth(0), rows(page, 'users').locator('input').nth(1)]
    await name.fill('ana')
    assert.equal(await done.isEnabled(), false)
    assert.equal(await done.getAttribute('title'), 'The user "ana" has no password')
    let release = () => {}
    const held = new Promise<void>(resolve => { release = resolve })
    const asked = page.waitForRequest(/platziverse\/broker\/hash/)
    await page.route(/platziverse\/broker\/hash/, async route => { await held; await route.continue() })
    await password.fill('Tr0ub4dor')
    await asked
    assert.equal(await done.isEnabled(), false)
    // Presses Done even where it is disabled.
    await page.keyboard.press('Control+Enter')
    await done.waitFor({ state: 'detached' })
    release()
    await page.waitForFunction(id => {
      const node = RED.nodes.node(id)
      return node?.changed === true && node.credentials?.users?.includes('ana') === true
    }, id)
    await editor.deploy()
    const [user] = await savedUsers(nodeRed.running())
    assert.equal(await verifyPassword(Buffer.from('Tr0ub4dor'), user?.hash ?? ''), true)
  }))

  test('imports the users of a Mosquitto password file, pasted or chosen, and lists what it left out', async t => {
    const { hash } = await nodeRed.running().api<{ hash: string }>('platziverse/broker/hash', { body: { password: 'x' } })
    await nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
      const { page } = editor
      await editor.edit(id)
      await fillUser(page, 0, 'ana', 'Tr0ub4dor')
      const panel = page.locator('#platziverse-broker-users-import')
      await panel.getByRole('button', { name: 'Import a Mosquitto password file' }).click()
      await panel.locator('textarea').fill(`ana:${hash}\nbob:${hash}\ncarl:hunter2`)
      await panel.getByRole('button', { name: 'Import', exact: true }).click()
      await panel.getByText('2 users imported.').waitFor()
      assert.deepEqual(await panel.locator('li').count(), 1)
      assert.match(await panel.locator('li').innerText(), /^Line 3: .*carl/)
      const file = join(await temporaryFolder(t), 'passwd')
      await writeFile(file, `dora:${hash}\n`)
      await panel.locator('input[type=file]').setInputFiles(file)
      await panel.getByText('1 user imported.').waitFor()
      await editor.done()
      await editor.deploy()
    })
    assert.deepEqual(await savedUsers(nodeRed.running()), ['ana', 'bob', 'dora'].map(username => ({ username, hash })))
  })

  test('imports a Mosquitto ACL file as a whole or not at all, and exports it', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    await editor.edit(id)
    await open(page, 'rules')
    const panel = page.locator('#platziverse-broker-rules-import')
    await panel.getByRole('button', { name: 'Import a Mosquitto ACL file' }).click()
    const press = async (file: string) => {
      await panel.locator('textarea').fill(file)
      await panel.getByRole('button', { name: 'Import', exact: true }).click()
    }
    await press('topic read news/#\ntopik deny secret\n')
    await panel.getByText('Nothing was imported').waitFor()
    assert.match(await panel.locator('li').innerText(), /^Line 2: /)
    assert.equal(await rows(page, 'rules').count(), 0)
    const file = 'topic read news/#\n\nuser operator\ntopic write config_change/#\n\npattern write sensor_data/%u\n'
    await press(file)
    await panel.getByText('3 rules imported.').waitFor()
    await press(file)
    await panel.getByText('0 rules imported.').waitFor()
    const downloading = page.waitForEvent('download')
    await page.locator('#platziverse-broker-rules-export').click()
    const download = await downloading
    assert.equal(download.suggestedFilename(), 'platziverse.acl')
    const exported = await readFile(await download.path(), 'utf8')
    for (const line of ['topic read news/#', 'user operator', 'topic write config_change/#', 'pattern write sensor_data/%u']) assert.ok(exported.includes(line), line)
    await editor.done()
    const rules = await editor.property(id, 'rules') as BrokerConfig['rules']
    assert.equal(rules.length, 3)
    assert.ok(rules.every(rule => Object.keys(rule).join() === 'subject,username,access,topic'))
  }))

  const inOtherLanguages = [
    {
      language: 'es-ES',
      users: [
        'Línea 1: El hash de la contraseña de «$t(gil)» es de un tipo que no se admite; se admiten $7$, $6$ y $scrypt$.',
        'Línea 2: La línea no es «usuario:hash».'
      ],
      rules: ['Línea 2: Una línea empieza por user, topic, pattern o #.', 'Línea 3: Falta el tema.']
    },
    {
      language: 'pt-BR',
      users: [
        'Linha 1: O hash da senha de “$t(gil)” é de um tipo que não é aceito; são aceitos $7$, $6$ e $scrypt$.',
        'Linha 2: A linha não é “usuário:hash”.'
      ],
      rules: ['Linha 2: Uma linha começa com user, topic, pattern ou #.', 'Linha 3: Falta o tópico.']
    }
  ] as const
  for (const { language, users, rules } of inOtherLanguages) {
    test(`says in ${language} what is wrong with a Mosquitto file`, () => nodeRed.withEditor({ flows: [flow, before01], language }, async editor => {
      const { page } = editor
      await editor.edit(id)
      // i18next would look up what stands in "$t()".
      for (const [tab, file, expected] of [['users', '$t(gil):$9$a$b\nhunter2', users], ['rules', 'topic a\ntopik b\ntopic', rules]] as const) {
        await open(page, tab)
        const panel = page.locator(`#platziverse-broker-${tab}-import`)
        await panel.getByRole('button', { name: 'Mosquitto' }).click()
        await panel.locator('textarea').fill(file)
        await panel.getByRole('button', { name: 'Importar', exact: true }).click()
        await panel.locator('li').first().waitFor()
        assert.deepEqual(await panel.locator('li').allInnerTexts(), expected)
      }
    }))
  }

  test('refuses limits and topics that are none', () => nodeRed.withEditor({ flows: [flow, before01] }, async editor => {
    const { page } = editor
    await editor.edit(id)
    await open(page, 'limits')
    const levels = page.locator('#platziverse-broker-limit-topicLevels')
    for (const bad of ['x', '-1', '1.5', '101']) {
      await levels.fill(bad)
      assert.equal(await titleOfError(levels), 'Depth of a topic: a whole number from 0 to 100', bad)
    }
    for (const good of ['', '0', '100', '${LEVELS}']) {
      await levels.fill(good)
      assert.equal(await titleOfError(levels), undefined, good)
    }
    await open(page, 'rules')
    await fillRule(page, 0, { topic: 'a' })
    const topic = rows(page, 'rules').locator('input').nth(1)
    for (const bad of ['', 'a#', 'a/#/b', '+a', 'a/x%u', '$share/g/a']) {
      await topic.fill(bad)
      assert.match(await titleOfError(topic) ?? '', /^Topic of rule 1/, bad)
    }
    for (const good of ['#', '+/a/#', '%u/%c', '$SYS/#']) {
      await topic.fill(good)
      assert.equal(await titleOfError(topic), undefined, good)
    }
    await rows(page, 'rules').locator('select').first().selectOption('user')
    assert.equal(await titleOfError(rows(page, 'rules').locator('input').nth(0)), 'Rule 1: the username is missing')
    await editor.done()
    assert.deepEqual(await editor.property(id, 'limits'), { topicLevels: '${LEVELS}' })
    assert.deepEqual(await editor.property(id, 'validationErrors'), ['Rule 1: the username is missing'])
  }))

  test('keeps what belongs to a broker elsewhere, says what is wrong with it, and leaves the rest alone', () => nodeRed.withEditor({ flows: [flow, tlsConfig, { ...before01, host: '0.0.0.0' }] }, async editor => {
    const { page } = editor
    const mode = page.locator('#node-input-mode')
    await editor.edit(id)
    await mode.selectOption('elsewhere')
    for (const field of ['host', 'anonymous', 'login', 'prometheus']) assert.equal(await page.locator(`#node-input-${field}`).isVisible(), false, field)
    for (const field of ['name', 'url', 'user', 'password', 'group', 'shards', 'clientId', 'keepalive', 'sessionHours', 'receiveMaximum', 'version', 'statistics']) {
      assert.equal(await page.locator(`#node-input-${field}`).isVisible(), true, field)
    }
    const wrong = { url: 'broker.example.org', group: 'a/b', shards: 'a b+', keepalive: 'x', sessionHours: '0', receiveMaximum: '70000' }
    for (const [field, value] of Object.entries(wrong)) await editor.fill(`#node-input-${field}`, value)
    for (const field of Object.keys(wrong)) assert.match(await page.locator(`#node-input-${field}`).getAttribute('class') ?? '', /input-error/, field)
    await editor.done()
    assert.deepEqual(await editor.property(id, 'validationErrors'), [
      'Address: such as mqtt://192.0.2.1:1883, with mqtt, mqtts, ws or wss',
      'Group: a name without /, + and #',
      'Shards: "b+" must be one level of a topic, without /, + and #',
      'Keepalive: a whole number from 0 to 65535',
      'Session: a whole number from 1 to 1000000',
      'In flight: a whole number from 1 to 65535'
    ])
    await editor.edit(id)
    const tls = page.locator('#node-input-tls')
    for (const [url, isWrong] of [['mqtt://${HOST}:1883', true], ['${A},${B}', true], ['${MQTT_URL}', false]] as const) {
      await editor.fill('#node-input-url', url)
      assert.equal(await titleOfError(page.locator('#node-input-url')) !== undefined, isWrong, url)
    }
    assert.equal((await page.locator('#platziverse-broker-tls label').innerText()).trim(), 'TLS')
    await editor.fill('#node-input-url', 'mqtt://broker.example.org')
    assert.equal(await tls.isVisible(), false)
    const right = { url: 'mqtts://broker.example.org', group: '', shards: '${SHARDS}', keepalive: '30', sessionHours: '48', receiveMaximum: '500' }
    for (const [field, value] of Object.entries(right)) await editor.fill(`#node-input-${field}`, value)
    assert.equal((await page.locator('#platziverse-broker-hours').innerText()).trim(), 'hours (2 days)')
    await tls.selectOption(tlsConfig.id)
    await editor.fill('#node-input-user', 'ana')
    await editor.fill('#node-input-password', 'Tr0ub4dor')
    await editor.done()
    assert.equal(await editor.property(id, 'validationErrors').then(String), '')
    await editor.deploy()
    const { mode: savedMode, url, group, shards, keepalive, sessionHours, receiveMaximum, tls: savedTls, hasLogin, host } = await savedNode(nodeRed.running()) as BrokerConfig
    assert.deepEqual({ url, group, shards, keepalive, sessionHours, receiveMaximum }, right)
    assert.deepEqual([savedMode, savedTls, hasLogin, host], ['elsewhere', tlsConfig.id, true, '0.0.0.0'])
    assert.match(await editor.node(id).textContent() ?? '', /MQTT broker\.example\.org/)

    await editor.edit(id)
    assert.equal(await page.locator('#node-input-password').inputValue(), '__PWRD__')
    assert.equal(await tls.inputValue(), tlsConfig.id)
    await editor.done()
    assert.notEqual(await editor.property(id, 'changed'), true, 'looking at it is no change')
    await editor.edit(id)
    await mode.selectOption('embedded')
    assert.equal(await page.locator('#node-input-host').isVisible(), true)
    assert.notEqual(await titleOfError(page.locator('#node-input-host')), undefined, 'reachable from the network, without users')
    await page.locator('#node-input-anonymous').check()
    assert.equal(await titleOfError(page.locator('#node-input-host')), undefined)
    await editor.fill('#node-input-host', 'mqtt://broker.example.org')
    assert.notEqual(await titleOfError(page.locator('#node-input-host')), undefined, 'a URL')
    await editor.cancel()
  }))

  for (const look of looks) {
    const name = `${look.language}-${look.theme ?? 'light'}`
    test(`is whole on every tab in ${name}`, () => nodeRed.withEditor({ flows: [flow, before01], ...look }, async editor => {
      const { page } = editor
      await editor.edit(id)
      await fillListeners(page, false)
      await fillUser(page, 0, 'ana', 'Tr0ub4dor')
      await open(page, 'rules')
      await fillRule(page, 0, { access: 'write', topic: 'sensor_data/%u' })
      await fillRule(page, 1, { subject: 'user', username: 'operator', access: 'readwrite', topic: 'config_change/#' })
      await open(page, 'storage')
      await page.locator('#node-input-persistence').selectOption('disk')
      const widths = new Set<number>()
      for (const tab of tabs) {
        await open(page, tab)
        widths.add(await page.locator('#dialog-form').evaluate(form => form.getBoundingClientRect().width))
        assert.deepEqual(await flawsOf(page), [], tab)
        if (tab === 'limits') assert.match(await page.locator('#platziverse-broker-limits').innerText(), weeks[look.language ?? 'en-US'])
        await shoot(page, `broker-form-${tab}-${name}`)
      }
      assert.equal(widths.size, 1, 'the form stays as wide as it is')

      await page.locator('#node-input-mode').selectOption('elsewhere')
      await editor.fill('#node-input-url', 'mqtt://broker.example.org')
      await page.locator('#platziverse-broker-plain').waitFor()
      assert.deepEqual(await flawsOf(page), [], 'elsewhere, in clear text')
      await editor.fill('#node-input-url', 'mqtts://broker.example.org:8883')
      assert.deepEqual(await flawsOf(page), [], 'elsewhere')
      await shoot(page, `broker-form-elsewhere-${name}`)
    }))
  }
})

test('the admin endpoints need the permission of who edits flows', { skip: skipWithoutNodeRed(5) }, async t => {
  const nodeRed = await startNodeRed({ settings: { adminAuth: { type: 'credentials', users: [], default: { permissions: 'read' } } } })
  t.after(() => nodeRed.stop())
  for (const path of ['hash', 'users/parse', 'rules/parse']) {
    await assert.rejects(nodeRed.api(`platziverse/broker/${path}`, { body: { password: 'x', text: '' } }), /^Error: 401/, path)
  }
  assert.equal(typeof (await nodeRed.api<{ text: string }>('platziverse/broker/rules/format', { body: { rules: [] } })).text, 'string')
})

async function savedNode (nodeRed: NodeRed): Promise<object> {
  const flows = await nodeRed.api<Array<{ id: string }>>('flows')
  return flows.find(node => node.id === id) ?? assert.fail('the broker is not deployed')
}

async function savedUsers (nodeRed: NodeRed): Promise<Array<{ username: string, hash: string }>> {
  const { users } = await nodeRed.api<{ users?: string }>(`credentials/platziverse-broker/${id}`)
  return users ? JSON.parse(users) as Array<{ username: string, hash: string }> : []
}

function open (page: Page, tab: Tab): Promise<void> {
  return openTab(page, `platziverse-broker-${tab}-tab`)
}

function rows (page: Page, tab: 'listeners' | 'users' | 'rules'): Locator {
  return page.locator(`#platziverse-broker-${tab} .platziverse-row`)
}

async function add (page: Page, tab: 'listeners' | 'users' | 'rules'): Promise<void> {
  await page.locator(`#platziverse-broker-${tab}-tab .red-ui-editableList-addButton`).click()
}

/** Three listeners; answers with what is to be saved of them. */
async function fillListeners (page: Page, certificate = true): Promise<BrokerConfig['listeners']> {
  await open(page, 'listeners')
  for (const [index, kind] of ['tls', 'wss', 'path'].entries()) {
    await add(page, 'listeners')
    await rows(page, 'listeners').nth(index).locator('select').first().selectOption(kind)
    if (kind !== 'path') await rows(page, 'listeners').nth(index).locator('input').nth(1).fill('0')
  }
  await rows(page, 'listeners').nth(0).locator('select').nth(1).selectOption('username')
  await rows(page, 'listeners').nth(0).locator('input').nth(0).fill('127.0.0.1')
  if (certificate) await page.locator('#node-input-tls').selectOption(tlsConfig.id)
  return [
    { transport: 'tls', host: '127.0.0.1', port: 0, path: '', certificates: 'username' },
    { transport: 'wss', host: '', port: 0, path: '', certificates: 'none' },
    { transport: 'path', host: '', port: '', path: '/mqtt', certificates: 'none' }
  ]
}

async function fillUser (page: Page, index: number, username: string, password: string): Promise<void> {
  await open(page, 'users')
  await add(page, 'users')
  const fields = rows(page, 'users').nth(index).locator('input')
  await fields.nth(0).fill(username)
  await fields.nth(1).fill(password)
  await page.locator('#node-dialog-ok:enabled').waitFor()
}

async function fillRule (page: Page, index: number, { subject, username, access, topic }: { subject?: string, username?: string, access?: string, topic: string }): Promise<void> {
  await add(page, 'rules')
  const row = rows(page, 'rules').nth(index)
  if (subject !== undefined) await row.locator('select').nth(0).selectOption(subject)
  if (username !== undefined) await row.locator('input').nth(0).fill(username)
  if (access !== undefined) await row.locator('select').nth(1).selectOption(access)
  await row.locator('input').nth(1).fill(topic)
}

async function valuesOf (fields: Locator): Promise<string[]> {
  return Promise.all((await fields.all()).map(field => field.inputValue()))
}

/** What a field that is marked as wrong says of itself. */
async function titleOfError (field: Locator): Promise<string | undefined> {
  const marked = /input-error/.test(await field.getAttribute('class') ?? '')
  return marked ? await field.getAttribute('title') ?? '' : undefined
}
