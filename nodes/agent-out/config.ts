/** What an agent-out node saves. */
export interface AgentOutConfig {
  name: string
  /** Id of the platziverse-broker. */
  broker: string
  /** Topic template such as `agent/{uuid}/{type}`; empty: the message's own topic. */
  topic: string
  qos: 0 | 1 | 2 | '0' | '1' | '2'
  retain: boolean
}

export const agentOutDefaults: AgentOutConfig = { name: '', broker: '', topic: '', qos: 1, retain: false }
