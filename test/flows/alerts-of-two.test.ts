import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { connectAsync, type MqttClient } from 'mqtt'
import { savedRuleDefaults } from '../../lib/alerts/rules/saved-rule.ts'
import { metricAlertDefaults } from '../../nodes/metric-alert/config.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, skipWithoutNodeRed, startNodeRed } from '../helpers/node-red.ts'
import { startPostgresql, withoutPostgresql } from '../helpers/postgresql.ts'

interface Said { state: string, agent: { uuid: string }, value: number }

// A process that is killed counts as gone after 90 seconds.
test('of two Node-REDs on one database one tells each alert once, and the other goes on where it is killed', { timeout: 240_000, skip: withoutPostgresql || skipWithoutNodeRed(5) }, async t => {
  const server = await startPostgresql()
  t.after(() => server.end())
  const { host, port, user, password, database } = await server.fresh()
  const knex = knexFactory({ client: 'pg', connection: { host, port: Number(port), user, password, database } as Knex.PgConnectionConfig })
  t.after(() => knex.destroy())
  const start = Date.now()
  let reports = 0
  const open = async () => {
    const [userDir, mqttPort] = await Promise.all([temporaryFolder(t), freePort()])
    const connection = { client: 'postgresql', host, port, database, credentials: { user, password } }
    const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port: mqttPort }, 'platziverse-database': connection }, ['platziverse-agent', 'debug'])
    const { id: z } = flows.find(({ type }) => type === 'tab') as { id: string }
    const { id } = flows.find(({ type }) => type === 'platziverse-database') as { id: string }
    const rules = [{ ...savedRuleDefaults, id: 'hot', name: 'hot', types: 'temperature', value: 90 }]
    const added = [
      { id: 'a1e2700000000001', type: 'metric-alert', z, ...metricAlertDefaults, database: id, rules, digest: 0, x: 100, y: 500, wires: [['a1e2700000000002'], ['a1e2700000000002'], []] },
      { id: 'a1e2700000000002', type: 'json', z, property: 'payload', action: 'str', pretty: false, x: 300, y: 500, wires: [['a1e2700000000003']] },
      { id: 'a1e2700000000003', type: 'file', z, filename: join(userDir, 'alerts.txt'), filenameType: 'str', appendNewline: true, createDir: false, overwriteFile: 'false', encoding: 'none', x: 500, y: 500, wires: [[]] }
    ]
    const nodeRed = await startNodeRed({ userDir })
    // Credentials are not in a file of flows.
    await nodeRed.deploy([...flows, ...added])
    let client: MqttClient | undefined
    const kill = async (): Promise<void> => {
      client?.end(true)
      await nodeRed.kill('SIGKILL')
    }
    t.after(kill)
    return {
      kill,
      said: async (): Promise<string[]> => (await readFile(join(userDir, 'alerts.txt'), 'utf8').catch(() => '')).split('\n').filter(line => line !== '').map(line => {
        const { state, agent, value } = JSON.parse(line) as Said
        return `${state} ${agent.uuid} ${value}`
      }),
      report: async (uuid: string, value: number): Promise<void> => {
        client ??= await until(() => connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
        await client.publishAsync('agent/message', JSON.stringify({ agent: { uuid }, metrics: [{ type: 'temperature', value }], timestamp: start + reports++ }), { qos: 1 })
      }
    }
  }
  const owner = async (): Promise<string | undefined> => (await knex('alert_owners').first<{ owner: string } | undefined>().catch(() => undefined))?.owner
  const told = async (): Promise<string> => (await knex('alert_states').where('told', 1).orderBy('uuid').pluck('uuid') as string[]).join()
  const one = await open()
  const first = await until(owner, id => id !== undefined)
  const two = await open()

  await one.report('a', 95)
  await two.report('b', 96)
  await until(one.said, said => said.length === 2)
  await until(told, uuids => uuids === 'a,b')
  await two.report('b', 20)
  // It is over before anybody looks.
  await two.report('c', 97)
  await two.report('c', 20)
  await until(one.said, said => said.length === 5)
  assert.deepEqual((await one.said()).sort(), ['cleared b 20', 'cleared c 20', 'raised a 95', 'raised b 96', 'raised c 97'])
  assert.deepEqual(await two.said(), [])
  await until(told, uuids => uuids === 'a')

  await one.kill()
  await two.report('a', 94)
  await two.report('d', 98)
  await until(owner, id => id !== first, 150_000)
  await until(two.said, said => said.length === 1)
  await two.report('a', 20)
  await until(two.said, said => said.length === 2)
  await until(told, uuids => uuids === 'd')
  assert.deepEqual(await two.said(), ['raised d 98', 'cleared a 20'])
  assert.equal((await one.said()).length, 5)
})
