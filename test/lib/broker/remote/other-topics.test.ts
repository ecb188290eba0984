import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import type { ListenerState } from '../../../../lib/broker/broker.ts'
import { RuleTable } from '../../../../lib/mapping/rules/rule-table.ts'
import { returnsFrom } from '../../../../lib/registry/registry.ts'
import { openIntake, removeBroker, type Heard, type TestIntake } from '../../../helpers/broker.ts'
import { until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { claim } from '../../../helpers/intake.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'
import { openNats, withoutNats } from '../../../helpers/nats.ts'
import { openRabbitmq, withoutRabbitmq } from '../../../helpers/rabbitmq.ts'
import { openRemote, remoteOptions } from '../../../helpers/remote-broker.ts'
import { answers, scriptedBroker } from '../../../helpers/scripted-broker.ts'
import { tcpProxy } from '../../../helpers/tcp-proxy.ts'

const at = 1_764_000_000_000
const hello = JSON.stringify({ agent: { uuid: 'a' } })

const plugs = [
  { topic: 'tele/{uuid}/SENSOR', format: 'json', time: { path: 'at', unit: 'ms' } },
  { topic: 'tele/{uuid}/LWT', format: 'presence', presence: { online: 'Online', offline: 'Offline' } }
]
/** Rows of which several match `tele/status/SENSOR`, and none covers all of the others. */
const overlapping = [{ topic: 'tele/{uuid}/SENSOR', format: 'value' }, { topic: '{place}/status/{uuid}', format: 'value' }, { topic: 'tele/status/{uuid}', format: 'value' }]

const tableOf = (rows: unknown): { otherTopics: RuleTable } => ({ otherTopics: new RuleTable(rows) })

async function device (t: TestContext, port: number): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
  t.after(() => { client.end(true) })
  return client
}

/** What was heard, in short: kind, agent and values. */
function told (heard: Heard[]): string[] {
  return heard.map(({ kind, incoming, rejected }) => {
    if (incoming === undefined) return `${kind} ${rejected?.reason} ${rejected?.topic}`
    const { payload } = incoming
    return [kind, payload.agent.uuid, ...'metrics' in payload ? payload.metrics.map(({ type, value }) => `${type}=${value}`) : []].join(' ')
  })
}

async function settleAll ({ heard }: TestIntake, count: number): Promise<void> {
  await until(() => heard.length, length => length >= count)
  for (const one of heard) if (one.incoming !== undefined) claim(one).settle()
}

for (const version of ['5', '3.1.1'] as const) {
  suite(`other topics of a broker elsewhere, MQTT ${version}`, { skip: withoutMosquitto }, () => {
    test('a folder that takes no files is said once for each connection, and messages come', async t => {
      const folder = join(await temporaryFolder(t), 'file')
      await writeFile(folder, '')
      const { port } = await openMosquitto(t)
      const proxy = await tcpProxy(t, port)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${proxy.port}`, { version, group: '', folder }))
      const { heard } = openIntake(t, remote.id, { ...tableOf([{ topic: 'home/{uuid}/{type}', format: 'value' }]), acknowledge: 'arrival' })
      const client = await device(t, port)
      for (const time of [1, 2]) {
        await remote.connected()
        await client.publishAsync('home/a/a', String(time), { qos: 1 })
        await until(() => heard.length, length => length === time)
        for (const socket of proxy.clients) socket.destroy()
        await waitFor<ListenerState>(remote.place, 'listener', ({ state }) => state !== 'connected')
      }
      const unwritable = remote.problems.filter(({ code }) => code === 'BROKER_FOLDER_UNWRITABLE')
      assert.equal(unwritable.length, 2)
      assert.match(unwritable[0]?.detail ?? '', /file[\\/]\w+\.json cannot be written: .+\. Messages come all the same\.$/)
    })

    test('a publication becomes messages, and is acknowledged once all of them are settled', async t => {
      const { port } = await openMosquitto(t)
      const options = remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '' })
      const remote = await openRemote(t, options)
      const rows = [{ topic: 'lines/{site}', format: 'influx', uuid: '{$.host}' }]
      const first = openIntake(t, remote.id, tableOf(rows))
      await remote.connected()
      const client = await device(t, port)
      for (const hour of [1, 2]) await client.publishAsync('lines/north', `cpu,host=a idle=${hour} ${at}000000\ncpu,host=b idle=${hour} ${at}000000`, { qos: 1 })
      await until(() => first.heard.length, length => length === 4)
      assert.deepEqual(told(first.heard), ['message a cpu.idle=1', 'message b cpu.idle=1', 'message a cpu.idle=2', 'message b cpu.idle=2'])
      assert.deepEqual(first.heard[0]?.incoming?.source?.topic, 'lines/north')
      // All of the first one, and half of the second.
      for (const one of first.heard.slice(0, 3)) claim(one).settle()
      await removeBroker(remote.id)

      const again = await openRemote(t, options)
      const second = openIntake(t, again.id, tableOf(rows))
      await settleAll(second, 2)
      assert.deepEqual(told(second.heard), ['message a cpu.idle=2', 'message b cpu.idle=2'])
      await removeBroker(again.id)

      const last = await openRemote(t, options)
      const third = openIntake(t, last.id, tableOf(rows))
      await last.connected()
      await client.publishAsync('lines/north', `cpu,host=a idle=3 ${at}000000`, { qos: 1 })
      await until(() => third.heard.length, length => length > 0)
      assert.deepEqual(told(third.heard), ['message a cpu.idle=3'])
      assert.deepEqual([...remote.problems, ...again.problems, ...last.problems], [])
    })

    test('what is retained is no news, but for who is there; a connection that breaks brings none of it again', async t => {
      const { port } = await openMosquitto(t)
      const client = await device(t, port)
      await client.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, power: 1 }), { qos: 1, retain: true })
      await client.publishAsync('tele/plug/LWT', 'Online', { qos: 1, retain: true })
      await client.publishAsync('tele/lamp/LWT', 'Offline', { qos: 1, retain: true })
      const proxy = await tcpProxy(t, port)
      const options = remoteOptions(`mqtt://127.0.0.1:${proxy.port}`, { version, group: '' })
      const remote = await openRemote(t, options)
      const first = openIntake(t, remote.id, tableOf(plugs))
      await until(() => first.heard.length, length => length === 2)
      await client.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, power: 2 }), { qos: 1, retain: true })
      await settleAll(first, 3)
      assert.deepEqual(told(first.heard).sort(), ['connected plug', 'disconnected lamp', 'message plug power=2'])

      // What was acknowledged still arrives.
      for (const socket of proxy.clients) socket.end()
      await until(() => remote.place.listener.state, state => state !== 'connected')
      await remote.connected()
      await client.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, power: 3 }), { qos: 1, retain: true })
      await until(() => first.heard.length, length => length >= 4)
      assert.deepEqual(told(first.heard).slice(3), ['message plug power=3'])
      claim(first.heard[3]).settle()
      await removeBroker(remote.id)

      // Another start, with the same session, and then a row more.
      const again = await openRemote(t, options)
      const second = openIntake(t, again.id, tableOf(plugs))
      await again.connected()
      await client.publishAsync('stat/plug/LWT', 'Offline', { qos: 1, retain: true })
      const more = openIntake(t, again.id, tableOf([{ ...plugs[1], topic: 'stat/{uuid}/LWT' }]))
      await until(() => more.heard.length, length => length > 0)
      assert.deepEqual([told(second.heard), told(more.heard)], [[], ['disconnected plug']])
    })

    test('a publication that several rows match comes once, whoever shares it', async t => {
      const { port } = await openMosquitto(t)
      const client = await device(t, port)
      for (const group of ['', 'house']) {
        const workers = await Promise.all(['a', 'b'].slice(0, group === '' ? 1 : 2).map(async () => {
          const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group }))
          const intake = openIntake(t, remote.id, { ...tableOf(overlapping), acknowledge: 'arrival' })
          await remote.connected()
          return { remote, ...intake }
        }))
        const values = (): string[] => workers.flatMap(({ heard }) => told(heard))
        // What came twice came before the last ones.
        for (let n = 0; n < 40; n++) await client.publishAsync('tele/status/SENSOR', String(n), { qos: 1 })
        await until(values, all => all.some(text => text.endsWith('=39')) && new Set(all).size === 40)
        assert.equal(values().filter(text => Number(text.split('=')[1]) < 20).length, 20, group)
        for (const { remote } of workers) await removeBroker(remote.id)
      }
    })

    test('rows that match everything leave the three messages to themselves, and everything else to no row', async t => {
      const { port } = await openMosquitto(t)
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '', shards: ['s1'] }))
      const { heard } = openIntake(t, remote.id, { ...tableOf([{ topic: '#', format: 'value', uuid: 'all', type: 'x' }]), acknowledge: 'arrival' })
      await remote.connected()
      const client = await device(t, port)
      for (const topic of ['agent/s1/connected', 'agent/s2/connected', 'agent/connected']) await client.publishAsync(topic, hello, { qos: 1 })
      await client.publishAsync('other', '5', { qos: 1 })
      await until(() => heard.length, length => length === 2)
      assert.deepEqual(told(heard).sort(), ['connected a', 'message all x=5'])
      assert.deepEqual([returnsFrom(remote.id, 'other'), returnsFrom(remote.id, 'agent/s1/message')], [true, true])
    })

    test('other topics that nobody stores do not keep agents waiting', async t => {
      const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
      const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { version, group: '', receiveMaximum: 100 }))
      const { heard } = openIntake(t, remote.id, { ...tableOf([{ topic: '#', format: 'value', uuid: 'all', type: 'x' }]), clientWindow: 5 })
      await remote.connected()
      const client = await device(t, port)
      await Promise.all(Array.from({ length: 300 }, (_, n) => client.publishAsync(`flood/${n}`, '1', { qos: 1 })))
      await client.publishAsync('agent/connected', hello, { qos: 1 })
      await until(() => told(heard), all => all.includes('connected a'))
      assert.equal(heard.length, 6)
    })
  })
}

test('what the broker refuses is named, and the other rows are read', { skip: withoutNats }, async t => {
  // NATS has no topics with blanks.
  const { ports: [port = 0] } = await openNats(t)
  const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${port}`, { group: '' }))
  const { heard } = openIntake(t, remote.id, { ...tableOf([{ topic: 'living room/{uuid}', format: 'value' }, ...overlapping]), acknowledge: 'arrival' })
  await remote.connected()
  const client = await device(t, port)
  for (let n = 0; n < 5; n++) await client.publishAsync('tele/status/SENSOR', String(n), { qos: 1 })
  await client.publishAsync('a/status/last', '0', { qos: 1 })
  await until(() => told(heard), all => all.some(text => text.includes('last')))
  assert.deepEqual(told(heard).slice(0, 5), Array.from({ length: 5 }, (_, n) => `message status SENSOR=${n}`))
  // It hangs up on MQTT 5.
  const problems = remote.problems.filter(({ code }) => code !== 'BROKER_UNREACHABLE')
  assert.deepEqual(problems.map(({ code, detail }) => [code, detail]), [['BROKER_SUBSCRIPTION_REFUSED', 'The broker refused: living room/+.']])
  // A deploy changes one row, which is refused as well.
  openIntake(t, remote.id, tableOf([{ topic: 'bath room/{uuid}', format: 'value' }]))
  await until(() => remote.problems.at(-1)?.detail, detail => detail === 'The broker refused: living room/+, bath room/+.')
})

test('RabbitMQ gives each publication once, and what is retained again with no connection', { skip: withoutRabbitmq }, async t => {
  const { ports: [port = 0] } = await openRabbitmq(t)
  const client = await device(t, port)
  await client.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, power: 1 }), { qos: 1, retain: true })
  const proxy = await tcpProxy(t, port)
  const remote = await openRemote(t, remoteOptions(`mqtt://127.0.0.1:${proxy.port}`, { group: '' }))
  const intake = openIntake(t, remote.id, tableOf([...plugs, { topic: 'tele/plug/SENSOR', format: 'json' }, { topic: '{place}/status/{uuid}', format: 'value' }]))
  await remote.connected()
  await client.publishAsync('tele/status/SENSOR', JSON.stringify({ at, power: 2 }), { qos: 1 })
  await until(() => intake.heard.length, length => length === 1)
  for (const socket of proxy.clients) socket.destroy()
  await until(() => remote.place.listener.state, state => state !== 'connected')
  await remote.connected()
  await client.publishAsync('tele/plug/SENSOR', JSON.stringify({ at, power: 3 }), { qos: 1 })
  await settleAll(intake, 2)
  assert.deepEqual(told(intake.heard), ['message status power=2', 'message plug power=3'])
})

test('a broker that hangs up instead of refusing is said to refuse, and the three messages come', async t => {
  const broker = await scriptedBroker(t, peer => {
    if (!peer.connect.clientId.endsWith('-topics')) return answers(peer)
    peer.on(packet => { if (packet.cmd === 'subscribe') peer.socket.end() })
    peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, ...peer.version === 5 ? { properties: {} } : {} })
  })
  const remote = await openRemote(t, remoteOptions(broker.url, { group: '' }))
  const { heard } = openIntake(t, remote.id, { ...tableOf(Array.from({ length: 20 }, (_, i) => ({ topic: `site${i}/{uuid}`, format: 'value' }))), acknowledge: 'arrival' })
  await until(() => remote.problems[0], problem => problem !== undefined)
  assert.deepEqual(remote.problems.map(({ code, detail }) => [code, detail]), [
    ['BROKER_SUBSCRIPTION_REFUSED', 'The broker hung up when it was asked for: site0/+, site1/+, site10/+, site11/+, site12/+, ….']
  ])
  const agents = await until(() => broker.consumers.find(({ connect }) => !connect.clientId.endsWith('-topics')), peer => peer !== undefined)
  agents?.send({ cmd: 'publish', topic: 'agent/connected', payload: hello, qos: 1, messageId: 1, dup: false, retain: false, ...agents.version === 5 ? { properties: {} } : {} })
  await until(() => heard.length, length => length === 1)
})

test('other rows after a deploy mean other subscriptions, a few at a time', async t => {
  const broker = await scriptedBroker(t, peer => { answers(peer) })
  const remote = await openRemote(t, remoteOptions(broker.url, { group: '' }))
  const rows = (count: number, from = 0): object[] => Array.from({ length: count }, (_, i) => ({ topic: `site${from + i}/{uuid}`, format: 'value' }))
  const intake = openIntake(t, remote.id, tableOf(rows(10)))
  await remote.connected()
  const reader = broker.consumers.find(({ connect }) => connect.clientId.endsWith('-topics'))!
  const asked = (): string[] => reader.got.map(packet => {
    if (packet.cmd === 'subscribe') return `+ ${packet.subscriptions.map(({ topic }) => topic).join(' ')}`
    return packet.cmd === 'unsubscribe' ? `- ${packet.unsubscriptions.join(' ')}` : packet.cmd
  })
  const next = openIntake(t, remote.id, tableOf(rows(10, 1)))
  intake.detach(true)
  await until(asked, all => all.some(text => text.startsWith('-')))
  next.detach(true)
  await until(asked, all => all.includes('disconnect'))
  assert.deepEqual(asked(), [
    '+ site0/+ site1/+ site2/+ site3/+ site4/+ site5/+ site6/+ site7/+', '+ site8/+ site9/+', '+ site10/+', '- site0/+',
    '- site1/+ site10/+ site2/+ site3/+ site4/+ site5/+ site6/+ site7/+', '- site8/+ site9/+', 'disconnect'
  ])
})
