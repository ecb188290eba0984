import type { Store } from './store.ts'
import { beatEvery } from './writer/writers.ts'

/**
 * Find agents that are connected by no process that lives: a crash kept it from saying so, and they did not come back. At
 * first within `grace` ms, for whoever ran here before; later for other processes that write to the same database.
 * @param report gets each agent's uuid
 * @returns ends it
 */
export function disconnectSilentAgents (store: Store, grace: number, report: (uuid: string) => void): () => void {
  const look = (isStart: boolean): void => {
    // A closed store is the next instance's to ask.
    store.disconnectAbandoned(isStart).then(uuids => { uuids.forEach(report) }, () => undefined)
  }
  look(false)
  const first = setTimeout(look, grace, true)
  const later = setInterval(look, beatEvery, false)
  return () => {
    clearTimeout(first)
    clearInterval(later)
  }
}
