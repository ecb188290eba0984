import type { Store } from './store.ts'

/** ms between two looks, at least and at most. */
const looks = { min: 1_000, max: 60_000 }
/** ms that an agent may always be silent where nothing but its own intervals is given: a message may be late. */
const leastSilence = 30_000

export interface Silence {
  /** ms that any agent may be silent; 0: only its own intervals count. */
  time: number
  /** … and how many of its usual intervals; 0: only the time counts. Both 0: for ever. */
  intervals: number
}

/**
 * Disconnect the agents of which nothing was stored for longer than that, whichever process had them. Of all processes that do so with one database,
 * one reports each agent. An agent is back with its next message.
 * @param report called with each agent's uuid
 * @returns a function that ends this
 */
export function disconnectAfterSilence (store: Store, { time, intervals }: Silence, report: (uuid: string) => void): () => void {
  if (time === 0 && intervals === 0) return () => undefined
  const least = time === 0 ? leastSilence : time
  // What waited for this process, or for the database, has to be stored first.
  let readySince = performance.now()
  let isLooking = false
  const onState = (): void => { readySince = performance.now() }
  store.on('state', onState)
  const timer = setInterval(() => {
    const ready = performance.now() - readySince
    if (isLooking || store.state.state !== 'ready' || ready < least) return
    isLooking = true
    const own = intervals === 0 ? undefined : { intervals, ready, unknown: time > 0 }
    // A closed store is the next instance's to ask.
    store.disconnectSilent(Date.now() - least, {}, own).then(uuids => { uuids.forEach(report) }, () => undefined).finally(() => { isLooking = false })
  }, Math.min(looks.max, Math.max(looks.min, least / 10)))
  return () => {
    clearInterval(timer)
    store.off('state', onState)
  }
}
