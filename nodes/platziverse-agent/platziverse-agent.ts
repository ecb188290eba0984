import type { Node, NodeDef } from 'node-red'
import type { Agent, Metric } from '../../lib/agent/agent.ts'
import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { attachAgent, detachAgent } from '../../lib/registry/agents.ts'
import { watchFlows } from '../shared/broker.ts'
import { checkLogin } from '../shared/login.ts'
import { outboxHandlerOf } from '../shared/outbox.ts'
import type { RED } from '../shared/red.ts'
import { bad, good, joined, pending, statusLine } from '../shared/status.ts'
import type { AgentConfig } from './config.ts'
import { upgrade } from './migrations.ts'
import { agentOptionsOf, type Credentials } from './options.ts'

type SavedConfig = AgentConfig & NodeDef & { wires?: string[][] }

/**
 * In: metrics to report, in `msg.payload`: `{type, value}`, an array of them, or `{metrics: […]}`; done once the broker has
 * acknowledged them. Out: messages of other agents, `{topic, payload}` as in the message contract.
 */
export default function (RED: RED): void {
  watchFlows(RED)

  RED.nodes.registerType<Node<Credentials>, SavedConfig, unknown, Credentials>('platziverse-agent', function (this, saved) {
    RED.nodes.createNode(this, saved)
    const config = upgrade(saved)
    const text = (key: string, values?: Record<string, string | number>): string => RED._(`platziverse-agent.status.${key}`, values)
    const status = statusLine(this)
    const handler = outboxHandlerOf(RED, this)

    let agent: Agent
    try {
      checkLogin(config, this.credentials)
      const surroundings = { id: saved.id, userDir: RED.settings.userDir, listen: saved.wires?.[0]?.length !== 0 }
      agent = attachAgent(this.id, agentOptionsOf(config, this.credentials ?? {}, surroundings), handler)
    } catch (error) {
      this.status(bad(text('error', { detail: error instanceof PlatziverseError ? error.detail : reasonOf(error) })))
      this.error(reasonOf(error))
      this.on('input', (_msg, _send, done) => done(error as Error))
      return
    }

    let failures = 0
    let lastWarning = ''
    const show = (look: typeof good, main: string): void => {
      const { pending: waiting, dropped } = agent.counters
      const isWaiting = waiting > 0 && !agent.connected
      status.show(look(joined(main, isWaiting && text('waiting', { pending: waiting }), dropped > 0 && text('dropped', { dropped }))))
    }
    const showConnected = (): void => {
      failures = 0
      show(good, text('connected', { sent: agent.counters.sent }))
    }
    agent.on('connected', () => {
      lastWarning = ''
      showConnected()
    })
    agent.on('message', showConnected)
    agent.on('disconnected', reason => {
      show(pending, text('connecting'))
      if (reason) this.log(reason.message)
    })
    agent.on('problem', problem => {
      if (!agent.connected) show(bad, text('error', { detail: problem.detail }))
      // The broker may start a moment later than this node, and each further attempt fails alike: one warning an outage.
      if (problem.code === 'AGENT_UNREACHABLE' ? ++failures !== 2 : problem.message === lastWarning) return
      lastWarning = problem.message
      this.warn(problem.message)
    })

    this.on('input', (msg, _send, done) => {
      agent.report(metricsOf(msg.payload)).then(() => done(), done)
    })
    this.on('close', (done: () => void) => {
      detachAgent(this.id, handler).finally(() => {
        status.close()
        done()
      })
    })
    if (agent.connected) showConnected()
    else show(pending, text('connecting'))
  }, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}

function metricsOf (payload: unknown): Metric | Metric[] {
  return (payload as { metrics?: Metric[] } | null | undefined)?.metrics ?? payload as Metric
}
