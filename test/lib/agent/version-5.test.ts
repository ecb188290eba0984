import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import mqtt, { type IPublishPacket } from 'mqtt'
import { makeAgent, next, problem } from '../../helpers/agent-broker.ts'
import { until } from '../../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'
import { answers, scriptedBroker, waysToRefuseVersion5 } from '../../helpers/scripted-broker.ts'
import { tcpProxy } from '../../helpers/tcp-proxy.ts'

interface Said { topic: string, payload: { timestamp: number }, properties: IPublishPacket['properties'] }

/** What agents say there. */
async function hear (t: TestContext, port: number): Promise<Said[]> {
  const said: Said[] = []
  const observer = await mqtt.connectAsync({ host: '127.0.0.1', port, protocolVersion: 5 })
  t.after(() => observer.endAsync(true))
  observer.on('message', (topic, payload, { properties }) => { said.push({ topic, payload: JSON.parse(payload.toString()), properties }) })
  await observer.subscribeAsync('agent/#', { qos: 1 })
  return said
}

test('a short loss is no goodbye, a long one is; what an agent says is JSON', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t)
  const proxy = await tcpProxy(t, port)
  const said = await hear(t, port)
  const agent = makeAgent(t, { mqtt: { url: `mqtt://127.0.0.1:${proxy.port}` }, willDelay: 1 })
  const of = (topic: string): Said[] => said.filter(message => message.topic === topic)
  await agent.connect()
  await until(() => of('agent/connected').length, count => count === 1)

  const back = next(agent, 'connected')
  for (const client of proxy.clients) client.destroy()
  await back
  await agent.report({ type: 'a', value: 1 })
  await until(() => of('agent/connected').length, count => count === 2)
  await until(() => of('agent/message').length, count => count > 0)

  proxy.request = (_bytes, server) => { server.destroy() }
  for (const client of proxy.clients) client.destroy()
  await until(() => of('agent/disconnected').length, count => count > 0)
  // Of the second connection: the first had no goodbye.
  assert.deepEqual(of('agent/disconnected').map(({ payload }) => payload.timestamp), [of('agent/connected')[1]?.payload.timestamp])
  for (const { topic, properties } of said) {
    assert.deepEqual([properties?.contentType, properties?.payloadFormatIndicator], ['application/json', true], topic)
  }
})

test('an agent that says goodbye leaves neither will nor session', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t)
  const said = await hear(t, port)
  const agent = makeAgent(t, { mqtt: { url: `mqtt://127.0.0.1:${port}` } })
  await agent.connect()
  await agent.disconnect()
  await until(() => said.filter(({ topic }) => topic === 'agent/disconnected').length, count => count === 1)
  const same = mqtt.connect({ host: '127.0.0.1', port, protocolVersion: 5, clientId: `platziverse-${agent.uuid}`, clean: false, reconnectPeriod: 0 })
  t.after(() => same.endAsync(true))
  const { sessionPresent } = await new Promise<{ sessionPresent: boolean }>(resolve => { same.once('connect', resolve) })
  assert.equal(sessionPresent, false)
})

for (const [title, refuses] of waysToRefuseVersion5) {
  test(`a broker that does not speak MQTT 5 and ${title} is spoken to in 3.1.1, without a word and from then on`, async t => {
    const broker = await scriptedBroker(t, peer => {
      if (peer.version === 4) return answers(peer, { sessionPresent: false })
      if (refuses !== undefined) peer.send({ cmd: 'connack', ...refuses })
      peer.socket.end()
    })
    const agent = makeAgent(t, { mqtt: { url: broker.url }, reconnect: { min: 5_000 } })
    const problems: unknown[] = []
    agent.on('problem', reason => { problems.push(reason) })
    await agent.connect()
    await agent.report({ type: 'a', value: 1 })
    await agent.disconnect()
    await agent.connect()
    assert.deepEqual(broker.consumers.map(({ version }) => version), [5, 4, 4])
    assert.deepEqual(problems, [])
  })
}

test('what a broker refuses is told with its reason, dropped and counted, and the next one is sent; no more are under way than it takes', async t => {
  let most = 0
  const broker = await scriptedBroker(t, peer => {
    const { send } = peer
    let underWay = 0
    peer.on(packet => { if (packet.cmd === 'publish' && packet.qos > 0) most = Math.max(most, ++underWay) })
    peer.send = packet => {
      const { cmd, messageId } = packet as { cmd: string, messageId: number }
      if (cmd !== 'puback') return send(packet)
      const asked = peer.got.findLast(({ cmd, messageId: id }) => cmd === 'publish' && id === messageId) as IPublishPacket | undefined
      const isBad = asked?.payload.toString().includes('"bad"') === true
      // What else is on its way would come before the answer.
      setImmediate(() => {
        underWay--
        send(isBad ? { ...packet, reasonCode: 0x99, properties: { reasonString: 'FIELD_INVALID: metrics[0].type must be good.' } } : packet)
      })
    }
    answers(peer, { sessionPresent: false, connack: { receiveMaximum: 1 } })
  })
  const agent = makeAgent(t, { mqtt: { url: broker.url } })
  await agent.connect()
  const told = problem(agent, 'AGENT_MESSAGE_REFUSED')
  const [bad, good] = await Promise.allSettled([agent.report({ type: 'bad', value: 1 }), agent.report({ type: 'good', value: 1 })])
  assert.equal((await told).detail, 'The broker refused a message: FIELD_INVALID: metrics[0].type must be good.')
  assert.deepEqual([bad.status, good.status, agent.connected], ['rejected', 'fulfilled', true])
  assert.deepEqual(agent.counters, { sent: 1, pending: 0, dropped: 1 })
  assert.equal(most, 1)
})

test('what can never fit into a packet of the broker is dropped, counted and told, and the others go', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t, 'allow_anonymous true\nmax_packet_size 1000')
  const agent = makeAgent(t, { mqtt: { url: `mqtt://127.0.0.1:${port}` } })
  let losses = 0
  agent.on('disconnected', () => { losses++ })
  await agent.connect()
  const told = problem(agent, 'AGENT_MESSAGE_REFUSED')
  const [large, small] = await Promise.allSettled([agent.report({ type: 'large', value: 'x'.repeat(1_000) }), agent.report({ type: 'small', value: 1 })])
  assert.match((await told).detail, /^A message on "agent\/message" has 1\d\d\d bytes, of 1000 that are taken\.$/)
  assert.deepEqual([large.status, small.status, losses], ['rejected', 'fulfilled', 0])
  assert.deepEqual(agent.counters, { sent: 1, pending: 0, dropped: 1 })
})
