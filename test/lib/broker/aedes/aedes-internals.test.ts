import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Aedes, type Client } from 'aedes'
import { aedesMembers, clientMembers, emitterMembers, internalsOf } from '../../../../lib/broker/aedes/aedes-internals.ts'
import { readLimits } from '../../../../lib/broker/limits.ts'
import { openPersistence } from '../../../../lib/broker/persistence/persistence.ts'
import { rawClient } from '../../../helpers/raw-client.ts'

/** The `typeof` of the members of `object` that `expected` names; what is not there at all is `missing`. */
function typesOf (object: object, expected: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(expected).map(name => [name, name in object ? typeof (object as Record<string, unknown>)[name] : 'missing']))
}

test('aedes has every member that the broker uses beyond its types', async t => {
  const aedes = await Aedes.createBroker()
  const server = createServer(socket => { aedes.handle(socket) }).listen(0, '127.0.0.1')
  t.after(() => { server.close(); aedes.close() })
  await once(server, 'listening')
  const ready = once(aedes, 'clientReady')
  await rawClient(t, (server.address() as AddressInfo).port, 'one')
  const [client] = await ready as [Client]
  assert.deepEqual(typesOf(aedes, aedesMembers), aedesMembers)
  assert.deepEqual(typesOf(internalsOf(aedes).mq, emitterMembers), emitterMembers)
  assert.deepEqual(typesOf(client, clientMembers), clientMembers)
})

test('the persistence has all that aedes calls', async t => {
  const persistence = await openPersistence({ folder: undefined, limits: readLimits({}) })
  t.after(() => persistence.close())
  const folder = new URL('.', import.meta.resolve('aedes'))
  const sources = readdirSync(new URL('lib', folder), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.js')).map(name => `lib/${name}`)
  const calls = ['aedes.js', ...sources].flatMap(name => [...readFileSync(new URL(name, folder), 'utf8').matchAll(/\bpersistence\.([a-z]\w+)/gi)].map(([, method]) => method as string))
  assert.ok(calls.length > 20, `${calls.length} calls`)
  assert.deepEqual(calls.filter(method => !(method in persistence)), [])
})
