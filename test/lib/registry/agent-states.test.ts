import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentStatesOf, dropAgentStates } from '../../../lib/registry/agent-states.ts'

const of = (uuid: string) => ({ agent: { uuid } })

test('an agent\'s state is published when it changes, from its first message on', () => {
  const states = agentStatesOf('n1')
  assert.deepEqual(states.changeBy('agent/message', of('a')), { uuid: 'a', topic: 'agent/a/status', payload: 'connected' })
  assert.equal(states.changeBy('agent/connected', of('a')), undefined)
  assert.equal(states.changeBy('agent/disconnected', of('a'))?.payload, 'disconnected')
  assert.equal(states.changeBy('agent/disconnected', of('a')), undefined)
  assert.equal(states.changeBy('agent/message', of('a'))?.payload, 'connected')
  assert.equal(states.changeBy('agent/connected', of('b'))?.payload, 'connected')
  assert.equal(states.changeBy('other', of('c')), undefined)
  assert.equal(states.changeBy('agent/message', 'text'), undefined)
})

test('an agent whose uuid is no level of a topic has no state', () => {
  for (const uuid of ['a/b', 'a+', '#', '/']) {
    assert.equal(agentStatesOf('n3').changeBy('agent/message', of(uuid)), undefined)
    assert.equal(agentStatesOf('n3').forget(uuid), undefined)
  }
})

test('an agent that was forgotten is published anew, and a deploy forgets nothing', () => {
  agentStatesOf('n2').changeBy('agent/message', of('a'))
  assert.equal(agentStatesOf('n2').changeBy('agent/message', of('a')), undefined)
  assert.deepEqual(agentStatesOf('n2').forget('a'), { uuid: 'a', topic: 'agent/a/status', payload: '' })
  assert.equal(agentStatesOf('n2').changeBy('agent/message', of('a'))?.payload, 'connected')
  dropAgentStates('n2')
  assert.equal(agentStatesOf('n2').changeBy('agent/message', of('a'))?.payload, 'connected')
})
