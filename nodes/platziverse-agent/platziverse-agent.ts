import type { Node, NodeDef } from 'node-red'
import type { Metric } from '../../lib/agent/agent.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { attachAgent, detachAgent } from '../../lib/registry/agents.ts'
import { watchFlows } from '../shared/broker.ts'
import { checkLogin, type Credentials } from '../shared/login.ts'
import { outboxHandlerOf } from '../shared/outbox.ts'
import { tellingOf } from '../shared/language.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import type { RED } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { statusLine } from '../shared/status.ts'
import { checkVariables } from '../shared/variables.ts'
import type { BrokerConfig } from '../platziverse-broker/config.ts'
import type { AgentConfig } from './config.ts'
import { upgrade } from './migrations.ts'
import { agentOptionsOf } from './options.ts'
import { statusOf } from './status.ts'

type SavedConfig = AgentConfig & NodeDef & { wires?: string[][] }

/**
 * In: metrics to report, in `msg.payload`: `{type, value}`, an array of them, or `{metrics: […]}`; done once the broker has
 * acknowledged them. Out: messages of other agents, `{topic, payload}` as in the message contract.
 */
export default function (RED: RED): void {
  watchFlows(RED)

  RED.nodes.registerType<Node<Credentials>, SavedConfig, unknown, Credentials>('platziverse-agent', function (this, saved) {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const handler = outboxHandlerOf(RED, this)
    const agent = orRefuse(RED, this, () => {
      const config = readSaved(upgrade, saved)
      checkVariables(config, ['interval', 'willDelay', ...config.broker ? [] : ['url' as const]])
      checkLogin(config, this.credentials)
      const surroundings = { id: saved.id, userDir: RED.settings.userDir, place: placeOf(RED, config.broker), listen: saved.wires?.[0]?.length !== 0 }
      return attachAgent(this.id, agentOptionsOf(config, this.credentials ?? {}, surroundings), handler)
    })
    if (agent === undefined) return

    const status = statusLine(this)
    const show = (problem?: PlatziverseError): void => { status.show(statusOf(RED, agent, problem)) }
    let failures = 0
    let lastWarning = ''
    agent.on('connected', () => {
      failures = 0
      lastWarning = ''
      show()
    })
    agent.on('message', () => {
      failures = 0
      show()
    })
    agent.on('config', () => show())
    agent.on('disconnected', reason => {
      show()
      if (reason) this.log(tellingOf(RED, reason))
    })
    agent.on('problem', problem => {
      if (!agent.connected) show(problem)
      // The broker may start a moment later than this node, and each further attempt fails alike: one warning an outage.
      if (problem.code === 'AGENT_UNREACHABLE' ? ++failures !== 2 : problem.message === lastWarning) return
      lastWarning = problem.message
      this.warn(tellingOf(RED, problem))
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
    show()
  }, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}

/** What was saved of a broker elsewhere; empty: it is none. Its node may be made after this one. */
function placeOf (RED: RED, broker: string): string {
  let place = ''
  RED.nodes.eachNode(node => {
    const { id, mode, url, tls, shards } = node as Partial<BrokerConfig> & { id: string }
    if (id === broker && mode === 'elsewhere') place = JSON.stringify([url, tls, shards])
  })
  return place
}

function metricsOf (payload: unknown): Metric | Metric[] {
  return (payload as { metrics?: Metric[] } | null | undefined)?.metrics ?? payload as Metric
}
