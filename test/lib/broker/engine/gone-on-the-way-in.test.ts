import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { generate, type IConnectPacket } from 'mqtt-packet'
import { openBroker, openIntake, type TestBroker } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { reading } from '../../../helpers/messages.ts'
import { rawSocket } from '../../../helpers/raw-client.ts'

const will = { topic: 'will', payload: Buffer.from('gone'), qos: 0 as const, retain: false }

/** A broker whose clients are on their way in for as long as their will is being written to disk. */
async function open (t: TestContext) {
  let decided = (): void => undefined
  const broker = await openBroker(t, {
    folder: await temporaryFolder(t),
    host: '127.0.0.1',
    async decide () {
      decided()
      return true
    }
  })
  const nextLogin = () => new Promise<void>(resolve => { decided = resolve })
  return { broker, nextLogin }
}

/** A client that is let in, and drops its socket before it is. */
async function comeAndGo (t: TestContext, { broker, nextLogin }: { broker: TestBroker, nextLogin: () => Promise<void> }, itsWill = will): Promise<void> {
  const login = nextLogin()
  const socket = await rawSocket(t, broker.port)
  const connect: IConnectPacket = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'device', keepalive: 0, clean: false, username: 'a', password: Buffer.from('x'), will: itsWill }
  socket.write(generate(connect))
  await login
  socket.resetAndDestroy()
  // Wills are written one after the other, so the first one is written now.
  await broker.client({ clientId: 'other', username: 'b', password: 'x', will })
}

test('a client that goes while its will is written was never there', async t => {
  const opened = await open(t)
  await comeAndGo(t, opened)
  const { place, events } = opened.broker
  assert.deepEqual(place.clients().map(({ clientId }) => clientId), ['other'])
  assert.equal(place.statistics().clients, 1)
  assert.ok(!events.some(({ event, clientId }) => event === 'connected' && clientId === 'device'))
})

test('a client that goes while its will is written takes nothing from the one whose id it has', async t => {
  const opened = await open(t)
  const { broker } = opened
  const device = await broker.client({ clientId: 'device', clean: false, username: 'a', password: 'x' })
  await device.subscribeAsync('topic', { qos: 1 })
  await comeAndGo(t, opened)
  assert.deepEqual(broker.place.clients().map(({ clientId, subscriptions }) => [clientId, subscriptions.length]), [['device', 1], ['other', 0]])
  assert.ok(device.connected)
})

test('the last will of a client that goes while it is written speaks for the agents of its user only', async t => {
  const opened = await open(t)
  const { broker } = opened
  const { heard } = openIntake(t, broker.id, { acknowledge: 'arrival' })
  for (const username of ['a', 'owner']) {
    const client = await broker.client({ username, password: 'x' })
    await client.publishAsync('agent/message', reading(username, { agent: { uuid: username } }), { qos: 1 })
    await client.endAsync()
  }
  await until(() => heard.length, count => count === 4)
  for (const [uuid, expected] of [['owner', 'AGENT_NOT_THEIRS'], ['a', 'message']] as const) {
    heard.length = 0
    await comeAndGo(t, opened, { ...will, topic: 'agent/message', payload: Buffer.from(reading(uuid, { agent: { uuid } })) })
    const [first] = await until(() => heard, ({ length }) => length > 0)
    assert.equal(first?.rejected?.reason ?? first?.kind, expected)
  }
})
