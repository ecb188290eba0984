import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../helpers/events.ts'
import { useNodeRed } from '../helpers/flow.ts'

const load = useNodeRed()
const store = { id: 'store', z: 'tab', type: 'metric-store', database: 'nowhere', wires: [[]] }
const sentence = /^No database is chosen, or it is disabled\. Choose a platziverse-database.* \(DATABASE_MISSING\)$/

test('an error that nobody catches is a sentence in the log and the debug sidebar, with its code at the end', async () => {
  const flow = await load([{ id: 'tab', type: 'tab' }, store])
  flow.receive('store', { topic: 'agent/message', payload: {} })
  const told = await until(() => flow.log().filter(line => line.includes('database')), lines => lines.length >= 2)
  for (const line of told) assert.match(line, sentence)
})

test('a catch node gets the error itself, with its code', async () => {
  const flow = await load([{ id: 'tab', type: 'tab' }, store,
    { id: 'errors', z: 'tab', type: 'catch', scope: null, uncaught: false, wires: [['caught']] }, { id: 'caught', z: 'tab', type: 'helper' }])
  flow.receive('store', { topic: 'agent/message', payload: {} })
  const [message] = await until(() => flow.received('caught'), messages => messages.length === 1)
  const { code, message: text } = message?.error as { code: string, message: string }
  assert.equal(code, 'DATABASE_MISSING')
  assert.match(text, /^DATABASE_MISSING: No database is chosen/)
})
