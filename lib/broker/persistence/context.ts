import type { Journal } from './journal.ts'
import type { PersistenceLimits } from './persistence.ts'
import type { StateBytes } from './state-bytes.ts'

/** The parts of aedes and its clients that are used here. */
export interface Aedes { id: string, counter: number }
export interface Client { id: string, clean?: boolean, connecting?: boolean, closed?: boolean, _authorized?: boolean }

/** What all parts of a persistence work with. */
export interface Context {
  /** One that keeps nothing until the records of former runs are restored. */
  journal: Journal
  limits: PersistenceLimits
  /** Counts what the sessions keep. */
  stateBytes: StateBytes
  /** ms since 1970. */
  now: () => number
  /** undefined before `setup`. */
  broker: Aedes | undefined
}

/** A limit as a number to compare with. */
export function orInfinite (limit: number): number {
  return limit === 0 ? Infinity : limit
}
