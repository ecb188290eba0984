export interface IntakeStatistics {
  /** Agents connected now. */
  agents: number
  /** Messages taken off the broker that keep to the contract. */
  messages: number
  rejected: number
  /** Metrics that were left out of messages. */
  rejectedMetrics: number
  /** Times that were in another unit than ms. */
  timesConverted: number
  /** Times that the time of receipt replaced. */
  timesReplaced: number
  /** Topics that are nearly one of the three. */
  nearTopics: number
  /** Deliveries that somebody still has to settle. */
  unsettled: number
  /** Publications that wait for room in the window; their sockets are not read meanwhile. */
  waiting: number
  /** Deliveries that nobody claimed within the time limit. */
  timedOut: number
  /** Waiting publications of clients that went, and that were not kept. */
  abandoned: number
}

const none: IntakeStatistics = {
  agents: 0,
  messages: 0,
  rejected: 0,
  rejectedMetrics: 0,
  timesConverted: 0,
  timesReplaced: 0,
  nearTopics: 0,
  unsettled: 0,
  waiting: 0,
  timedOut: 0,
  abandoned: 0
}

/** The statistics of several intakes together. */
export function sumOf (all: Iterable<IntakeStatistics>): IntakeStatistics {
  const sum = { ...none }
  for (const statistics of all) {
    for (const [name, value] of Object.entries(statistics)) sum[name as keyof IntakeStatistics] += value
  }
  return sum
}
