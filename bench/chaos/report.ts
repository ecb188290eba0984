import type { Percentiles } from '../percentiles.ts'
import type { FloodsReport } from './actors/floods.ts'
import type { GuestsReport } from './actors/guests.ts'
import type { LargeReport } from './actors/large.ts'
import type { StormsReport } from './actors/storms.ts'
import type { Violation } from './audit.ts'
import type { Deployment } from './deployments.ts'
import type { LoggedErrors } from './errors.ts'
import type { FaultName } from './faults.ts'
import type { MemoryReport } from './memory.ts'
import type { Recovery } from './well.ts'

/** What one deployment went through, and how. */
export interface ChaosReport {
  deployment: Deployment
  seconds: number
  seed: number
  sent: number
  acknowledged: number
  stored: number
  lost: number
  doubled: number
  /** Messages whose way to the subscribers no outage may have cut short. */
  whole: number
  /** Messages for subscribers that a limit of the broker dropped, as far as they were counted before a kill. */
  dropped: number
  subscribers: Array<{ clientId: string, received: number, connections: number, missed: number }>
  faults: Map<FaultName, number>
  recoveries: Recovery[]
  latency: Record<LatencyName, Percentiles & { count: number }>
  /** Of the ping, while each flood was under way. */
  underFlood: Array<{ name: string, sent: number, ping: Percentiles }>
  /** Of each Node-RED. */
  memory: MemoryReport[]
  parts: {
    guests: GuestsReport | undefined
    storms: StormsReport | undefined
    floods: Omit<FloodsReport, 'floods'> | undefined
    large: LargeReport | undefined
  }
  /** What happened when, to look for what went wrong at that time. */
  timeline: string[]
  counters: string[]
  errors: LoggedErrors
  violations: Violation[]
}

export type LatencyName = 'ping' | 'publish' | 'editor' | 'own'
