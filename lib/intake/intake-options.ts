import type { RuleTable } from '../mapping/rules/rule-table.ts'
import type { Rules } from '../messages/parse.ts'
import type { InFlightLimits } from './in-flight-window.ts'

/** How an intake treats what it takes. */
export interface IntakeOptions {
  /** When the publisher is acknowledged: once a store said so, or on arrival. */
  acknowledge: 'stored' | 'arrival'
  /** ms that a delivery may wait for a store to claim it. */
  timeLimit: number
  /** Most unsettled deliveries of one client. */
  clientWindow: number
  /** Most unsettled deliveries in all. */
  totalWindow: number
  /** Most bytes of memory that the unsettled deliveries of one client take; absent: 8 MB. */
  clientBytes?: number
  /** … and all of them together; absent: 64 MB. */
  totalBytes?: number
  /** What messages have to comply with beyond the contract; absent: nothing. */
  rules?: Rules
  /** What is read beside the three topics; absent: nothing. */
  otherTopics?: RuleTable | undefined
}

/** How many waiting publications of clients that went are kept. */
const mostKept = 10_000

/** What they mean for the window. */
export function limitsOf ({ clientWindow, totalWindow, clientBytes = 8_000_000, totalBytes = 64_000_000 }: IntakeOptions): InFlightLimits {
  return { perSource: clientWindow, total: totalWindow, sourceBytes: clientBytes, totalBytes, left: mostKept }
}
