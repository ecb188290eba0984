import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { LocalBroker } from '../../../lib/bridge/bridge.ts'
import { PlatziverseError } from '../../../lib/errors.ts'
import { aedesBroker, client, connected, listen, makeBridge, openBridge, real, row, type Side } from '../../helpers/bridge.ts'
import { makeAuthority, withoutOpenssl } from '../../helpers/certificates.ts'
import { until, waitFor } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { openMosquitto, withoutMosquitto, type Mosquitto } from '../../helpers/mosquitto.ts'

/** A real Mosquitto that keeps sessions. */
async function mosquitto (t: TestContext, config = 'allow_anonymous true', scheme = 'mqtt', users = ''): Promise<Mosquitto & Side> {
  const remote = await openMosquitto(t, `max_queued_messages 0\npersistence true\npersistence_location FOLDER/\n${config}`, { users })
  return { ...remote, url: `${scheme}://127.0.0.1:${remote.port}` }
}

/** As mosquitto_passwd writes it. */
function hashed (password: string): string {
  const salt = randomBytes(12)
  return `$7$101$${salt.toString('base64')}$${pbkdf2Sync(password, salt, 101, 64, 'sha512').toString('base64')}`
}

describe('with Mosquitto', { skip: withoutMosquitto }, () => {
  test('what is published here comes out there, each message once', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const there = await listen(t, remote)
    const bridge = await openBridge(t, local, remote, { topics: [row('out', 'a/#')] })
    const publisher = await client(t, local)
    for (let i = 0; i < 50; i++) await publisher.publishAsync('a/b', String(i), { qos: 1 })
    await publisher.publishAsync('c', 'other', { qos: 1 })
    await publisher.publishAsync('a', 'last', { qos: 2 })
    await there.came(51)
    assert.deepEqual(there.texts(), [...Array.from({ length: 50 }, (_, i) => `a/b ${i}`), 'a last'])
    await until(() => bridge.statistics(), ({ sent }) => sent === 51)
    assert.deepEqual(bridge.statistics(), { connected: true, sent: 51, received: 0, buffered: 0, bufferedBytes: 0, dropped: 0, loops: 0, reconnects: 0 })
  })

  test('what is published there comes out here', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const here = await listen(t, local)
    const bridge = await openBridge(t, local, remote, { topics: [row('in', 'a/#')] })
    const publisher = await client(t, remote)
    await publisher.publishAsync('c', 'other', { qos: 1 })
    for (let i = 0; i < 50; i++) await publisher.publishAsync('a/b', String(i), { qos: 1 })
    await until(() => real(here.texts()), ({ length }) => length >= 50)
    assert.deepEqual(real(here.texts()), Array.from({ length: 50 }, (_, i) => `a/b ${i}`))
    assert.equal(bridge.statistics().received, here.got.length)
  })

  test('prefixes are exchanged, and may be whole topics', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const [here, there] = [await listen(t, local), await listen(t, remote)]
    await openBridge(t, local, remote, { topics: [
      row('both', '#', { localPrefix: 'plant/', remotePrefix: 'cloud/7/' }),
      row('out', '', { localPrefix: 'alarm', remotePrefix: 'bell/ring' })
    ] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    await a.publishAsync('plant/x/y', '1', { qos: 1 })
    await a.publishAsync('alarm', '2', { qos: 1 })
    await b.publishAsync('cloud/7/z', '3', { qos: 1 })
    await until(() => real(there.texts()), ({ length }) => length >= 3)
    await until(() => real(here.texts()), ({ length }) => length >= 3)
    assert.deepEqual(real(there.texts()).sort(), ['bell/ring 2', 'cloud/7/x/y 1', 'cloud/7/z 3'])
    assert.deepEqual(real(here.texts()).sort(), ['alarm 2', 'plant/x/y 1', 'plant/z 3'])
  })

  test('the same topics in both directions: each message crosses once, and nothing is taken for an echo', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const [here, there] = [await listen(t, local), await listen(t, remote)]
    const bridge = await openBridge(t, local, remote, { topics: [row('both', '#')] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    // The same text from both sides is no echo.
    await a.publishAsync('light', 'on', { qos: 1 })
    await until(() => there.texts(), texts => texts.includes('light on'))
    await b.publishAsync('light', 'on', { qos: 1 })
    await a.publishAsync('end', 'a', { qos: 1 })
    await b.publishAsync('end', 'b', { qos: 1 })
    for (const side of [here, there]) {
      await until(() => side.texts(), texts => texts.includes('end a') && texts.includes('end b'))
      assert.deepEqual(real(side.texts()).sort(), ['end a', 'end b', 'light on', 'light on'])
    }
    assert.equal(bridge.statistics().loops, 0)
  })

  test('messages are retained on the other side, and cleared', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    await openBridge(t, local, remote, { topics: [row('both', '#')] })
    const [a, b] = [await client(t, local), await client(t, remote)]
    await a.publishAsync('out', 'kept', { qos: 1, retain: true })
    await b.publishAsync('in', 'kept', { qos: 1, retain: true })
    const retained = async (side: Side): Promise<string[]> => {
      const subscriber = await listen(t, side)
      const marker = await client(t, side)
      await marker.publishAsync('marker', '', { qos: 1 })
      const got = await until(() => subscriber.got, got => got.some(([topic]) => topic === 'marker'))
      return got.filter(([, , , retain]) => retain).map(([topic, payload]) => `${topic} ${payload}`).sort()
    }
    for (const side of [local, remote]) assert.deepEqual(await until(() => retained(side), ({ length }) => length === 2), ['in kept', 'out kept'])
    await a.publishAsync('out', '', { qos: 1, retain: true })
    assert.deepEqual(await until(() => retained(remote), ({ length }) => length === 1), ['in kept'])
  })

  test('a message crosses with the lower of its own QoS and that of the row', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const there = await listen(t, remote)
    await openBridge(t, local, remote, { topics: [row('out', 'two', { qos: 2 }), row('out', 'none', { qos: 0 })] })
    const a = await client(t, local)
    for (const qos of [0, 1, 2] as const) for (const topic of ['two', 'none']) await a.publishAsync(topic, String(qos), { qos })
    await there.came(6)
    assert.deepEqual(there.got.filter(([topic]) => topic === 'two').map(([, text, qos]) => [text, qos]), [['0', 0], ['1', 1], ['2', 2]])
    assert.deepEqual(there.got.filter(([topic]) => topic === 'none').map(([, , qos]) => qos), [0, 0, 0])
  })

  test('what is published here while the other broker is away gets there in order, none of it lost', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const bridge = await openBridge(t, local, remote, { topics: [row('out', 'a', { qos: 2 })] })
    const there = await listen(t, remote, { clientId: 'listener', clean: false, reconnectPeriod: 20 })
    const a = await client(t, local)
    let n = 0
    const publish = async (count: number): Promise<void> => { for (let i = 0; i < count; i++) await a.publishAsync('a', String(n++), { qos: i % 2 === 0 ? 1 : 2 }) }
    await publish(20)
    const stopping = remote.stop()
    await publish(200)
    await stopping
    await publish(200)
    assert.equal(bridge.statistics().connected, false)
    const { buffered, bufferedBytes } = bridge.statistics()
    assert.ok(buffered >= 200 && bufferedBytes > buffered, `${buffered} ${bufferedBytes}`)
    const again = connected(bridge)
    await remote.start()
    await again
    await publish(20)
    await until(() => bridge.statistics(), ({ buffered }) => buffered === 0)
    // With QoS 1 a message may come again whose acknowledgement was lost; with QoS 2 it may not. The order is that of each QoS.
    await until(() => new Set(there.texts()).size, size => size >= n)
    const numbers = (level: number): number[] => there.got.filter(([, , qos]) => qos === level).map(([, text]) => Number(text))
    const all = Array.from({ length: n }, (_, i) => i)
    assert.deepEqual([...new Set(numbers(1))], all.filter(i => i % 2 === 0))
    assert.deepEqual(numbers(2), all.filter(i => i % 2 === 1))
    assert.equal(bridge.statistics().reconnects, 1)
    assert.equal(bridge.statistics().dropped, 0)
  })

  test('what is published there while this one is away comes when it is back', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const topics = [row('in', 'a/#')]
    const here = await listen(t, local)
    const first = await openBridge(t, local, remote, { id: `back-${process.pid}`, topics })
    assert.deepEqual(await first.close(), [])
    const b = await client(t, remote)
    for (let i = 0; i < 100; i++) await b.publishAsync('a/b', String(i), { qos: 1 })
    makeBridge(t, local, remote, { id: `back-${process.pid}`, topics }).open()
    await until(() => real(here.texts()), ({ length }) => length >= 100)
    assert.deepEqual(real(here.texts()), Array.from({ length: 100 }, (_, i) => `a/b ${i}`))
  })

  test('what agents retained there while this one is away is news when it is back, though it is marked as what was there before', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const taken: Array<{ payload: string, replayed: boolean | undefined }> = []
    const recorded: LocalBroker = {
      ...local,
      async publish (publication, origin) {
        taken.push({ payload: publication.payload.toString(), replayed: publication.replayed })
        await local.publish(publication, origin)
      }
    }
    const options = { id: `retaining-${process.pid}`, topics: [row('in', 'agent/#')] }
    const first = await openBridge(t, local, remote, options)
    assert.deepEqual(await first.close(), [])
    const agent = await client(t, remote)
    for (const i of [1, 2, 3]) await agent.publishAsync('agent/message', String(i), { qos: 1, retain: true })
    makeBridge(t, recorded, remote, options).open()
    await until(() => taken, ({ length }) => length >= 3)
    assert.deepEqual(taken.slice(0, 3), ['1', '2', '3'].map(payload => ({ payload, replayed: false })))
  })

  test('the other broker gets its acknowledgement only when this one took the message', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t)]
    const taken: string[] = []
    let away = true
    const slow: LocalBroker = {
      ...local,
      async publish (publication, origin) {
        taken.push(String(publication.payload))
        if (away) throw new PlatziverseError('BROKER_MISSING', 'The broker is not there.')
        await local.publish(publication, origin)
      }
    }
    const here = await listen(t, local)
    const id = `slow-${process.pid}`
    const first = makeBridge(t, slow, remote, { id, topics: [row('in', 'a', { qos: 2 })] })
    first.open()
    await connected(first)
    const b = await client(t, remote)
    const problem = waitFor<PlatziverseError>(first, 'problem')
    await until(async () => {
      await b.publishAsync('a', 'first', { qos: 1 })
      return taken
    }, ({ length }) => length > 0)
    assert.equal((await problem).code, 'BROKER_MISSING')
    assert.equal(first.statistics().received, 0)
    // Nobody took it here, so that another bridge of this session gets it again.
    await first.close(50)
    away = false
    const second = makeBridge(t, slow, remote, { id, topics: [row('in', 'a', { qos: 2 })] })
    second.open()
    await here.came(1)
    assert.deepEqual(here.got[0]?.slice(0, 2), ['a', 'first'])
  })

  test('wrong credentials are told once, and right ones let it in', async t => {
    const [local, remote] = [await aedesBroker(t), await mosquitto(t, 'allow_anonymous false\npassword_file FOLDER/users', 'mqtt', `ana:${hashed('secret')}\n`)]
    const bridge = makeBridge(t, local, remote, { topics: [row('out', 'a')], username: 'ana', password: 'no secret' })
    const problems: PlatziverseError[] = []
    bridge.on('problem', problem => { problems.push(problem) })
    let attempts = 0
    bridge.on('state', ({ state }) => { if (state === 'connecting') attempts++ })
    bridge.open()
    await until(() => attempts, n => n > 3)
    assert.deepEqual(problems.map(({ code }) => code), ['BRIDGE_REFUSED'])
    assert.doesNotMatch(problems[0]?.message ?? '', /no secret/)
    assert.deepEqual(bridge.state.state, 'connecting')
    const right = makeBridge(t, local, remote, { topics: [row('out', 'a')], username: 'ana', password: 'secret' })
    const ready = connected(right)
    right.open()
    await ready
  })

  test('TLS: the authority of the tls options is believed, and no other', { skip: withoutOpenssl }, async t => {
    const folder = await temporaryFolder(t)
    const authority = makeAuthority(folder)
    const pair = authority.issue('server')
    for (const [name, text] of Object.entries({ 'ca.pem': authority.cert, 'server.pem': pair.cert, 'server-key.pem': pair.key })) await writeFile(join(folder, name), text, { mode: 0o644 })
    await chmod(folder, 0o755)
    const remote = await mosquitto(t, `allow_anonymous true\nuser root\ncafile ${folder}/ca.pem\ncertfile ${folder}/server.pem\nkeyfile ${folder}/server-key.pem\nrequire_certificate true`, 'mqtts')
    const local = await aedesBroker(t)
    const mine = authority.issue('bridge')
    const bridge = makeBridge(t, local, remote, { topics: [row('out', 'a')], tls: { ca: authority.cert, ...mine } })
    const ready = connected(bridge)
    bridge.open()
    await ready
    const there = await listen(t, remote, { ca: authority.cert, ...mine })
    await (await client(t, local)).publishAsync('a', 'secret', { qos: 1 })
    await there.came(1)

    const distrustful = makeBridge(t, local, remote, { topics: [row('out', 'a')], tls: mine })
    const problem = waitFor<PlatziverseError>(distrustful, 'problem')
    distrustful.open()
    assert.equal((await problem).code, 'BRIDGE_CERTIFICATE_REFUSED')
  })
})
