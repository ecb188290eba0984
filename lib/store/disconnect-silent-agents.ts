import type { Store } from './store.ts'
import { beatEvery } from './writer/writers.ts'

/**
 * Disconnect the agents whose process crashed before it could say that they are gone, and that did not come back: after `grace` ms
 * those of the process that ran here before, later those of other processes that write to the same database.
 * @param report called with each agent's uuid
 * @returns a function that ends this
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
