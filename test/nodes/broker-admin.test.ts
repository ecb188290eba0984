import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import type { NetworkInterfaceInfo } from 'node:os'
import { after, before, mock, test } from 'node:test'
import helper from 'node-red-node-test-helper'
import { verifyPassword } from '../../lib/broker/access/passwords.ts'
import { errorHelp } from '../../lib/errors.ts'
import { networkAddresses } from '../../nodes/platziverse-broker/addresses.ts'
import { registerAdmin } from '../../nodes/platziverse-broker/admin.ts'
import type { RED } from '../../nodes/shared/red.ts'
import { loadNodes } from '../helpers/loaded-nodes.ts'
import { skipWithoutNodeRed, startNodeRed } from '../helpers/node-red.ts'

// Node-RED 5 does not run on Node 20.
const nodeRed = Number.parseInt(process.versions.node) >= 22 ? 'node-red' : 'node-red-4'
helper.init(createRequire(import.meta.url).resolve(nodeRed))
/** How many endpoints each of two loads of the module registered. */
let registered: number[] = []
before(async () => {
  await new Promise<void>(resolve => helper.startServer(resolve))
  await loadNodes((RED: RED) => {
    const { mock: spy } = mock.method(RED.httpAdmin, 'post')
    registered = [1, 2].map(() => {
      registerAdmin(RED)
      const calls = spy.callCount()
      spy.resetCalls()
      return calls
    })
    spy.restore()
  }, [])
})
after(async () => {
  await helper.unload()
  await new Promise<void>(resolve => helper.stopServer(resolve))
})

async function post (path: string, body: unknown): Promise<{ status: number, body: Record<string, unknown> }> {
  const { status, body: answer } = await helper.request().post(`/platziverse/broker/${path}`).send(body as object)
  return { status, body: answer as Record<string, unknown> }
}

test('the endpoints are registered once, however often the module is loaded', () => {
  assert.deepEqual(registered, [5, 0])
})

test('the addresses under which devices reach this machine: its networks first, those of containers last, none of its own', async () => {
  const { status, body } = await post('addresses', {})
  assert.equal(status, 200)
  assert.deepEqual(body['addresses'], networkAddresses())
  const info = (address: string, internal = false) => ({ address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4', netmask: '', mac: '', cidr: null }) as NetworkInterfaceInfo
  const found = networkAddresses({ lo: [info('127.0.0.1', true)], docker0: [info('172.17.0.1')], wlan0: [info('fe80::1'), info('2001:db8::7'), info('192.0.2.7')], none: undefined })
  assert.deepEqual(found, [{ address: '192.0.2.7', network: 'wlan0' }, { address: '2001:db8::7', network: 'wlan0' }, { address: '172.17.0.1', network: 'docker0' }])
})

test('a password is hashed, each time with a salt of its own', async () => {
  const [first, second] = await Promise.all([post('hash', { password: 'sécret' }), post('hash', { password: 'sécret' })])
  assert.equal(first?.status, 200)
  assert.notEqual(first?.body['hash'], second?.body['hash'])
  assert.equal(await verifyPassword(Buffer.from('sécret'), String(first?.body['hash'])), true)
  assert.equal(await verifyPassword(Buffer.from('secret'), String(first?.body['hash'])), false)
})

test('a password that is none, or longer than MQTT can carry, is refused', async () => {
  for (const password of [undefined, '', 7, ['a'], 'é'.repeat(32_768)]) {
    const { status, body } = await post('hash', { password })
    assert.deepEqual([status, body['code']], [400, 'PASSWORD_INVALID'], String(password).slice(0, 10))
    assert.match(String(body['detail']), /bytes/)
    assert.ok(!JSON.stringify(body).includes('é'))
  }
  assert.equal((await post('hash', { password: 'a'.repeat(65_535) })).status, 200)
})

test('a Mosquitto password file gives its users, and its problems by line', async () => {
  const { body: { hash } } = await post('hash', { password: 'x' })
  const { status, body } = await post('users/parse', { text: `# comment\nana:${hash}\nbob:hunter2\n` })
  assert.equal(status, 200)
  assert.deepEqual(body['users'], [{ username: 'ana', hash }])
  const [problem, ...others] = body['problems'] as Array<{ line: number, problem: string, username: string, text: string }>
  assert.deepEqual([problem?.line, problem?.problem, problem?.username, others], [3, 'passwordPlain', 'bob', []])
  assert.ok(!problem?.text.includes('hunter2'), 'no password is repeated')
})

test('a Mosquitto ACL file gives rules, which give the file again', async () => {
  const file = 'topic read news/#\n\nuser operator\ntopic write config_change/#\n\npattern write sensor_data/%u\n'
  const { status, body } = await post('rules/parse', { text: file })
  assert.equal(status, 200)
  assert.deepEqual(body['problems'], [])
  const rules = body['rules'] as Array<Record<string, string>>
  assert.equal(rules.length, 3)
  assert.ok(rules.some(({ subject, username, access, topic }) => subject === 'user' && username === 'operator' && access === 'write' && topic === 'config_change/#'))
  const formatted = await post('rules/format', { rules })
  assert.equal(formatted.status, 200)
  const again = await post('rules/parse', { text: formatted.body['text'] })
  const sorted = (list: unknown) => (list as object[]).map(rule => JSON.stringify(rule)).sort()
  assert.deepEqual(sorted(again.body['rules']), sorted(rules))
})

test('a text that is none or longer than 1 MB is refused, and one of 1 MB is read', async () => {
  for (const path of ['users/parse', 'rules/parse']) {
    for (const text of [undefined, 7, { length: 1 }, '#'.repeat(1_048_577)]) {
      const { status, body } = await post(path, { text })
      assert.deepEqual([status, body['code']], [400, 'TEXT_INVALID'])
    }
    assert.equal((await post(path, { text: '#'.repeat(1_048_576) })).status, 200)
  }
})

test('rules that are none are refused', async () => {
  const good = { subject: 'everyone', username: '', access: 'read', topic: 'a' }
  for (const rules of [undefined, 'a', [null], [{ ...good, subject: 'nobody' }], [{ ...good, topic: 'a#' }], [good, { ...good, subject: 'user' }], Array(10_001).fill(good)]) {
    const { status, body } = await post('rules/format', { rules })
    assert.deepEqual([status, body['code']], [400, 'RULES_INVALID'], JSON.stringify(rules)?.slice(0, 80))
  }
  assert.equal((await post('rules/format', { rules: [] })).status, 200)
})

test('every refusal says its code, what is wrong and what to do', async () => {
  for (const [path, body] of [['hash', {}], ['users/parse', {}], ['rules/parse', {}], ['rules/format', {}]] as const) {
    const { body: { ok, code, detail, help, ...others } } = await post(path, body)
    assert.deepEqual([ok, help, others], [false, errorHelp[code as keyof typeof errorHelp], {}], path)
    assert.match(String(detail), /^(password|text|rules) is not an? /)
  }
})

test('a body that is no object is refused like an empty one', async () => {
  const { status, body } = await post('hash', [])
  assert.deepEqual([status, body['code']], [400, 'PASSWORD_INVALID'])
})

test('the endpoints take JSON alone: a form of any website could send anything else in the name of who looks at it', async () => {
  for (const path of ['hash', 'users/parse', 'rules/parse', 'rules/format']) {
    const { status, body } = await helper.request().post(`/platziverse/broker/${path}`).type('form').send('password=secret&text=a&rules=b')
    assert.equal(status, 415, path)
    assert.equal((body as { code: string }).code, 'ADMIN_NOT_JSON')
  }
})

test('what writes needs the permission of who edits flows, and what reads that of who sees them', { skip: skipWithoutNodeRed(5) }, async t => {
  for (const [permissions, refused] of [['read', ['hash', 'users/parse', 'rules/parse']], ['settings.read', ['hash', 'users/parse', 'rules/parse', 'rules/format', 'metrics']]] as const) {
    const nodeRed = await startNodeRed({ settings: { adminAuth: { type: 'credentials', users: [], default: { permissions } } } })
    t.after(() => nodeRed.stop())
    for (const path of refused) {
      const asked = path === 'metrics' ? nodeRed.api('platziverse/metrics') : nodeRed.api(`platziverse/broker/${path}`, { body: { password: 'x', text: '', rules: [] } })
      await assert.rejects(asked, /^Error: 401/, `${path} with ${permissions}`)
    }
    if (permissions === 'read') assert.match(((await nodeRed.api('platziverse/broker/rules/format', { body: { rules: [] } })) as { text: string }).text, /^# No rules/)
  }
})
