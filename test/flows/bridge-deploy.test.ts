import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { until } from '../helpers/events.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { freePort, startNodeRed, type DeployType } from '../helpers/node-red.ts'

interface Heard { numbers: Set<number>, missing: (sent: number) => number[] }

async function hear (client: MqttClient, filter: string): Promise<Heard> {
  const numbers = new Set<number>()
  client.on('message', (topic, payload) => { if (topic.startsWith(filter.slice(0, 2))) numbers.add(Number(payload)) })
  await client.subscribeAsync(filter, { qos: 2 })
  return { numbers, missing: sent => Array.from({ length: sent }, (_, i) => i).filter(i => !numbers.has(i)) }
}

async function clientOf (t: TestContext, port: number): Promise<MqttClient> {
  // Mosquitto hangs up on who has twenty messages of QoS 2 under way, as while it is frozen; the session is kept.
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { keepalive: 0, clientId: 'counting', clean: false, reconnectPeriod: 100 })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

/** A hundred messages a second, of QoS 1 and 2 in turn, until it is stopped or the test ends. */
function publishing (t: TestContext, client: MqttClient, topic: string): { stop: () => number } {
  let sent = 0
  const timer = setInterval(() => {
    client.publish(topic, String(sent), { qos: sent % 2 === 0 ? 1 : 2 }, () => undefined)
    sent++
  }, 10)
  t.after(() => { clearInterval(timer) })
  return { stop: () => { clearInterval(timer); return sent } }
}

test('a bridge loses nothing through deploys of every kind, nor while the other broker is frozen', { skip: withoutMosquitto, timeout: 120_000 }, async t => {
  const remote = await openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0')
  const port = await freePort()
  const topic = (direction: string, filter: string) => ({ direction, filter, qos: 2, localPrefix: '', remotePrefix: '' })
  const bridge = { id: 'b00000000000b001', type: 'platziverse-bridge', z: 'tab', name: '', broker: 'b00000000000b002', url: `mqtt://127.0.0.1:${remote.port}`, topics: [topic('out', 'x/#'), topic('in', 'y/#')], keepalive: 60, buffer: 10_000, wires: [[]] }
  const broker = { id: 'b00000000000b002', type: 'platziverse-broker', z: 'tab', name: '', port, wires: [[], []] }
  const flow = [{ id: 'tab', type: 'tab', label: 'Bridge' }, bridge, broker, { id: 'c', type: 'comment', z: 'tab', name: '', wires: [] }]
  const nodeRed = await startNodeRed({ flows: flow })
  t.after(() => nodeRed.stop())
  const [a, b] = [await clientOf(t, port), await clientOf(t, remote.port)]
  const [here, there] = [await hear(a, 'y/#'), await hear(b, 'x/#')]
  // Both directions are up.
  await until(async () => { await b.publishAsync('y/up', '-1', { qos: 1 }); return here.numbers.size }, size => size > 0)
  const [out, back] = [publishing(t, a, 'x/1'), publishing(t, b, 'y/1')]
  const moves: Array<[DeployType, { name?: string, buffer?: number }]> = [['full', bridge], ['nodes', bridge], ['full', broker], ['nodes', broker], ['flows', bridge], ['full', bridge]]
  for (const [i, [type, node]] of moves.entries()) {
    node.name = `again ${i}`
    // Other options: another bridge takes over.
    if (i > 3) bridge.buffer++
    const from = there.numbers.size
    if (i % 3 === 1) {
      remote.freeze()
      await nodeRed.deploy(flow, type)
      remote.thaw()
    } else {
      await nodeRed.deploy(flow, type)
    }
    await until(() => there.numbers.size, size => size > from + 30)
  }
  const [sentOut, sentBack] = [out.stop(), back.stop()]
  await until(() => [here.missing(sentBack), there.missing(sentOut)], ([one, other]) => one?.length === 0 && other?.length === 0, 10_000).catch(() => undefined)
  assert.deepEqual(there.missing(sentOut), [], `of ${sentOut} messages that left`)
  assert.deepEqual(here.missing(sentBack), [], `of ${sentBack} messages that came`)
})
