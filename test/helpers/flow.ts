import { createRequire } from 'node:module'
import { after, afterEach, before } from 'node:test'
import type { Node, NodeMessage } from 'node-red'
import helper from 'node-red-node-test-helper'
import { brokerUrl } from '../../lib/registry/broker-url.ts'
import agentIn from '../../nodes/agent-in/agent-in.ts'
import agentOut from '../../nodes/agent-out/agent-out.ts'
import metricAlert from '../../nodes/metric-alert/metric-alert.ts'
import metricQuery from '../../nodes/metric-query/metric-query.ts'
import metricStore from '../../nodes/metric-store/metric-store.ts'
import agent from '../../nodes/platziverse-agent/platziverse-agent.ts'
import bridge from '../../nodes/platziverse-bridge/platziverse-bridge.ts'
import broker from '../../nodes/platziverse-broker/platziverse-broker.ts'
import database from '../../nodes/platziverse-database/platziverse-database.ts'
import { closeAll } from '../../nodes/shared/broker.ts'
import { until } from './events.ts'
import { callsOf, loadNodes, type Status } from './loaded-nodes.ts'

const require = createRequire(import.meta.url)
const changeNode: unknown = require('@node-red/nodes/core/function/15-change.js')
const functionNode: unknown = require('@node-red/nodes/core/function/10-function.js')
const tlsNode: unknown = require('@node-red/nodes/core/network/05-tls.js')
const splitNodes: unknown = require('@node-red/nodes/core/sequence/17-split.js')

type Received = NodeMessage & Record<string, unknown>

export interface TestFlow {
  /** What reached a helper node, in order. */
  received<Message = Received> (id: string): Message[]
  node<T = Node> (id: string): T
  /** Gives a message to a node. */
  receive (id: string, message: object): void
  /** What nodes logged as errors or warnings. */
  log (): string[]
  /** The last status that a node showed. */
  status (id: string): Status | undefined
  url (brokerId: string): Promise<string>
}

/** Node-RED without an editor for the tests of a file; everything is unloaded after each test. */
export function useNodeRed (): (flow: object[], credentials?: object) => Promise<TestFlow> {
  helper.init(require.resolve('node-red'))
  before(() => new Promise<void>(resolve => { helper.startServer(resolve) }))
  after(() => new Promise<void>(resolve => { helper.stopServer(resolve) }))
  afterEach(async () => {
    await helper.unload()
    await closeAll()
  })
  return async (flow, credentials = {}) => {
    const received = new Map<string, Received[]>()
    await loadNodes([broker, bridge, agent, agentIn, database, metricStore, metricQuery, metricAlert, agentOut, changeNode, functionNode, splitNodes, tlsNode], flow, credentials)
    for (const { id, type } of flow as Array<{ id: string, type: string }>) {
      if (type !== 'helper') continue
      const messages: Received[] = []
      received.set(id, messages)
      helper.getNode(id).on('input', message => { messages.push(message as Received) })
    }
    return {
      received: <Message>(id: string) => (received.get(id) ?? []) as Message[],
      node: <T>(id: string) => helper.getNode(id) as T,
      receive: (id, message) => { helper.getNode(id).receive(message as NodeMessage) },
      log: () => (helper.log().args as Array<[{ level: number, msg: unknown }]>).filter(([{ level }]) => level <= 30 && level > 0)
        .map(([{ msg }]) => String((msg as Error | undefined)?.message ?? msg)),
      status: id => callsOf<Status>(helper.getNode(id), 'status').at(-1),
      url: async brokerId => await until(() => brokerUrl(brokerId), url => url !== undefined) as string
    }
  }
}
