/** What an agent-out node saves. */
export interface AgentOutConfig {
  name: string
  /** Id of the platziverse-broker. */
  broker: string
  /** Topic template such as `agent/{uuid}/{type}`; empty: the message's own topic, or for values that template. */
  topic: string
  /** The message as JSON, or the value of each metric alone. */
  payload: 'message' | 'value'
  qos: 0 | 1 | 2 | '0' | '1' | '2'
  retain: boolean
  /** Whether each agent's state is retained on `agent/{uuid}/status`. */
  agentState: boolean
}

export const agentOutDefaults: AgentOutConfig = { name: '', broker: '', topic: '', payload: 'message', qos: 1, retain: false, agentState: false }

/** Where values go when no topic is given. */
export const valueTopic = 'agent/{uuid}/{type}'
