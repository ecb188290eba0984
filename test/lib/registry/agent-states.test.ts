import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentStatesOf, dropAgentStates } from '../../../lib/registry/agent-states.ts'

const of = (uuid: string) => ({ agent: { uuid } })

test('an agent\'s state is published when it changes, from its first message on', () => {
  const states = agentStatesOf('n1')
  assert.deepEqual(states.changesBy('agent/message', of('a')), [{ uuid: 'a', topic: 'agent/a/status', payload: 'connected' }])
  assert.deepEqual(states.changesBy('agent/connected', of('a')), [])
  assert.equal(states.changesBy('agent/disconnected', of('a'))[0]?.payload, 'disconnected')
  assert.deepEqual(states.changesBy('agent/disconnected', of('a')), [])
  assert.equal(states.changesBy('agent/message', of('a'))[0]?.payload, 'connected')
  assert.equal(states.changesBy('agent/connected', of('b'))[0]?.payload, 'connected')
  assert.deepEqual(states.changesBy('other', of('c')), [])
  assert.deepEqual(states.changesBy('agent/message', 'text'), [])
})

test('an agent whose uuid is no level of a topic has no state', () => {
  for (const uuid of ['a/b', 'a+', '#', '/']) {
    assert.deepEqual(agentStatesOf('n3').changesBy('agent/message', of(uuid)), [])
    assert.equal(agentStatesOf('n3').forget(uuid), undefined)
  }
})

test('an agent that was forgotten is published anew, and a deploy forgets nothing', () => {
  agentStatesOf('n2').changesBy('agent/message', of('a'))
  assert.deepEqual(agentStatesOf('n2').changesBy('agent/message', of('a')), [])
  assert.deepEqual(agentStatesOf('n2').forget('a'), { uuid: 'a', topic: 'agent/a/status', payload: '' })
  assert.equal(agentStatesOf('n2').changesBy('agent/message', of('a'))[0]?.payload, 'connected')
  dropAgentStates('n2')
  assert.equal(agentStatesOf('n2').changesBy('agent/message', of('a'))[0]?.payload, 'connected')
})

test('agents that are invented leave room for what others retain: who has been gone longest loses its state, and who is connected keeps it', () => {
  const states = agentStatesOf('n4')
  states.changesBy('agent/message', of('honest'))
  for (let i = 1; i < 5000; i++) assert.equal(states.changesBy('agent/message', of(`invented-${i}`)).length, 1)
  assert.deepEqual(states.changesBy('agent/message', of('one-more')), [])
  states.changesBy('agent/disconnected', of('invented-7'))
  states.changesBy('agent/disconnected', of('invented-8'))
  assert.deepEqual(states.changesBy('agent/message', of('one-more')), [{ uuid: 'invented-7', topic: 'agent/invented-7/status', payload: '' }, { uuid: 'one-more', topic: 'agent/one-more/status', payload: 'connected' }])
  assert.deepEqual(states.changesBy('agent/connected', of('honest')), [])
})
