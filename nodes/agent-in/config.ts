/** When the publisher gets its acknowledgement: after the commit, or as soon as the message is here. */
export const acknowledgeModes = ['stored', 'arrival'] as const
export type AcknowledgeMode = typeof acknowledgeModes[number]

/** What an agent-in node saves. */
export interface AgentInConfig {
  name: string
  /** Id of the platziverse-broker. */
  broker: string
  acknowledge: AcknowledgeMode
  /** Seconds that a delivery may wait for a metric-store to take it. */
  timeLimit: number | string
  /** Most unsettled deliveries of one client. */
  clientWindow: number | string
  /** Most unsettled deliveries in all. */
  totalWindow: number | string
  /** Most megabytes of memory that the unsettled deliveries of one client take. */
  clientMemory: number | string
  /** Most megabytes in all. */
  totalMemory: number | string
}

export const agentInDefaults: AgentInConfig = { name: '', broker: '', acknowledge: 'stored', timeLimit: 30, clientWindow: 1000, totalWindow: 10_000, clientMemory: 8, totalMemory: 64 }
