import type { TopicRule } from '../../lib/mapping/topic-rule.ts'

/** What an agent-in node saves. */
export interface AgentInConfig {
  name: string
  /** Id of the platziverse-broker. */
  broker: string
  /** When the publisher gets its acknowledgement: after the commit, or as soon as the message is here. */
  acknowledge: 'stored' | 'arrival'
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
  /** Days that a time may be in the past; 0: any. */
  pastDays: number | string
  /** Days that a time may be in the future; 0: any. */
  futureDays: number | string
  /** What becomes of a message whose time is further away: it is rejected, or gets the time of receipt. */
  outside: 'reject' | 'receipt'
  /** Whether texts that are decimal numbers are taken as numbers. */
  numericText: boolean
  /** What is on topics that are none of the three. */
  otherTopics: TopicRule[]
}

export const agentInDefaults: AgentInConfig = {
  name: '',
  broker: '',
  acknowledge: 'stored',
  timeLimit: 30,
  clientWindow: 1000,
  totalWindow: 10_000,
  clientMemory: 8,
  totalMemory: 64,
  pastDays: 3650,
  futureDays: 1,
  outside: 'reject',
  numericText: false,
  otherTopics: []
}
