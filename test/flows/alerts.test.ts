import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
// Node-RED's own.
import jsonata from 'jsonata'
import knexFactory from 'knex'
import { connectAsync, type MqttClient } from 'mqtt'
import { savedRuleDefaults } from '../../lib/alerts/rules/saved-rule.ts'
import { metricAlertDefaults } from '../../nodes/metric-alert/config.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'

interface Said { state: string, agent: { uuid: string }, value: number }

/** Node-RED with the main flow, and alerts that are appended to a file. */
async function running (t: TestContext) {
  const userDir = await temporaryFolder(t)
  const port = await freePort()
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port }, 'metric-store': { grace: 5 } }, ['platziverse-agent', 'debug'])
  const { id: z } = flows.find(({ type }) => type === 'tab') as { id: string }
  const { id: database } = flows.find(({ type }) => type === 'platziverse-database') as { id: string }
  const rules = [{ ...savedRuleDefaults, id: 'hot', name: 'hot', types: 'temperature', value: 90 }]
  const added = [
    { id: 'a1e2700000000001', type: 'metric-alert', z, ...metricAlertDefaults, database, rules, digest: 0, x: 100, y: 500, wires: [['a1e2700000000002'], ['a1e2700000000002'], []] },
    { id: 'a1e2700000000002', type: 'json', z, property: 'payload', action: 'str', pretty: false, x: 300, y: 500, wires: [['a1e2700000000003']] },
    { id: 'a1e2700000000003', type: 'file', z, filename: join(userDir, 'alerts.txt'), filenameType: 'str', appendNewline: true, createDir: false, overwriteFile: 'false', encoding: 'none', x: 500, y: 500, wires: [[]] }
  ]
  let nodeRed = await startNodeRed({ userDir, flows: [...flows, ...added] })
  t.after(() => nodeRed.stop())
  let client: MqttClient | undefined
  t.after(() => { client?.end(true) })
  const start = Date.now()
  let reports = 0
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  return {
    said: async (): Promise<Said[]> => (await readFile(join(userDir, 'alerts.txt'), 'utf8').catch(() => '')).split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Said),
    told: async () => (await knex('alert_states').where('told', 1).pluck('uuid') as string[]).sort(),
    report: async (uuid: string, value: number): Promise<void> => {
      client ??= await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined) as MqttClient
      await client.publishAsync('agent/message', JSON.stringify({ agent: { uuid }, metrics: [{ type: 'temperature', value }], timestamp: start + reports++ }), { qos: 1 })
    },
    kill: async (): Promise<void> => {
      client?.end(true)
      client = undefined
      await nodeRed.kill('SIGKILL')
      nodeRed = await startNodeRed({ userDir })
    }
  }
}

test('the example sends no e-mail as HTML, whatever agents are called, and Pushover no more than it takes', async () => {
  const flows = await exampleFlow('Alerts') as unknown as Array<{ type: string, name: string, rules: Array<{ p: string, to: string }> }>
  const payloadOf = async (name: string, text: string): Promise<string> => {
    const rule = flows.find(node => node.type === 'change' && node.name === name)?.rules.find(({ p }) => p === 'payload')
    return await jsonata(rule?.to ?? '').evaluate({ payload: { text, link: 'http://192.0.2.1/?agent=%3Cb%3E' } }) as string
  }
  // What the e-mail node takes for HTML.
  assert.doesNotMatch(await payloadOf('subject and text', 'A <img src=x> is 5 < 6'), /<[a-z][\s\S]*>/i)
  assert.equal((await payloadOf('title and priority', 'x'.repeat(3_000))).length, 1_024)
})

test('killed and started again, Node-RED neither repeats an alert nor forgets it', { timeout: 120_000 }, async t => {
  const { said, told, report, kill } = await running(t)
  await report('a', 95)
  await until(said, lines => lines.length === 1)
  await until(told, uuids => uuids.join() === 'a')
  await kill()
  await report('a', 96)
  await report('b', 99)
  await until(said, lines => lines.length === 2)
  await until(told, uuids => uuids.join() === 'a,b')
  await kill()
  await report('a', 20)
  await until(said, lines => lines.length === 3)
  assert.deepEqual((await said()).map(({ state, agent, value }) => `${state} ${agent.uuid} ${value}`), ['raised a 95', 'raised b 99', 'cleared a 20'])
})

test('killed while much changes, Node-RED tells every alert at least once, and in the end as it is', { timeout: 240_000 }, async t => {
  const { said, report, kill } = await running(t)
  const uuids = Array.from({ length: 20 }, (_, i) => `agent-${i}`)
  const stored = new Map<string, number>()
  for (let round = 0; round < 3; round++) {
    const until = Date.now() + 1_500
    for (let i = 0; Date.now() < until; i++) {
      const uuid = uuids[i % uuids.length] as string
      const value = Math.floor(i / uuids.length) % 2 === 0 ? 95 : 20
      await report(uuid, value)
      stored.set(uuid, value)
      if (i % 7 === 0) await new Promise(resolve => setTimeout(resolve, 20))
    }
    await kill()
  }
  const states = async (): Promise<Map<string, string>> => new Map((await said()).map(({ agent, state }) => [agent.uuid, state]))
  // An agent whose alert was never announced has none to end.
  await until(states, last => uuids.every(uuid => (last.get(uuid) ?? 'cleared') === ((stored.get(uuid) ?? 0) > 90 ? 'raised' : 'cleared')))
  const lines = await said()
  let repeated = 0
  for (const uuid of uuids) {
    const its = lines.filter(({ agent }) => agent.uuid === uuid).map(({ state }) => state)
    assert.notEqual(its[0], 'cleared', uuid)
    repeated += its.filter((state, i) => i > 0 && state === its[i - 1]).length
  }
  t.diagnostic(`${lines.length} changes announced across 3 kills, ${repeated} of them twice`)
  // At most what was on its way at a kill.
  assert.ok(repeated <= 3 * uuids.length, `${repeated} repeated`)
})
