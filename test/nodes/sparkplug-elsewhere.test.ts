import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectAsync } from 'mqtt'
import { presets } from '../../lib/mapping/presets/presets.ts'
import { decode, encode } from '../fixtures/devices/sparkplug.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'

const load = useNodeRed()
const topics = [{ direction: 'in', filter: 'spBv1.0/#', qos: 0, localPrefix: '', remotePrefix: '' }, { direction: 'out', filter: 'spBv1.0/+/NCMD/#', qos: 0, localPrefix: '', remotePrefix: '' }]

/** What leads from agent-in to Mosquitto. */
const ways: Array<[name: string, nodesOf: (url: string) => object[]]> = [
  ['behind a bridge', url => [{ id: 'broker', type: 'platziverse-broker', port: 0, wires: [[], []] }, { id: 'bridge', type: 'platziverse-bridge', broker: 'broker', url, topics, wires: [[]] }]],
  ['where agent-in reads', url => [{ id: 'broker', type: 'platziverse-broker', mode: 'elsewhere', url, wires: [[], []] }]]
]
for (const [name, nodesOf] of ways) {
  test(`an edge node at Mosquitto, ${name}, is asked for its birth there, once, and read`, { skip: withoutMosquitto }, async t => {
    const url = `mqtt://127.0.0.1:${(await openMosquitto(t)).port}`
    const node = await connectAsync(url, { reconnectPeriod: 0 })
    t.after(() => node.endAsync(true))
    const asked: unknown[] = []
    let seq = 0
    const publish = (kind: string, metrics: NonNullable<Parameters<typeof encode>[0]['metrics']>): Promise<unknown> => node.publishAsync(`spBv1.0/Plant/${kind}/Line`, encode({ timestamp: Date.now(), seq: seq++ % 256, metrics }))
    const bear = async (): Promise<void> => {
      seq = 0
      await publish('NBIRTH', [{ name: 'bdSeq', type: 'UInt64', value: 3 }, { name: 'Force', alias: 1, type: 'Double', value: 0.5 }])
    }
    node.on('message', (_topic, payload) => {
      asked.push(decode(payload))
      void bear()
    })
    await node.subscribeAsync('spBv1.0/Plant/NCMD/Line')
    // Nobody is there to see it.
    await bear()

    const flow = await load([
      ...nodesOf(url),
      { id: 'in', type: 'agent-in', broker: 'broker', acknowledge: 'arrival', otherTopics: presets.find(({ id }) => id === 'sparkplug')?.rules, wires: [['got'], [], ['got'], ['rejected']] },
      { id: 'got', type: 'helper' },
      { id: 'rejected', type: 'helper' }
    ])
    let value = 1
    const values = (): string[] => flow.received<{ payload: { metrics?: Array<{ type: string, value: number }> } }>('got').flatMap(({ payload: { metrics = [] } }) => metrics.map(metric => `${metric.type} ${metric.value}`))
    await until(async () => {
      await publish('NDATA', [{ alias: 1, type: 'Double', value: ++value }])
      return values()
    }, all => all.includes('Force 0.5') && all.length > 1)
    assert.equal(asked.length, 1)
    assert.ok(flow.received<{ payload: { reason: string } }>('rejected').every(({ payload }) => payload.reason === 'BIRTH_UNKNOWN'))
  })
}
