import assert from 'node:assert/strict'
import { test } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { connectAsync } from 'mqtt'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { reading } from '../helpers/messages.ts'
import { openMosquitto, withoutMosquitto } from '../helpers/mosquitto.ts'
import { nodeFor, skipWithoutNodeRed, startNodeRed, type NodeRed } from '../helpers/node-red.ts'
import { startPostgresql, withoutPostgresql } from '../helpers/postgresql.ts'

/** How many messages a worker stored. */
const took = ({ log }: NodeRed): number => [...log.matchAll(/\[debug:stored\]/g)].length

async function rowsOf (knex: Knex): Promise<number> {
  const row = await knex('metrics').count({ rows: '*' }).first().catch(() => undefined)
  return Number(row?.['rows'] ?? 0)
}

test('Workers on an external broker: two workers share the messages, one is stopped meanwhile, each row is there once, and one is taken away', {
  timeout: 180_000, skip: withoutMosquitto || withoutPostgresql || skipWithoutNodeRed(5)
}, async t => {
  const [mosquitto, server] = await Promise.all([openMosquitto(t, 'allow_anonymous true\nmax_queued_messages 0'), startPostgresql()])
  t.after(() => server.end())
  const { host, port, user, password, database } = await server.fresh()
  const knex = knexFactory({ client: 'pg', connection: { host, port: Number(port), user, password, database } as Knex.PgConnectionConfig })
  t.after(() => knex.destroy())
  const url = `mqtt://127.0.0.1:${mosquitto.port}`
  const env = { MQTT_URL: url, PGHOST: String(host), PGPORT: String(port), PGDATABASE: String(database), PGUSER: String(user), PGPASSWORD: String(password) }
  const flows = await exampleFlow('Workers on an external broker', { debug: { console: true } })
  const start = async (version: 4 | 5, userDir: string): Promise<NodeRed> => {
    const nodeRed = await startNodeRed({ version, flows, env, userDir })
    t.after(() => nodeRed.kill())
    return nodeRed
  }
  const other = nodeFor(4) === undefined ? 5 : 4
  const folders = await Promise.all([temporaryFolder(t), temporaryFolder(t)])
  const [first, second] = await Promise.all([start(5, folders[0]), start(other, folders[1])])

  const agent = await connectAsync(url, { reconnectPeriod: 0 })
  t.after(() => { agent.end(true) })
  const heard = new Set<string>()
  agent.on('message', (topic, payload) => { heard.add(`${topic} ${payload.toString()}`) })
  await agent.subscribeAsync('platform/#', { qos: 1 })
  let sent = 0
  const publish = async (count: number): Promise<void> => {
    sent += count
    await Promise.all(Array.from({ length: count }, (_, i) => agent.publishAsync('agent/message', reading(`a${i % 5}`), { qos: 1 })))
  }
  await until(async () => {
    await publish(1)
    return took(first) > 0 && took(second) > 0
  }, Boolean, 30_000)

  await publish(50)
  await second.kill('SIGTERM')
  await publish(100)
  const again = await start(other, folders[1])
  await publish(50)
  await until(() => rowsOf(knex), rows => rows >= 3 * sent, 30_000)
  await until(() => heard.size, size => size >= sent, 30_000)
  assert.deepEqual([await rowsOf(knex), heard.size], [3 * sent, sent])
  assert.equal((await knex('metrics').distinct('series_id', 'ts')).length, 3 * sent)
  const [one, two] = [took(first), took(second) + took(again)]
  t.diagnostic(`the workers took ${one} and ${two} of ${sent} messages`)
  assert.ok(one > sent / 4 && two > sent / 4, `${one} and ${two}`)
  assert.ok(took(again) > 0)

  // One that is taken away for good ends its session: the other one gets all there is.
  await again.deploy(flows.filter(({ type }) => type !== 'agent-in'))
  let inARow = 0
  await until(async () => {
    const before = took(first)
    await publish(1)
    inARow = await until(() => took(first) > before, Boolean, 2_000).then(() => inARow + 1, () => 0)
    return inARow
  }, inARow => inARow === 5, 30_000)
  const complaints = [first, second, again].flatMap(({ log }) => log.split('\n').filter(line => /\[error\]|\([A-Z]+_[A-Z_]+\)/.test(line)))
  assert.deepEqual(complaints, [])
})
