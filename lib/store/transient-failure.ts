import { setTimeout } from 'node:timers/promises'

/** Failures in a row, such as deadlocks, after each of which the same is tried again at once; after one more the database counts as away. */
export const mostTransientFailures = 10

/** A pause of random length, at most twice as long after each failure: two transactions that got in each other's way must not meet again. */
export function transientPause (failures: number): Promise<void> {
  return setTimeout(Math.random() * 2 ** failures)
}
