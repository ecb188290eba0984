import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import knexFactory from 'knex'
import { connect } from 'mqtt'
import { presets } from '../../lib/mapping/presets/presets.ts'
import { decode, encode } from '../fixtures/devices/sparkplug.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'

type Metric = NonNullable<Parameters<typeof encode>[0]['metrics']>[number]

test('an edge node whose births a restart forgot is asked for them, answers, and all that it has is stored', { timeout: 120_000 }, async t => {
  const userDir = await temporaryFolder(t)
  const port = await freePort()
  const otherTopics = presets.find(({ id }) => id === 'sparkplug')?.rules
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'agent-in': { otherTopics } }, ['platziverse-agent', 'debug'])
  let nodeRed = await startNodeRed({ userDir, flows })
  t.after(() => nodeRed.stop())
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const agent = 'Plant:Line:Press'
  // Until the tables are made there is nothing.
  const stored = (): Promise<number[]> => knex('platziverse_metrics').where({ agent, type: 'Force' }).orderBy('ts').pluck<number[]>('value').catch(() => [])

  // An edge node that keeps what it measures while nobody is there. It sends its births when it starts and when it is asked, not because its connection was away.
  const client = connect(`mqtt://127.0.0.1:${port}`, { clientId: 'line', reconnectPeriod: 100, queueQoSZero: false })
  client.on('error', () => undefined)
  t.after(() => client.endAsync(true))
  const start = Date.now() - 60_000
  let seq = 0
  let force = 0
  const kept: Metric[] = []
  const bdSeq: Metric = { name: 'bdSeq', type: 'UInt64', value: 7 }
  const publish = (kind: string, metrics: Metric[]): Promise<unknown> => client.publishAsync(`spBv1.0/Plant/${kind}`, encode({ timestamp: Date.now(), seq: seq++ % 256, metrics }), { qos: 0 })
  const measure = (): Metric => ({ alias: 2, type: 'Int16', value: --force, timestamp: start + -force * 1_000 })
  const bear = async (): Promise<void> => {
    seq = 0
    await publish('NBIRTH/Line', [bdSeq, { name: 'Node Control/Rebirth', type: 'Boolean', value: false }])
    await publish('DBIRTH/Line/Press', [{ ...measure(), name: 'Force' } as Metric])
    await publish('DDATA/Line/Press', kept.splice(0).map(metric => ({ ...metric, isHistorical: true })))
  }
  const asked: unknown[] = []
  client.on('message', (_topic, payload) => {
    asked.push(decode(payload))
    void bear()
  })
  await client.subscribeAsync('spBv1.0/Plant/NCMD/Line')
  await bear()
  await publish('DDATA/Line/Press', [measure()])
  await until(() => stored(), rows => rows.length === 2)

  await nodeRed.stop()
  for (let i = 0; i < 3; i++) kept.push(measure())
  nodeRed = await startNodeRed({ userDir })
  await until(() => client.connected, is => is)
  kept.push(measure())
  await publish('DDATA/Line/Press', kept.slice(-1))

  await until(() => stored(), rows => rows.length === 7)
  assert.equal(asked.length, 1)
  assert.deepEqual(await stored(), [-1, -2, -3, -4, -5, -6, -7])
  // History is no news: the newest value is the one of the birth.
  const [newest] = await knex('series').join('agents', 'agents.id', 'series.agent_id').where({ uuid: agent, type: 'Force' }).select('last_value', 'last_ts') as Array<{ last_value: number, last_ts: number }>
  assert.deepEqual(newest, { last_value: -7, last_ts: start + 7_000 })
  assert.equal((await knex('agents').where({ connected: true }).pluck('uuid')).includes(agent), true)
})
