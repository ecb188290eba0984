import type { HostMetricGroup } from '../../lib/agent/host-metric-groups.ts'

/** What a platziverse-agent node saves; user and password are credentials. */
export interface AgentConfig extends Record<HostMetricGroup, boolean> {
  /** The agent's name, and the node's; empty: the host's name. */
  name: string
  /** Who the agent is, such as its user at a broker with rules; empty: a uuid that is made once and kept. */
  uuid: string
  /** Id of the platziverse-broker to report to; empty: the broker at `url`. */
  broker: string
  /** Address of any MQTT broker, such as mqtt://192.0.2.1:1883. */
  url: string
  /** The agent's `username` in its messages. */
  username: string
  /** Whether a login was saved, without its secrets: a node that lost it with the credentials does not connect without one. */
  hasLogin: boolean
  /** Seconds between two reports. */
  interval: number | string
  /** Whether it obeys `config_change/{uuid}` and `config_change/all`. */
  commands: boolean
  /** Seconds that a broker waits before it publishes the last will of the agent. */
  willDelay: number | string
}

export const agentDefaults: AgentConfig = {
  name: '',
  uuid: '',
  broker: '',
  url: 'mqtt://127.0.0.1:8083',
  username: '',
  hasLogin: false,
  interval: 5,
  commands: true,
  willDelay: 10,
  cpu: true,
  memory: true,
  temperature: true,
  disk: true,
  network: true
}
