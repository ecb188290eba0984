import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientsOf } from '../../../lib/overview/clients.ts'

const client = (clientId: string, more: object = {}) => ({ clientId, clean: true, version: '5' as const, connectedAt: 1, subscriptions: [], ...more })
const brokers: Parameters<typeof clientsOf>[0] = [
  ['b1', { clients: () => [client('press'), client('Oven', { username: 'ana' })] }],
  ['b2', { clients: () => [client('gate', { address: '10.0.0.7', subscriptions: Array.from({ length: 30 }, (_, i) => ({ topic: `t/${i}`, qos: 1 })) })] }]
]

test('the clients of all brokers are in one list, in the order of their names, of which so many are shown', () => {
  const { total, found, rows } = clientsOf(brokers, { search: '', most: 2 })
  assert.deepEqual([total, found, rows.map(({ broker, clientId }) => `${broker} ${clientId}`)], [3, 3, ['b1 Oven', 'b2 gate']])
})

test('a search looks into client ids, usernames and addresses, in whatever case', () => {
  const names = (search: string) => clientsOf(brokers, { search, most: 10 }).rows.map(({ clientId }) => clientId)
  assert.deepEqual(['OVEN', 'ana', '0.0.7', 'nobody'].map(names), [['Oven'], ['Oven'], ['gate'], []])
})

test('of many subscriptions the first are told, and how many there are', () => {
  const [row] = clientsOf(brokers, { search: 'gate', most: 10 }).rows
  assert.deepEqual([row?.subscriptions.length, row?.subscribed], [20, 30])
})

test('of a long subscription the beginning is told: many clients with many of them would make an answer of megabytes', () => {
  const long = client('long', { subscriptions: Array.from({ length: 1000 }, () => ({ topic: 't'.repeat(60_000), qos: 0 })) })
  const answer = clientsOf([['b', { clients: () => Array.from({ length: 20 }, () => long) }]], { search: '', most: 500 })
  assert.match(answer.rows[0]?.subscriptions[0]?.topic ?? '', /^t{200}…$/)
  assert.ok(JSON.stringify(answer).length < 200_000)
})
