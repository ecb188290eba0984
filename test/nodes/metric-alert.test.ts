import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connectAsync } from 'mqtt'
import { savedRuleDefaults } from '../../lib/alerts/rules/saved-rule.ts'
import { Forgetting } from '../../lib/store/forgetting/forgetting.ts'
import type { DatabaseNode } from '../../nodes/platziverse-database/platziverse-database.ts'
import { metricAlertDefaults } from '../../nodes/metric-alert/config.ts'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const load = useNodeRed()
const start = Date.now() - 3_600_000

interface Alert { topic: string, payload: Record<string, unknown> & { state: string, text: string, texts: Record<string, string>, test?: boolean } }

const hot = { ...savedRuleDefaults, id: 'hot', name: 'hot', types: 'temperature', value: 90, end: 80, severity: 'critical' }

/** A flow that stores and alerts. */
async function alertFlow (t: TestContext, changes: object = {}, filename?: string) {
  const flow = await load([
    { id: 'tab', type: 'tab' },
    { id: 'database', type: 'platziverse-database', client: 'sqlite', filename: filename ?? join(await temporaryFolder(t), 'test.sqlite') },
    { id: 'broker', type: 'platziverse-broker', port: 0, wires: [[], []] },
    { id: 'store', type: 'metric-store', database: 'database', wires: [[]] },
    { id: 'alert', type: 'metric-alert', ...metricAlertDefaults, database: 'database', rules: [hot], wires: [['raised'], ['cleared'], ['answers'], ['states', 'out']], ...changes },
    { id: 'out', type: 'agent-out', broker: 'broker', retain: true, wires: [] },
    { id: 'errors', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['raised', 'cleared', 'answers', 'states', 'caught'].map(id => ({ id, type: 'helper' }))
  ].map(node => node.type === 'tab' || node.type === 'platziverse-database' ? node : { ...node, z: 'tab', x: 1, y: 1 }))
  const report = (seconds: number, value: number | string, ...others: string[]): void => {
    const metrics = ['temperature', ...others].map(type => ({ type, value }))
    flow.receive('store', { topic: 'agent/message', payload: { agent: { uuid: 'chip/1', name: 'Boiler' }, metrics, timestamp: start + seconds * 1000 } })
  }
  return { flow, report, watches: async () => { await until(() => flow.status('alert'), status => status?.text?.includes('status.watched') === true) } }
}

/** What is retained of alerts: topics, states, and that it is. */
async function retainedOf (t: TestContext, url: string, count: number): Promise<unknown[]> {
  const client = await connectAsync(url)
  t.after(() => client.endAsync(true))
  const retained: unknown[][] = []
  client.on('message', (topic, payload, { retain }) => { retained.push([topic, (JSON.parse(String(payload)) as { state: string }).state, retain]) })
  await client.subscribeAsync('alert/#')
  await until(() => retained.length, found => found >= count)
  return retained.sort()
}

test('an alert leaves by its output, ready to be sent, and is retained by agent-out', async t => {
  const { flow, report, watches } = await alertFlow(t, { link: 'http://192.0.2.1/dashboard/agent?agent={uuid}' })
  await watches()
  report(1, 93.25)
  const [raised] = await until(() => flow.received<Alert>('raised'), messages => messages.length === 1)
  const { text, texts, ...payload } = raised?.payload as Alert['payload']
  assert.equal(raised?.topic, 'alert/chip_1/temperature')
  assert.deepEqual(payload, {
    state: 'raised', rule: 'hot', severity: 'critical', agent: { uuid: 'chip/1', name: 'Boiler' }, type: 'temperature', value: 93.25, since: start + 1000, at: start + 1000, raised: ['hot'],
    link: 'http://192.0.2.1/dashboard/agent?agent=chip%2F1'
  })
  assert.equal(text, texts.en)
  assert.match(text, /^Critical: Boiler: temperature is 93\.25, above 90, since .* \(hot\)$/)
  assert.match(texts.es ?? '', /^Crítico: Boiler: temperature es 93,25, por encima de 90, desde .* \(hot\)$/)
  assert.match(texts.pt ?? '', /^Crítico: Boiler: temperature é 93,25, acima de 90, desde .* \(hot\)$/)
  await until(() => flow.status('alert'), status => status?.fill === 'red')
  report(2, 20)
  const [cleared] = await until(() => flow.received<Alert>('cleared'), messages => messages.length === 1)
  assert.equal(cleared?.payload.state, 'cleared')
  assert.deepEqual(cleared?.payload.raised, [])
  assert.deepEqual(await retainedOf(t, await flow.url('broker'), 1), [['alert/chip_1/temperature', 'cleared', true]])
})

test('a digest is one message, and each of its alerts is retained on its own topic all the same', async t => {
  const { flow, report, watches } = await alertFlow(t, { rules: [{ ...hot, types: 'temp*' }], digest: 1, digestWithin: 2 })
  await watches()
  report(1, 95, 'temp2', 'temp3')
  const [first, digest] = await until(() => flow.received<Alert>('raised'), messages => messages.length === 2)
  assert.deepEqual([first?.topic, digest?.topic, digest?.payload.state], ['alert/chip_1/temperature', 'alert', 'digest'])
  const states = flow.received<Alert>('states')
  assert.deepEqual(states.map(({ topic, payload }) => [topic, payload.state]), ['temperature', 'temp2', 'temp3'].map(type => [`alert/chip_1/${type}`, 'raised']))
  assert.deepEqual([states[0]?.payload, states.slice(1).map(({ payload }) => payload)], [first?.payload, digest?.payload.changes])
  assert.deepEqual(await retainedOf(t, await flow.url('broker'), 3), ['temp2', 'temp3', 'temperature'].map(type => [`alert/chip_1/${type}`, 'raised', true]))
})

test('it can be silenced, acknowledged, tested and asked', async t => {
  const { flow, report, watches } = await alertFlow(t)
  await watches()
  const ask = async (topic: string, payload: object = {}): Promise<unknown> => {
    const before = flow.received('answers').length
    flow.receive('alert', { topic, payload })
    return (await until(() => flow.received('answers')[before], message => message !== undefined))?.payload
  }
  const silenced = await ask('silence', { uuid: 'chip/1', until: '3600' }) as Array<{ uuid: string, until: number }>
  assert.ok(silenced.length === 1 && silenced[0]?.uuid === 'chip/1' && Math.abs(silenced[0].until - Date.now() - 3_600_000) < 60_000)
  report(1, 95)
  const state = await until(() => ask('state') as Promise<{ raised: Array<Record<string, unknown>> }>, ({ raised }) => raised.length === 1)
  assert.deepEqual(state.raised, [{ rule: 'hot', severity: 'critical', uuid: 'chip/1', name: 'Boiler', type: 'temperature', value: 95, since: start + 1000, acknowledged: false }])
  assert.deepEqual(flow.received('raised'), [])
  assert.deepEqual(await ask('silence', { uuid: 'chip/1', until: 0 }), [])
  await until(() => flow.received('raised').length, count => count === 1)
  assert.deepEqual(await ask('acknowledge', { uuid: 'chip/1' }), { acknowledged: 1 })
  assert.deepEqual(await ask('test'), { tested: 'hot' })
  const [, tested] = await until(() => flow.received<Alert>('raised'), messages => messages.length === 2)
  assert.ok(tested?.payload.test === true && tested.payload.text.startsWith('Test: Critical: test: test is 90'))
  await until(() => flow.received('cleared').length, count => count === 1)
  for (const [topic, payload, problem] of [
    ['nonsense', {}, 'msg.topic is none of'], ['silence', {}, 'until is no time'], ['silence', { until: 5, uuid: 7 }, '"uuid" is not a text'], ['test', { rule: 'cold' }, 'There is no rule "cold"']
  ] as const) {
    const before = flow.received('caught').length
    flow.receive('alert', { topic, payload })
    const caught = await until(() => flow.received<{ error: { message: string } }>('caught')[before], message => message !== undefined)
    assert.match(caught?.error.message ?? '', new RegExp(`^ALERT_INPUT_INVALID: ${problem}`))
  }
})

test('a rule that could not work is said, and nothing is watched', async t => {
  const { flow } = await alertFlow(t, { rules: [{ ...hot, types: '' }] })
  await until(() => flow.log(), log => log.some(line => line.includes('The rule "hot" needs types.')))
  assert.equal(flow.status('alert')?.fill, 'red')
})

test('the times of maintenance are kept by the node', async t => {
  const { flow, report, watches } = await alertFlow(t, { maintenance: [{ cron: '* * * * *', minutes: 2, timezone: 'Europe/Madrid', agents: 'Boil*' }] })
  await watches()
  report(1, 95)
  const { store } = flow.node<DatabaseNode>('database')
  await until(async () => (await store.read())('alert_states').where({ phase: 'raised', told: 0 }).pluck('uuid'), uuids => (uuids as string[]).join() === 'chip/1')
  assert.deepEqual(flow.received('raised'), [])
})

test('a text that a rule would have to compare with a number is counted in the status, until a number comes', async t => {
  const { flow, report, watches } = await alertFlow(t)
  assert.equal((await until(() => flow.status('alert'), status => status?.text?.includes('status.watched') === true))?.fill, 'yellow', 'nothing is watched')
  await watches()
  report(1, '93,25')
  const ofTexts = await until(() => flow.status('alert'), status => status?.text?.includes('status.ofTexts') === true)
  assert.equal(ofTexts?.fill, 'yellow')
  report(2, 20)
  assert.equal((await until(() => flow.status('alert'), status => status?.text?.includes('status.ofTexts') === false))?.fill, 'green')
  report(3, '93,25')
  await until(() => flow.status('alert'), status => status?.text?.includes('status.ofTexts') === true)
  const forgetting = new Forgetting(flow.node<DatabaseNode>('database').store)
  t.after(() => forgetting.stop())
  await forgetting.forget('chip/1')
  assert.doesNotMatch((await until(() => flow.status('alert'), status => status?.text?.includes('status.ofTexts') === false))?.text ?? '', /ofTexts/)
})
