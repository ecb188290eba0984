import { join } from 'node:path'
import type { Node, NodeDef } from 'node-red'
import { Agent, hostMetrics, type AgentOptions, type Metric } from '../../lib/agent/agent.ts'
import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { topics } from '../../lib/messages/topics.ts'
import { brokerUrl } from '../shared/broker.ts'
import { checkLogin } from '../shared/login.ts'
import type { RED } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { hostMetricGroups, type AgentConfig } from './config.ts'

type SavedConfig = AgentConfig & NodeDef & { wires?: string[][] }
type Credentials = { user?: string, password?: string }

/**
 * In: metrics to report, in `msg.payload`: `{type, value}`, an array of them, or `{metrics: […]}`; done when the broker
 * acknowledged them. Out: what other agents say, `{topic, payload}` as in the message contract.
 */
export default function (RED: RED): void {
  RED.nodes.registerType<Node<Credentials>, SavedConfig, unknown, Credentials>('platziverse-agent', function (this, config) {
    RED.nodes.createNode(this, config)
    const text = (key: string, values?: Record<string, string | number>): string => RED._(`platziverse-agent.status.${key}`, values)
    const status = statusLine(this)

    let agent: Agent
    try {
      checkLogin(config, this.credentials)
      agent = new Agent(optionsOf(config, this.credentials ?? {}, RED.settings.userDir))
    } catch (error) {
      this.status({ fill: 'red', shape: 'ring', text: text('error', { detail: error instanceof PlatziverseError ? error.detail : reasonOf(error) }) })
      this.error(reasonOf(error))
      this.on('input', (_msg, _send, done) => done(error as Error))
      return
    }
    for (const { type, measure } of hostMetrics(hostMetricGroups.filter(group => config[group]))) agent.addMetric(type, measure)

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
    for (const topic of Object.values(topics)) agent.on(topic, (payload: unknown) => this.send({ topic, payload }))

    this.on('input', (msg, _send, done) => {
      agent.report(metricsOf(msg.payload)).then(() => done(), done)
    })
    this.on('close', (removed: boolean, done: () => void) => {
      // In a deploy agent-in may be away, and would keep the goodbye waiting until its next instance is there.
      agent.disconnect(removed ? 1500 : 300).finally(() => {
        status.close()
        done()
      })
    })
    show('yellow', text('connecting'))
    agent.connect()
  }, { credentials: { user: { type: 'text' }, password: { type: 'password' } } })
}

function optionsOf (config: SavedConfig, { user, password }: Credentials, userDir?: string): AgentOptions {
  return {
    name: config.name,
    username: config.username,
    listen: config.wires?.[0]?.length !== 0,
    interval: Math.round(Number(config.interval || 5) * 1000),
    // By node and installation: kept by a deploy and a restart, another one where the same flow is imported elsewhere.
    ...(userDir === undefined ? {} : { uuidFile: join(userDir, 'platziverse', 'agents', `${config.id}.uuid`) }),
    mqtt: {
      url: config.broker ? () => brokerUrl(config.broker) : config.url,
      ...(user ? { username: user } : {}),
      ...(password ? { password } : {})
    }
  }
}

function metricsOf (payload: unknown): Metric | Metric[] {
  return (payload as { metrics?: Metric[] } | null | undefined)?.metrics ?? payload as Metric
}
