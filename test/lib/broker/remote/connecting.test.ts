import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import dns from 'node:dns'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { openIntake, removeBroker } from '../../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl, type Pair } from '../../../helpers/certificates.ts'
import { once, until } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { freePort } from '../../../helpers/node-red.ts'
import { openRemote, remoteOptions, type RemoteBroker } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker, type Peer } from '../../../helpers/scripted-broker.ts'
import { attachBroker, returnsFrom } from '../../../../lib/registry/registry.ts'

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
      if (port !== closed) await until(() => remote.problems.map(({ detail }) => detail), details => details.includes('what answers there is no MQTT broker.'))
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
      [{ url: 'http://127.0.0.1' }, /The address/], [{ url: 'ws://127.0.0.1/mqtt#x' }, /The address/], [{ url: ' ' }, /There is no address/], [{ url: 'ana:secret@10.0.0.1:1883' }, /The address "10\.0\.0\.1:1883" must/], [{ clientId: '' }, /client id/], [{ group: 'a/b' }, /group/], [{ group: '+' }, /group/],
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
    assert.deepEqual(['agent/a/message', 'agent/c/message', 'agent/message', 'agent/b/x'].map(topic => returnsFrom(remote.id, topic)), [true, false, false, false])
    heard.forEach(one => { claim(one).settle() })
  })

  test('a broker that makes client ids of user names makes one of the two connections of a worker, and that is said: emqx/emqx#14841, eclipse-mosquitto/mosquitto#1120', async t => {
    const { port } = await openMosquitto(t, 'allow_anonymous true\nuse_username_as_clientid true')
    const remote = await openRemote(t, remoteOptions(`mqtt://worker@127.0.0.1:${port}`))
    openIntake(t, remote.id)
    await until(() => remote.problems.map(({ code }) => code), codes => codes.includes('BROKER_CLIENT_ID_TAKEN'), 60_000)
  })

  test('a certificate that the broker renewed is taken, and one of an authority that is not trusted is not: UtilitechAS/amsreader-firmware#933, emqx/emqx#904, BroadbandForum/obuspa#29', { skip: withoutOpenssl }, async t => {
    const [folder, other] = [await temporaryFolder(t), await temporaryFolder(t)]
    const [authority, stranger] = [makeAuthority(folder), makeAuthority(other)]
    await chmod(folder, 0o755)
    const [cert, key] = [join(folder, 'broker.crt'), join(folder, 'broker.key')]
    const install = async (pair: Pair): Promise<void> => {
      await writeFile(cert, pair.cert)
      await writeFile(key, pair.key)
      await Promise.all([cert, key].map(file => chmod(file, 0o644)))
    }
    await install(authority.issue('first'))
    const mosquitto = await openMosquitto(t, `allow_anonymous true\ncertfile ${cert}\nkeyfile ${key}`)
    const remote = await openRemote(t, remoteOptions(`mqtts://127.0.0.1:${mosquitto.port}`, { tls: { ca: authority.cert } }))
    openIntake(t, remote.id)
    await remote.connected()
    for (const [pair, expected] of [[stranger.issue('strange'), 'BROKER_CERTIFICATE_REFUSED'], [authority.issue('second'), 'connected']] as const) {
      await mosquitto.stop()
      await until(() => codeOf(remote), code => code !== 'connected')
      await install(pair)
      await mosquitto.start()
      await until(() => codeOf(remote), code => code === expected)
    }
  })
})

const pings = (peer: Peer | undefined): number => peer?.got.filter(({ cmd }) => cmd === 'pingreq').length ?? 0

// hivemq/hivemq-mqtt-client#668, tbnobody/OpenDTU#1296, letscontrolit/ESPEasy#381: the first address was asked for ever.
test('a name that gets another address is looked up again', async t => {
  const one = await scriptedBroker(t, peer => { answers(peer) })
  const port = Number(new URL(one.url).port)
  const other = await scriptedBroker(t, peer => { answers(peer) }, peer => { answers(peer) }, { host: '127.0.0.2', port })
  let address = '127.0.0.1'
  const lookup = dns.lookup as (name: string, options: { all?: boolean }, done: (error: Error | null, ...found: unknown[]) => void) => void
  t.mock.method(dns, 'lookup', ((name, options, done) => {
    if (name !== 'broker.test') lookup(name, options, done)
    else if (options.all === true) done(null, [{ address, family: 4 }])
    else done(null, address, 4)
  }) satisfies typeof lookup)
  const remote = await openRemote(t, remoteOptions(`mqtt://broker.test:${port}`))
  openIntake(t, remote.id)
  await remote.connected()
  address = '127.0.0.2'
  for (const { socket } of [...one.consumers, ...one.senders]) socket.destroy()
  await until(() => [other.consumers.length, other.senders.length], counts => counts.every(count => count === 1))
  assert.deepEqual([one.consumers.length, one.senders.length], [1, 1])
})

// eclipse-paho/paho.mqtt.c#1421, faststream-community/zMQTT#77, swift-server-community/mqtt-nio#44
test('a broker that wants to hear more often does', async t => {
  const act = (peer: Peer): void => { answers(peer, { connack: { serverKeepAlive: 1 } }) }
  const broker = await scriptedBroker(t, act, act)
  for (const [i, keepalive] of [600, 0].entries()) {
    const remote = await openRemote(t, remoteOptions(broker.url, { version: '5', keepalive }))
    openIntake(t, remote.id)
    await until(() => [broker.consumers[i], broker.senders[i]].map(pings), counts => counts.every(count => count >= 2))
    await removeBroker(remote.id)
  }
})

// hivemq/hivemq-mqtt-client-dotnet#357, dotnet/MQTTnet#2248, eclipse-paho/paho.golang#292: connections that were dead counted as open.
test('while messages wait for the database the broker may be silent, and afterwards it is left', async t => {
  const broker = await scriptedBroker(t, (peer, before) => {
    if (before > 0) return answers(peer)
    peer.on(packet => {
      if (packet.cmd !== 'subscribe') return
      peer.send({ cmd: 'suback', messageId: packet.messageId, granted: [1] })
      peer.send({ cmd: 'publish', topic: 'agent/message', payload: reading(), qos: 1, messageId: 1, dup: false, retain: false })
    })
    peer.send({ cmd: 'connack', sessionPresent: true, returnCode: 0 })
  })
  const remote = await openRemote(t, remoteOptions(broker.url, { version: '3.1.1', keepalive: 1, receiveMaximum: 1 }))
  const { heard } = openIntake(t, remote.id)
  await until(() => pings(broker.consumers[0]), count => count === 4)
  assert.equal(broker.consumers.length, 1)
  claim(heard[0]).settle()
  await until(() => broker.consumers.length, count => count === 2)
  assert.equal(remote.problems[0]?.detail, 'the broker does not answer any more.')
})

// eclipse-mosquitto/mosquitto#2205, eclipse-paho/paho.mqtt.c#284, #824, eclipse-paho/paho.mqtt.java#958, dotnet/MQTTnet#1261
test('a clock that is set ends no connection, and no keepalive', async t => {
  const broker = await scriptedBroker(t, peer => { answers(peer) })
  const remote = await openRemote(t, remoteOptions(broker.url, { keepalive: 1 }))
  openIntake(t, remote.id)
  await remote.connected()
  const peers = (): Array<Peer | undefined> => [broker.consumers[0], broker.senders[0]]
  const started = Date.now()
  t.mock.timers.enable({ apis: ['Date'], now: started })
  for (const days of [1, -2, 3650]) {
    t.mock.timers.setTime(started + days * 86_400_000)
    const before = peers().map(pings)
    await until(() => peers().map(pings), counts => counts.every((count, i) => count >= (before[i] ?? 0) + 2))
  }
  assert.deepEqual([broker.consumers.length, broker.senders.length], [1, 1])
  assert.deepEqual(remote.problems, [])
})
