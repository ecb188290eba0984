import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { suite, test, type TestContext } from 'node:test'
import { generate, type Packet } from 'mqtt-packet'
import { openIntake } from '../../../helpers/broker.ts'
import { until } from '../../../helpers/events.ts'
import { claim } from '../../../helpers/intake.ts'
import { reading } from '../../../helpers/messages.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker, type Peer } from '../../../helpers/scripted-broker.ts'
import { Sender } from '../../../../lib/broker/remote/sender.ts'
import { Consumer } from '../../../../lib/broker/remote/consumer.ts'
import { resolveRemoteOptions } from '../../../../lib/broker/remote/settings.ts'
import { agentsTask } from '../../../../lib/broker/remote/tasks.ts'
import { Wire } from '../../../../lib/mqtt/link/wire.ts'
import type { Publication, Settle } from '../../../../lib/broker/publication.ts'
import type { PlatziverseError } from '../../../../lib/errors.ts'
import { Problems } from '../../../../lib/problems.ts'

const message = (messageId: number, more: object = {}): object => ({ cmd: 'publish', topic: 'agent/message', payload: reading('a', { timestamp: 1_700_000_000_000 + messageId }), qos: 1, messageId, dup: false, retain: false, ...more })
const bytes = (hex: string) => (peer: Peer): void => { peer.socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex')) }
const afterwards = (act: (peer: Peer) => void) => (peer: Peer): void => {
  answers(peer)
  peer.on(packet => { if (packet.cmd === 'subscribe') act(peer) })
}
const acknowledged = (peer: Peer | undefined): number[] => (peer?.got ?? []).flatMap(packet => packet.cmd === 'puback' ? [packet.messageId ?? -1] : [])
/** Which versions, what the broker does, and whether the worker hangs up. */
type Case = [name: string, versions: Array<4 | 5>, act: (peer: Peer) => void, end: 'hangs up' | 'goes on']

const cases: Case[] = [
  ['CONNACK twice', [4, 5], peer => { answers(peer); peer.send({ cmd: 'connack', sessionPresent: true, returnCode: 0, reasonCode: 0 }) }, 'hangs up'],
  ['a message before CONNACK', [4, 5], peer => { peer.send(message(1)); answers(peer) }, 'hangs up'],
  ['a message that is too large before CONNACK', [4], bytes(`32 808080 02 0001 61 0001 ${'00'.repeat(100)}`), 'hangs up'],
  ['SUBACK before CONNACK', [4, 5], peer => { peer.send({ cmd: 'suback', messageId: 1, granted: [1] }) }, 'hangs up'],
  ['SUBACK of another packet', [4, 5], afterwards(peer => { peer.send({ cmd: 'suback', messageId: 9, granted: [1] }) }), 'hangs up'],
  ['SUBACK with too many codes', [4, 5], peer => { peer.on(({ cmd }) => { if (cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: 1, granted: [1, 1] }) }); peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 }) }, 'hangs up'],
  ['SUBACK without a code', [4], peer => { peer.on(({ cmd }) => { if (cmd === 'subscribe') bytes('90 02 0001')(peer) }); bytes('20 02 00 00')(peer) }, 'hangs up'],
  ['SUBACK with QoS 0', [4, 5], peer => { peer.on(({ cmd }) => { if (cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: 1, granted: [0] }) }); peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 }) }, 'hangs up'],
  ['SUBACK with a code that there is not', [4, 5], peer => { peer.on(({ cmd }) => { if (cmd === 'subscribe') bytes(peer.version === 5 ? '90 04 0001 00 77' : '90 03 0001 77')(peer) }); peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 }) }, 'hangs up'],
  ['DISCONNECT', [4], afterwards(bytes('e0 00')), 'hangs up'],
  ['DISCONNECT: use another server, with its address', [5], afterwards(bytes('e0 0c 9c 0a 1c 0007 6576696c3a3831')), 'hangs up'],
  ['DISCONNECT with a code that there is not', [5], afterwards(bytes('e0 02 77 00')), 'hangs up'],
  ['CONNACK: the server moved', [5], bytes('20 0d 00 9d 0a 1c 0007 6576696c3a3831'), 'hangs up'],
  ['CONNACK without a body', [4, 5], bytes('20 00'), 'hangs up'],
  ['AUTH', [5], afterwards(bytes('f0 02 18 00')), 'hangs up'],
  ['AUTH in MQTT 3.1.1', [4], afterwards(bytes('f0 00')), 'hangs up'],
  ['packets that only clients send', [4, 5], afterwards(bytes('c0 00')), 'hangs up'],
  ['a PUBREL without a packet id', [4], afterwards(bytes('62 00')), 'hangs up'],
  ['a packet id of 0', [4, 5], afterwards(peer => { bytes(peer.version === 5 ? '32 06 0001 61 0000 00' : '32 05 0001 61 0000')(peer) }), 'hangs up'],
  ['no packet id at all', [4], afterwards(bytes('32 03 0001 61')), 'hangs up'],
  ['a topic alias', [5], afterwards(peer => { peer.send(message(5, { properties: { topicAlias: 1 } })) }), 'hangs up'],
  ['an empty topic', [4, 5], afterwards(peer => { bytes(peer.version === 5 ? '32 05 0000 0005 00' : '32 04 0000 0005')(peer) }), 'hangs up'],
  ['a length that never ends', [4, 5], afterwards(bytes('30 ff ff ff ff ff ff ff')), 'hangs up'],
  ['QoS 3', [4, 5], afterwards(bytes('36 05 0001 61 0001')), 'hangs up'],
  ['a property that there is not', [5], afterwards(bytes('32 08 0001 61 0005 02 7f 01')), 'hangs up'],
  ['properties longer than their packet', [5], afterwards(bytes('32 08 0001 61 0005 ff7f 01')), 'hangs up'],
  ['a message in half, and the end', [4, 5], afterwards(peer => { peer.socket.end(Buffer.from('32ff', 'hex')) }), 'hangs up'],
  ['a topic with NUL, one with wildcards, one that is no UTF-8', [4], afterwards(bytes('32 05 0001 00 0003 32 05 0001 23 0004 32 05 0001 ff 0006')), 'goes on'],
  ['DUP with QoS 0', [4, 5], afterwards(peer => { bytes(peer.version === 5 ? '38 04 0001 61 00' : '38 03 0001 61')(peer) }), 'goes on'],
  ['all properties of a message', [5], afterwards(peer => { peer.send(message(8, { properties: { payloadFormatIndicator: true, messageExpiryInterval: 1, responseTopic: 'x/#', correlationData: Buffer.alloc(1000), userProperties: { __proto__: 'a', constructor: ['b', 'c'] }, subscriptionIdentifier: 7, contentType: 'x' } })) }), 'goes on'],
  ['a server keep alive twice, and one of 65,535 s', [5], peer => { afterwards(() => undefined)({ ...peer, send: packet => { if ((packet as Packet).cmd === 'connack') bytes('20 09 01 00 06 13 ffff 13 0000')(peer); else peer.send(packet) } }) }, 'goes on'],
  ['acknowledgements of what was never sent', [4, 5], afterwards(peer => { bytes(peer.version === 5 ? 'b0 04 0009 00 00' : 'b0 02 0009')(peer) }), 'goes on'],
  ['one packet id for many messages', [4, 5], afterwards(peer => { for (let i = 0; i < 50; i++) peer.send(message(7)) }), 'goes on']
]

for (const version of [4, 5] as const) {
  suite(`a broker that breaks MQTT ${version === 5 ? 5 : '3.1.1'}`, { concurrency: true }, () => {
    for (const [name, versions, act, end] of cases) {
      if (!versions.includes(version)) continue
      test(`${name}: the worker ${end}`, async t => {
        const broker = await scriptedBroker(t, (peer, before) => {
          if (before === 0) act(peer)
          else afterwards(peer => { peer.send(message(77)) })(peer)
          if (end === 'goes on') peer.on(({ cmd }) => { if (cmd === 'subscribe') peer.send(message(77)) })
        })
        const remote = await openRemote(t, remoteOptions(broker.url, { version: version === 5 ? '5' : '3.1.1' }))
        const { heard } = openIntake(t, remote.id)
        let settled = 0
        await until(() => {
          while (settled < heard.length) claim(heard[settled++]).settle()
          return broker.consumers.flatMap(acknowledged)
        }, ids => ids.includes(77))
        assert.equal(broker.consumers.length, end === 'goes on' ? 1 : 2)
        if (end === 'goes on') return
        assert.equal(remote.problems[0]?.code, name === 'SUBACK with QoS 0' ? 'BROKER_SUBSCRIPTION_LOSSY' : 'BROKER_UNREACHABLE', remote.problems[0]?.detail)
        assert.doesNotMatch(remote.problems[0]?.detail ?? '', /undefined|evil/)
      })
    }
  })
}

interface Bare { consumer: Consumer, problems: Problems, taken: Array<{ publication: Publication, settle: Settle }> }

/** The part that takes messages, alone, with a taker that does as the test says. */
function bare (t: TestContext, url: string, options: Parameters<typeof remoteOptions>[1] = {}, take?: (publication: Publication, settle: Settle) => void): Bare {
  const taken: Bare['taken'] = []
  const problems = new Problems(() => undefined)
  const taker = { takes: () => true, take: take ?? ((publication: Publication, settle: Settle) => { taken.push({ publication, settle }) }), gone: () => undefined }
  const settings = resolveRemoteOptions(remoteOptions(url, { version: '3.1.1', ...options }))
  const consumer = new Consumer(agentsTask(taker, settings), settings.filters, settings, problems, () => undefined)
  t.after(() => { consumer.close() })
  consumer.open()
  return { consumer, problems, taken }
}

suite('a worker of a broker that breaks the rules', { concurrency: true }, () => {
  test('settling twice, and after the end, is settling once', async t => {
    const broker = await scriptedBroker(t, afterwards(peer => { for (let i = 1; i <= 3; i++) peer.send(message(i)) }))
    const { consumer, taken } = bare(t, broker.url)
    await until(() => taken.length, length => length === 3)
    taken[0]?.settle()
    taken[0]?.settle()
    taken[1]?.settle(new Error('not now'))
    taken[1]?.settle()
    taken[1]?.settle(new Error('not now'))
    await until(() => taken.length, length => length === 4)
    taken[3]?.settle()
    await until(() => acknowledged(broker.consumers[0]), ids => ids.length === 2)
    assert.equal(taken.length, 4)
    assert.equal(consumer.counters.received, 2)
    consumer.close()
    taken[2]?.settle()
    taken[2]?.settle(new Error('too late'))
    assert.deepEqual(acknowledged(broker.consumers[0]), [1, 2])
  })

  test('a taker that throws gets the message again, and keeps nothing from the others', async t => {
    const broker = await scriptedBroker(t, afterwards(peer => { for (let i = 1; i <= 3; i++) peer.send(message(i)) }))
    let calls = 0
    bare(t, broker.url, {}, (_, settle) => {
      if (++calls === 1 || calls === 4) throw new Error('a bug')
      settle()
    })
    await until(() => acknowledged(broker.consumers[0]), ids => ids.length === 3)
    assert.deepEqual(acknowledged(broker.consumers[0]), [1, 2, 3])
    assert.equal(calls, 5)
    assert.equal(broker.consumers.length, 1)
  })

  test('what comes of large messages is bounded over all connections, even where each has a new session', async t => {
    const payload = Buffer.alloc(2 * 1024 * 1024 - 100, 32)
    const broker = await scriptedBroker(t, peer => {
      answers(peer, { sessionPresent: false })
      peer.on(({ cmd }) => {
        if (cmd !== 'subscribe') return
        for (let i = 1; i <= 30; i++) peer.send(message(i, { payload }))
        if (broker.consumers.length < 3) setTimeout(() => { peer.socket.destroy() }, 500)
      })
    })
    // A socket that is not read tells only by a PINGREQ that it is closed.
    const { taken } = bare(t, broker.url, { keepalive: 1 })
    await until(() => broker.consumers.length, length => length === 3)
    await until(() => broker.consumers[2]?.got.length, length => length !== undefined && length > 0)
    const bytes = taken.reduce((sum, { publication }) => sum + publication.payload.length, 0)
    assert.ok(bytes <= 3 * 35 * payload.length)
    assert.ok(taken.length <= 36, `${taken.length} messages of 2 MiB`)
    // Each that is settled makes room for another.
    const before = taken.length
    for (const { settle } of taken.slice(0, 20)) settle()
    await until(() => taken.length, length => length > before)
  })

  test('a broker that reads no acknowledgements is not read either', async t => {
    let sent = 0
    const broker = await scriptedBroker(t, afterwards(({ socket }) => {
      socket.pause()
      const many = Buffer.concat(Array.from({ length: 5_000 }, () => Buffer.from('320400010000'.replace('00010000', '0001610001'), 'hex')))
      many.forEach((_, i) => { if (i % 6 === 1) many[i] = 5 })
      const more = (): void => {
        while (!socket.destroyed && sent < 20_000_000) {
          sent += 5_000
          if (!socket.write(many)) return void socket.once('drain', more)
        }
      }
      more()
    }))
    bare(t, broker.url, {}, (_, settle) => { settle() })
    await until(() => broker.consumers.length, length => length === 1)
    let last = -1
    await until(async () => {
      const before = last
      last = sent
      await new Promise(resolve => setTimeout(resolve, 500))
      return sent > 0 && before === sent && last === sent
    }, stands => stands)
    assert.ok(sent < 20_000_000, `${sent} messages were read`)
    // And goes on when it reads again.
    broker.consumers[0]?.socket.resume()
    await until(() => sent, count => count > last)
  })
})

test('SUBACK may come late where it waits behind messages that are not read yet, and else not', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const stream = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  const wire = new Wire(stream, 4, 1000, { packet: () => undefined, oversized: () => undefined, closed: () => undefined })
  wire.pause()
  t.mock.timers.tick(60_000)
  assert.equal(wire.isClosed, false)
  wire.resume()
  t.mock.timers.tick(15_000)
  assert.equal(wire.isClosed, true)
})

test('a large message that comes slowly is no silence, and half of one is', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const stream = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  const wire = new Wire(stream, 4, 1000, { packet: () => undefined, oversized: () => undefined, closed: () => undefined })
  wire.ready()
  wire.keepAlive(1)
  // PUBLISH with a thousand bytes, of which one comes at a time.
  stream.emit('data', Buffer.from([0x30, 0x80, 0x07]))
  for (let i = 0; i < 20; i++) {
    t.mock.timers.tick(1_000)
    stream.emit('data', Buffer.from([0]))
  }
  assert.equal(wire.isClosed, false)
  t.mock.timers.tick(2_000)
  assert.equal(wire.isClosed, true)
})

suite('what publishes at a broker that breaks the rules', { concurrency: true }, () => {
  for (const version of [4, 5] as const) {
    for (const [name, versions, act] of cases) {
      // Others make it wait for its own time limits of ten seconds.
      if (!versions.includes(version) || name.includes('before CONNACK')) continue
      test(`MQTT ${version === 5 ? 5 : '3.1.1'}, ${name}: it publishes all the same`, async t => {
        const broker = await scriptedBroker(t, () => undefined, (peer, before) => { (before === 0 ? act : answers)(peer) })
        const sender = new Sender(resolveRemoteOptions(remoteOptions(broker.url, { version: version === 5 ? '5' : '3.1.1', keepalive: 2 })), new Problems(() => undefined), () => undefined)
        t.after(() => sender.close())
        sender.subscribe('agent/+', () => { throw new Error('a subscriber that breaks') })
        await until(() => broker.senders[0]?.got.length ?? 0, length => length > 0 || broker.senders.length > 1)
        await sender.publish({ topic: 'config_change/a', payload: '{}', qos: 1, retain: false })
        assert.ok(broker.senders.length <= 3, `${broker.senders.length} connections`)
      })
    }
  }

  test('thousands of messages of QoS 0 that wait for it are sent, and are not one call inside the other', async t => {
    const broker = await scriptedBroker(t, () => undefined, peer => { connection = peer })
    let connection: Peer | undefined
    const sender = publisher(t, broker.url)
    const sent = Promise.all(Array.from({ length: 9_000 }, () => sender.publish({ topic: 'a', payload: '', qos: 0, retain: false })))
    const peer = await until(() => connection, isThere => isThere !== undefined)
    if (peer !== undefined) answers(peer)
    await sent
    await until(() => peer?.got.length, length => length === 9_000)
  })

  test('no message waits for ever: not one of QoS 0 that there was no room for when the connection broke, nor one that waits when the worker ends', async t => {
    const broker = await scriptedBroker(t, () => undefined, (peer, before) => {
      if (before === 0) answers(peer)
      peer.socket.pause()
    })
    const sender = publisher(t, broker.url)
    await until(() => sender.state.state, state => state === 'connected')
    const publish = (qos: 0 | 1 | 2, payload: string | Buffer) => sender.publish({ topic: 'a', payload, qos, retain: false }).then(() => 'sent', (error: PlatziverseError) => error.code)
    const large = Array.from({ length: 10 }, () => publish(0, Buffer.alloc(1_000_000)))
    broker.senders[0]?.socket.destroy()
    assert.deepEqual(new Set(await Promise.all(large)), new Set(['sent']))
    const waiting = ([0, 1, 2] as const).map(qos => publish(qos, 'x'))
    await sender.close()
    assert.deepEqual(await Promise.all(waiting), ['PUBLISH_FAILED', 'PUBLISH_FAILED', 'PUBLISH_FAILED'])
  })

  test('what is not MQTT ends the connection, and a message whose acknowledgement came with it is sent again', async t => {
    const broker = await scriptedBroker(t, () => undefined, (peer, before) => {
      if (before > 0) return answers(peer)
      peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 })
      peer.on(packet => {
        if (packet.cmd === 'pingreq') peer.send({ cmd: 'pingresp' })
        if (packet.cmd === 'publish') peer.socket.write(Buffer.concat([Buffer.from('36050001610001', 'hex'), generate({ cmd: 'puback', messageId: packet.messageId } as Packet)]))
      })
    })
    await publisher(t, broker.url).publish({ topic: 'a', payload: 'x', qos: 1, retain: false })
    assert.equal(broker.senders.length, 2)
  })

  test('a subscription that was refused is asked for again on the next connection', async t => {
    const broker = await scriptedBroker(t, () => undefined, (peer, before) => {
      if (before > 0) return answers(peer)
      peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 })
      peer.on(packet => { if (packet.cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: packet.messageId, granted: [0x80] }) })
    })
    const problems: PlatziverseError[] = []
    const sender = publisher(t, broker.url, problem => { problems.push(problem) })
    sender.subscribe('a/#', () => undefined)
    await until(() => problems.map(({ code }) => code), codes => codes.includes('BROKER_SUBSCRIPTION_REFUSED'))
    broker.senders[0]?.socket.destroy()
    await until(() => broker.senders[1]?.got ?? [], got => got.some(packet => packet.cmd === 'subscribe'))
  })
})

function publisher (t: TestContext, url: string, report: (problem: PlatziverseError) => void = () => undefined): Sender {
  const sender = new Sender(resolveRemoteOptions(remoteOptions(url, { version: '3.1.1' })), new Problems(report), () => undefined)
  t.after(() => sender.close())
  return sender
}
