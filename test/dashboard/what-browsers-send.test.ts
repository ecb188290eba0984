import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileFunction } from 'node:vm'
import { exampleFlow } from '../helpers/main-flow.ts'

// A browser may send the dashboard whatever it likes, and so may clients and agents the broker: what the functions of the examples make of it.

type Message = Record<string, unknown>
type Run = (msg: Message) => unknown

const stranger = { socketId: 'stranger', socketIp: '192.0.2.1' }
const neighbour = { socketId: 'neighbour', socketIp: '::ffff:127.0.0.1' }

/** A function of an example, called as Node-RED calls it, and what its flow keeps. */
async function functionOf (example: string, name: string): Promise<{ run: Run, flow: Map<string, unknown> }> {
  const node = (await exampleFlow(example)).find(node => node.type === 'function' && node.name === name)
  const code = compileFunction(String(node?.func), ['msg', 'context', 'flow', 'env'])
  const [context, flow] = [new Map<string, unknown>(), new Map<string, unknown>()]
  return { run: msg => code(msg, context, flow, { get: () => 'this machine' }), flow }
}

const nonsense: Message[] = [{}, { payload: null }, { payload: 'x' }, { payload: [] }, { payload: {} }, { payload: { query: null } }, { payload: { query: { metrics: [{}, null] } } }]

test('a message that no page sends makes no function of a browser throw', async () => {
  for (const [example, name] of [['Live dashboard', 'question'], ['Sensors and commands', 'question'], ['Sensors and commands', 'command'], ['Sensors and commands', 'fill the form']] as const) {
    const { run } = await functionOf(example, name)
    for (const msg of nonsense) for (const _client of [undefined, neighbour]) run({ ...msg, topic: '/agent', _client })
  }
})

test('a viewer who may not disconnect clients cannot confirm it either', async () => {
  const { run } = await functionOf('Live dashboard', 'confirmed')
  assert.equal(run({ payload: 'confirm_clicked', clientId: 'press', _client: stranger }), null)
  assert.deepEqual(run({ payload: 'confirm_clicked', clientId: 'press', _client: neighbour }), { clientId: 'press', _client: neighbour })
  assert.equal(run({ payload: 'dismiss_clicked', clientId: 'press', _client: neighbour }), null)
})

test('of what a browser asks only what its page needs goes on', async () => {
  const { run, flow } = await functionOf('Live dashboard', 'question')
  flow.set('texts', { es: { Agents: 'Agentes' } })
  const query = { agent: { uuid: 'x' }, range: '1h', metrics: Array.from({ length: 100_000 }, (_, i) => `type-${i}`), more: 'x' }
  const [question] = run({ topic: '/agent', payload: { n: 1, lang: '__proto__', query, huge: 'x' }, _client: neighbour }) as [{ ask: { query: { metrics: string[] } }, texts: object }]
  assert.deepEqual(Object.keys(question.ask).sort(), ['lang', 'n', 'query', 'state', 'timeZone'])
  assert.deepEqual({ ...question.ask.query, metrics: question.ask.query.metrics.length }, { agent: undefined, range: '1h', metrics: 100 })
  assert.deepEqual(question.texts, {})
})

test('a browser that asks without end is answered a few times, told to wait, and then not answered', async () => {
  for (const example of ['Live dashboard', 'Sensors and commands']) await asksWithoutEnd(example)
})

async function asksWithoutEnd (example: string): Promise<void> {
  const { run } = await functionOf(example, 'question')
  const ask = (_client: object): unknown => run({ topic: '/overview', payload: { n: 1, state: null, query: {}, lang: 'en' }, _client })
  const kinds = Array.from({ length: 1000 }, () => ask(neighbour)).map(answer => answer === null ? 'none' : (answer as unknown[])[0] === null ? 'wait' : 'asked')
  const count = (kind: string): number => kinds.filter(one => one === kind).length
  assert.ok(count('asked') >= 8 && count('asked') < 20, `${count('asked')} asked`)
  assert.ok(count('wait') > 0 && count('wait') < 40 && count('none') > 900)
  // Another viewer is asked for nevertheless.
  assert.notEqual((ask(stranger) as unknown[])[0], null)
}

test('ten thousand types of an agent, and clients with long names and topics, make an answer that a page can show', async () => {
  const history = await functionOf('Live dashboard', 'values and history?')
  const values = Array.from({ length: 10_000 }, (_, i) => ({ type: `type-${i}`, ts: 1, value: i }))
  const agent = { uuid: 'wide', name: 'wide', connected: true, lastSeenAt: 1 }
  const answer = history.run({ agent, payload: values, texts: {}, ask: { n: 1, lang: 'en', timeZone: 'UTC', state: null, query: { metrics: [] } }, _client: neighbour })
  assert.ok(JSON.stringify(answer).length < 100_000)
  assert.match(JSON.stringify(answer), /… \+ 9,700/)

  const clients = await functionOf('Live dashboard', 'clients of the broker')
  const subscriptions = Array.from({ length: 1000 }, () => ({ topic: 't'.repeat(60_000), qos: 0 }))
  const shown = clients.run({ payload: Array.from({ length: 2000 }, (_, i) => ({ clientId: `${i}${'c'.repeat(100)}`, subscriptions })), ask: { lang: 'en' }, texts: {}, _client: neighbour })
  assert.ok(JSON.stringify(shown).length < 4_000_000)
  assert.match(JSON.stringify(shown), /… \+ 1000/)

  const events = await functionOf('Live dashboard', 'last events')
  for (let i = 0; i < 200; i++) events.run({ payload: { event: 'subscribed', clientId: 'c'.repeat(8000), subscriptions } })
  assert.ok(JSON.stringify(events.flow.get('events')).length < 100_000)
})

test('what is published on the topics of commands is kept as far as the table shows it', async () => {
  const { run, flow } = await functionOf('Sensors and commands', 'heard')
  const hear = (topic: string, payload: string): unknown => run({ topic: `config_change/${topic}`, payload })
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
  hear('deep/state', `{"refused":{"message":${deep}},"at":${deep},"interval":[]}`)
  hear('deep', `{"interval":${deep},"metrics":[${deep},"cpuLoad",{"toString":1}]}`)
  hear('__proto__/state', '{"interval":1000}')
  hear('long/state', JSON.stringify({ metrics: Array.from({ length: 1000 }, () => 'x'.repeat(200)), refused: { message: 'x'.repeat(10_000) } }))
  hear('huge/state', JSON.stringify({ metrics: ['x'.repeat(300_000)] }))
  const inForce = flow.get('inForce') as Record<string, unknown>
  assert.deepEqual(Object.keys(inForce), ['deep', '__proto__', 'long'])
  assert.equal(Object.getPrototypeOf(inForce), Object.prototype)
  assert.equal(JSON.stringify(inForce.deep), '{}')
  assert.ok(JSON.stringify(inForce).length < 10_000)
  assert.equal(JSON.stringify(flow.get('asked')), '{"deep":{"metrics":["cpuLoad"]}}')
})
