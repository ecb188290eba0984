import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { suite, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { openIntake, removeBroker } from '../../../helpers/broker.ts'
import { once, until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { freePort } from '../../../helpers/node-red.ts'
import { openRemote, remoteOptions, type RemoteBroker } from '../../../helpers/remote-broker.ts'
import { attachBroker } from '../../../../lib/registry/registry.ts'

async function takes (remote: RemoteBroker, heard: ReturnType<typeof openIntake>['heard'], publishAt: number): Promise<void> {
  await remote.connected()
  const client = await connectAsync(`mqtt://127.0.0.1:${publishAt}`, { username: 'ana', password: 'secret' })
  const from = heard.length
  await client.publishAsync('agent/message', reading(), { qos: 1 })
  await until(() => heard.length, length => length === from + 1)
  claim(heard[from]).settle()
  await client.endAsync()
}

const codeOf = ({ place }: RemoteBroker): string => place.listener.state === 'failed' ? place.listener.error.code : place.listener.state

suite('the connection to a broker elsewhere', { skip: withoutMosquitto }, () => {
  test('the login is in the options or in the address, and a wrong one is said', async t => {
    const salt = randomBytes(12)
    // As mosquitto_passwd writes it.
    const users = `ana:$7$101$${salt.toString('base64')}$${pbkdf2Sync('secret', salt, 101, 64, 'sha512').toString('base64')}\n`
    const { port } = await openMosquitto(t, 'allow_anonymous false\npassword_file FOLDER/users', { users })
    const wrong = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { username: 'ana', password: 'wrong' }))
    openIntake(t, wrong.id)
    await until(() => codeOf(wrong), code => code === 'BROKER_REFUSED')
    for (const options of [remoteOptions(`mqtt://127.0.0.1:${port}`, { username: 'ana', password: 'secret', group: 'one' }), remoteOptions(`mqtt://ana:secret@127.0.0.1:${port}`, { group: 'other' })]) {
      const remote = await openRemote(t, options)
      const { heard } = openIntake(t, remote.id)
      await takes(remote, heard, port)
      await removeBroker(remote.id)
    }
  })

  test('an address where nobody listens, one that is not MQTT, and one that is silent', async t => {
    const closed = await freePort()
    const odd = createServer(socket => { socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n') }).listen(0, '127.0.0.1')
    t.after(() => { odd.close() })
    await once(odd, 'listening')
    for (const port of [closed, (odd.address() as { port: number }).port]) {
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`))
      openIntake(t, remote.id)
      await until(() => codeOf(remote), code => code === 'BROKER_UNREACHABLE')
    }
  })

  test('of several addresses the next one is tried when one is away', async t => {
    const mosquitto = await openMosquitto(t)
    const other = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${await freePort()}, mqtt://127.0.0.1:${mosquitto.port} mqtt://127.0.0.1:${other.port}`))
    const { heard } = openIntake(t, remote.id)
    await takes(remote, heard, mosquitto.port)
    await mosquitto.stop()
    await until(() => codeOf(remote), code => code === 'BROKER_UNREACHABLE')
    await takes(remote, heard, other.port)
  })

  test('a broker that does not answer any more is left, and found again', async t => {
    const mosquitto = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${mosquitto.port}`, { keepalive: 1 }))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    mosquitto.freeze()
    await until(() => codeOf(remote), code => code === 'BROKER_UNREACHABLE')
    mosquitto.thaw()
    await takes(remote, heard, mosquitto.port)
  })

  test('a WebSocket', async t => {
    const port = await freePort()
    const mosquitto = await openMosquitto(t, `allow_anonymous true\nlistener ${port} 127.0.0.1\nprotocol websockets`)
    const remote = await openRemote(t, remoteOptions(`ws://127.0.0.1:${port}`))
    const { heard } = openIntake(t, remote.id)
    await takes(remote, heard, mosquitto.port)
  })

  test('other options are put in force with a new connection, and the same ones leave it alone', async t => {
    const [one, other] = [await openMosquitto(t), await openMosquitto(t)]
    const options = remoteOptions(`mqtt://127.0.0.1:${one.port}`)
    const remote = await openRemote(t, options)
    const { heard } = openIntake(t, remote.id)
    await takes(remote, heard, one.port)
    await attachBroker(remote.id, { ...options, shards: [] })
    assert.equal(codeOf(remote), 'connected')
    await attachBroker(remote.id, { ...options, url: `mqtt://127.0.0.1:${other.port}` })
    await takes(remote, heard, other.port)
  })

  test('deploys in a row, and the end, while the broker is silent, away or no address that answers, are over soon', async t => {
    const silent = createServer(socket => { socket.on('error', () => undefined) }).listen(0, '127.0.0.1')
    t.after(() => { silent.close() })
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    for (const url of [`mqtt://127.0.0.1:${port}`, `mqtt://127.0.0.1:${await freePort()}`, `ws://127.0.0.1:${port}`, `mqtts://127.0.0.1:${port}`]) {
      const options = remoteOptions(url)
      const remote = await openRemote(t, options)
      openIntake(t, remote.id)
      const deploys = [10, 11, 12].map(keepalive => attachBroker(remote.id, { ...options, keepalive }))
      await removeBroker(remote.id)
      await Promise.all(deploys)
      assert.equal(remote.place.listener.state, 'closed', url)
    }
  })

  test('a client id that another client has too is said', async t => {
    const { port } = await openMosquitto(t)
    const options = remoteOptions(`mqtt://127.0.0.1:${port}`, { version: '5' })
    const [one, other] = [await openRemote(t, options), await openRemote(t, options)]
    openIntake(t, one.id)
    openIntake(t, other.id)
    await until(() => [...one.problems, ...other.problems].map(({ code }) => code), codes => codes.includes('BROKER_CLIENT_ID_TAKEN'))
    assert.ok(one.problems.length + other.problems.length < 10)
  })

  test('what is wrong with the options is named', async t => {
    for (const [options, what] of [
      [{ url: 'http://127.0.0.1' }, /The address/], [{ url: 'ws://127.0.0.1/mqtt#x' }, /The address/], [{ url: ' ' }, /The address/], [{ clientId: '' }, /client id/], [{ group: 'a/b' }, /group/], [{ group: '+' }, /group/],
      [{ shards: ['a/b'] }, /shard/], [{ shards: ['#'] }, /shard/], [{ tls: { cert: 'no certificate', key: 'no key' } }, /certificate/]
    ] as const) {
      const remote = await openRemote(t, remoteOptions('mqtt://127.0.0.1:1', options as object))
      await until(() => codeOf(remote), code => code === 'BROKER_OPTION_INVALID')
      const state = remote.place.listener
      assert.match(`${state.state === 'failed' && `${state.error.code} ${state.error.detail}`}`, new RegExp(`BROKER_OPTION_INVALID.*${what.source}`))
    }
  })

  test('a shard is a level of the topic that the contract does not have', async t => {
    const { port } = await openMosquitto(t)
    const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { group: '', shards: ['a', 'b'] }))
    const { heard } = openIntake(t, remote.id)
    await remote.connected()
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
    t.after(() => { client.end(true) })
    for (const topic of ['agent/a/message', 'agent/c/message', 'agent/message', 'agent/b/message']) await client.publishAsync(topic, reading(topic), { qos: 1 })
    await until(() => heard.length, length => length === 2)
    assert.deepEqual(heard.map(({ incoming }) => [incoming?.topic, incoming?.payload.agent.uuid]), [['agent/message', 'agent/a/message'], ['agent/message', 'agent/b/message']])
    assert.deepEqual(['agent/a/message', 'agent/c/message', 'agent/message', 'agent/b/x'].map(topic => remote.place.returns(topic)), [true, false, false, false])
    heard.forEach(one => { claim(one).settle() })
  })
})
