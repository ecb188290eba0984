import type { Store } from './store.ts'

// Whole: PostgreSQL takes no fraction for a bigint.
const processStart = Math.floor(Date.now() - process.uptime() * 1000)
const done = new Set<string>()

/**
 * Once per process and database: find the agents that were connected when the last process ended and did not come back
 * within `grace` ms of this one's start, and mark them as disconnected. A crash kept them from saying so.
 * @param database tells databases apart
 * @param report gets each agent's uuid
 * @returns cancels it
 */
export function disconnectSilentAgents (store: Store, database: string, grace: number, report: (uuid: string) => void): () => void {
  if (done.has(database)) return () => undefined
  const timer = setTimeout(() => {
    if (done.has(database)) return
    done.add(database)
    // A closed store is the next instance's to ask.
    store.disconnectSilent(processStart).then(uuids => { uuids.forEach(report) }, () => { done.delete(database) })
  }, Math.max(0, processStart + grace - Date.now()))
  return () => { clearTimeout(timer) }
}
