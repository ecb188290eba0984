import type { Store } from './store.ts'

/** ms between two looks, at least and at most. */
const looks = { min: 1_000, max: 60_000 }

/**
 * Disconnect the agents of which nothing was stored for longer than that, whichever process had them. Of all processes that do so with one database,
 * one reports each agent. An agent is back with its next message.
 * @param silence ms; 0: never
 * @param report called with each agent's uuid
 * @returns a function that ends this
 */
export function disconnectAfterSilence (store: Store, silence: number, report: (uuid: string) => void): () => void {
  if (silence === 0) return () => undefined
  // What waited for this process, or for the database, has to be stored first.
  let readySince = performance.now()
  let isLooking = false
  const onState = (): void => { readySince = performance.now() }
  store.on('state', onState)
  const timer = setInterval(() => {
    if (isLooking || store.state.state !== 'ready' || performance.now() - readySince < silence) return
    isLooking = true
    // A closed store is the next instance's to ask.
    store.disconnectSilent(Date.now() - silence).then(uuids => { uuids.forEach(report) }, () => undefined).finally(() => { isLooking = false })
  }, Math.min(looks.max, Math.max(looks.min, silence / 10)))
  return () => {
    clearInterval(timer)
    store.off('state', onState)
  }
}
