import { join } from 'node:path'
import type { Node, NodeDef } from 'node-red'
import { hostMetricGroups, type Agent, type Metric } from '../../lib/agent/agent.ts'
import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { attachAgent, detachAgent, type AgentNodeOptions } from '../../lib/registry/agents.ts'
import type { OutboxHandler } from '../../lib/registry/outbox.ts'
import { watchFlows } from '../shared/broker.ts'
import { checkLogin } from '../shared/login.ts'
import type { RED, RedMessage } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import type { AgentConfig } from './config.ts'

type SavedConfig = AgentConfig & NodeDef & { wires?: string[][] }
type Credentials = { user?: string, password?: string }

/**
 * In: metrics to report, in `msg.payload`: `{type, value}`, an array of them, or `{metrics: […]}`; done when the broker
 * acknowledged them. Out: what other agents say, `{topic, payload}` as in the message contract.
 */
export default function (RED: RED): void {
  watchFlows(RED)

  RED.nodes.registerType<Node<Credentials>, SavedConfig, unknown, Credentials>('platziverse-agent', function (this, config) {
    RED.nodes.createNode(this, config)
    const text = (key: string, values?: Record<string, string | number>): string => RED._(`platziverse-agent.status.${key}`, values)
    const status = statusLine(this)

    const handler: OutboxHandler = { receive: msg => { this.receive(msg as RedMessage) }, send: msg => { this.send(msg as RedMessage) }, clone: msg => RED.util.cloneMessage(msg as RedMessage) }

    let agent: Agent
    try {
      checkLogin(config, this.credentials)
      agent = attachAgent(this.id, optionsOf(config, this.credentials ?? {}, RED.settings.userDir), handler)
    } catch (error) {
      this.status({ fill: 'red', shape: 'ring', text: text('error', { detail: error instanceof PlatziverseError ? error.detail : reasonOf(error) }) })
      this.error(reasonOf(error))
      this.on('input', (_msg, _send, done) => done(error as Error))
      return
    }

    let failures = 0
    let lastWarning = ''
    const show = (fill: 'green' | 'yellow' | 'red', main: string): void => {
      const { pending, dropped } = agent.counters
      const parts = [main, pending > 0 && !agent.connected && text('waiting', { pending }), dropped > 0 && text('dropped', { dropped })]
      status.show({ fill, shape: fill === 'green' ? 'dot' : 'ring', text: parts.filter(Boolean).join(' · ') })
    }
    const showConnected = (): void => {
      failures = 0
      show('green', text('connected', { sent: agent.counters.sent }))
    }
    agent.on('connected', () => {
      lastWarning = ''
      showConnected()
    })
    agent.on('message', showConnected)
    agent.on('disconnected', reason => {
      show('yellow', text('connecting'))
      if (reason) this.log(reason.message)
    })
    agent.on('problem', problem => {
      if (!agent.connected) show('red', text('error', { detail: problem.detail }))
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
    else show('yellow', text('connecting'))
  }, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}

function optionsOf (config: SavedConfig, { user, password }: Credentials, userDir?: string): AgentNodeOptions {
  return {
    name: config.name,
    username: config.username,
    listen: config.wires?.[0]?.length !== 0,
    interval: Math.round(Number(config.interval || 5) * 1000),
    groups: hostMetricGroups.filter(group => config[group]),
    // By node and installation: kept by a deploy and a restart, another one where the same flow is imported elsewhere.
    ...(userDir === undefined ? {} : { uuidFile: join(userDir, 'platziverse', 'agents', `${config.id}.uuid`) }),
    broker: config.broker ?? '',
    mqtt: {
      ...(config.broker ? {} : { url: config.url }),
      ...(user ? { username: user } : {}),
      ...(password ? { password } : {})
    }
  }
}

function metricsOf (payload: unknown): Metric | Metric[] {
  return (payload as { metrics?: Metric[] } | null | undefined)?.metrics ?? payload as Metric
}
