import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reaches, type FlowNode, type Flows } from '../../nodes/shared/editor/downstream.ts'

/** Wires are `from:output>to`; the first node is the start. */
function flowsOf (
  nodes: FlowNode[], wires: string[], options: { disabled?: string[], subflows?: Record<string, { in: FlowNode[], instances: FlowNode[] }> } = {}
): { start: FlowNode, flows: Flows } {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const links = wires.map(wire => {
    const [, source = '', port = '', target = ''] = /^(\w+):(\d)>(\w+)$/.exec(wire) ?? []
    return { source, port: Number(port), target }
  })
  const [start] = nodes
  assert.ok(start)
  return {
    start,
    flows: {
      node: id => byId.get(id),
      wires: (id, port) => links.filter(link => link.source === id && (port === undefined || link.port === port)).flatMap(link => byId.get(link.target) ?? []),
      subflow: id => options.subflows?.[id],
      disabled: flow => options.disabled?.includes(flow) ?? false
    }
  }
}

const agentIn = { id: 'in', type: 'agent-in' }
const store = { id: 'store', type: 'metric-store' }

describe('the walk from agent-in to a metric-store', () => {
  test('looks at each output alone', () => {
    const { start, flows } = flowsOf([agentIn, store], ['in:2>store'])
    assert.equal(reaches('metric-store', start, 2, flows), true)
    assert.equal(reaches('metric-store', start, 0, flows), false)
  })

  test('goes through functions, switches and junctions, and ends in a loop', () => {
    const { start, flows } = flowsOf([agentIn, { id: 'f', type: 'function' }, { id: 's', type: 'switch' }, { id: 'j', type: 'junction' }, store],
      ['in:0>f', 'f:0>s', 's:0>f', 's:1>j', 'j:0>store', 'in:1>f'])
    assert.equal(reaches('metric-store', start, 0, flows), true)
    const loop = flowsOf([agentIn, { id: 'f', type: 'function' }, { id: 's', type: 'switch' }], ['in:0>f', 'f:0>s', 's:0>f'])
    assert.equal(reaches('metric-store', loop.start, 0, loop.flows), false)
  })

  test('follows a link out to its link ins', () => {
    const { start, flows } = flowsOf([agentIn, { id: 'out', type: 'link out', links: ['li', 'gone'] }, { id: 'li', type: 'link in', links: ['out'] }, store], ['in:0>out', 'li:0>store'])
    assert.equal(reaches('metric-store', start, 0, flows), true)
  })

  test('follows a link call there and back, and believes a dynamic one', () => {
    const there = flowsOf([agentIn, { id: 'call', type: 'link call', links: ['li'] }, { id: 'li', type: 'link in' }, { id: 'back', type: 'link out', mode: 'return' }, store],
      ['in:0>call', 'li:0>back', 'call:0>store'])
    assert.equal(reaches('metric-store', there.start, 0, there.flows), true)
    const dynamic = flowsOf([agentIn, { id: 'call', type: 'link call', linkType: 'dynamic' }], ['in:0>call'])
    assert.equal(reaches('metric-store', dynamic.start, 0, dynamic.flows), true)
  })

  test('goes into a subflow', () => {
    const entry: FlowNode = { id: 'entry', type: 'subflow', direction: 'in', z: 'sf' }
    const { start, flows } = flowsOf([agentIn, { id: 'i', type: 'subflow:sf' }, entry, store], ['in:0>i', 'entry:0>store'], { subflows: { sf: { in: [entry], instances: [] } } })
    assert.equal(reaches('metric-store', start, 0, flows), true)
  })

  test('goes out of a subflow by the same output of its instances', () => {
    const exit: FlowNode = { id: 'exit', type: 'subflow', direction: 'out', i: 1, z: 'sf' }
    const instance: FlowNode = { id: 'i', type: 'subflow:sf' }
    const subflows = { sf: { in: [], instances: [instance] } }
    const right = flowsOf([agentIn, exit, instance, store], ['in:0>exit', 'i:1>store'], { subflows })
    assert.equal(reaches('metric-store', right.start, 0, right.flows), true)
    const wrong = flowsOf([agentIn, exit, instance, store], ['in:0>exit', 'i:0>store'], { subflows })
    assert.equal(reaches('metric-store', wrong.start, 0, wrong.flows), false)
  })

  test('stops at what is disabled: a store, a node on the way, a flow behind a link', () => {
    const off = flowsOf([agentIn, { ...store, d: true }], ['in:0>store'])
    assert.equal(reaches('metric-store', off.start, 0, off.flows), false)
    const way = flowsOf([agentIn, { id: 'f', type: 'function', d: true }, store], ['in:0>f', 'f:0>store'])
    assert.equal(reaches('metric-store', way.start, 0, way.flows), false)
    const flow = flowsOf([agentIn, { id: 'out', type: 'link out', links: ['li'] }, { id: 'li', type: 'link in', z: 'off' }, store], ['in:0>out', 'li:0>store'], { disabled: ['off'] })
    assert.equal(reaches('metric-store', flow.start, 0, flow.flows), false)
  })
})
