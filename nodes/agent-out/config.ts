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
  /** Seconds for which what is published is worth delivering; 0: always. This and all below it: MQTT 5. */
  expiry: number | string
  /** Empty: `application/json` for JSON, and none for all else. */
  contentType: string
  /** Where an answer is expected; empty: nowhere. */
  responseTopic: string
  userProperties: UserProperty[]
  /** Whether a topic alias may stand for the topic, where whoever gets it allows some. */
  topicAlias: boolean
}

/** A row of the table. */
export interface UserProperty {
  name: string
  value: string
}

/** What a row has that a program wrote down in part. */
export const userPropertyDefaults: UserProperty = { name: '', value: '' }

export const agentOutDefaults: AgentOutConfig = {
  name: '',
  broker: '',
  topic: '',
  payload: 'message',
  qos: 1,
  retain: false,
  agentState: false,
  expiry: 0,
  contentType: '',
  responseTopic: '',
  userProperties: [],
  topicAlias: true
}

/** The most seconds that MQTT can say. */
export const longestExpiry = 2 ** 32 - 1

/** Where values go when no topic is given. */
export const valueTopic = 'agent/{uuid}/{type}'
