import type { ClientEvent, ListenerState } from '../../lib/broker/broker.ts'
import type { RED, RedNode } from '../shared/red.ts'

/** Refusals a second that are reported one by one; of a flood of them only the statistics say more. */
const mostRefusals = 20

export interface ClientEvents {
  /** @returns false: it is one of a flood, which is reported as a number */
  report (event: ClientEvent): boolean
  close (): void
}

/** Sends the events of clients to output 1, and logs them. */
export function clientEvents (RED: RED, node: RedNode): ClientEvents {
  let refusals = 0
  const perSecond = setInterval(() => {
    if (refusals > mostRefusals) node.warn(RED._('platziverse-broker.status.refusals', { count: refusals }))
    refusals = 0
  }, 1000)
  return {
    report (event) {
      if (event.event === 'refused' && ++refusals > mostRefusals) return false
      node.send([{ topic: `client/${event.event}`, payload: event }, null])
      if (event.event === 'refused') node.log(inWords(event))
      else node.debug(inWords(event))
      return true
    },
    close () { clearInterval(perSecond) }
  }
}

/** A line of the log. Names are quoted: a stranger chooses them, and must not be able to write lines of the log. */
function inWords (event: ClientEvent): string {
  const client = event.clientId === undefined ? 'a client' : JSON.stringify(event.clientId)
  const address = 'address' in event && event.address !== undefined ? ` from ${event.address}` : ''
  const reason = 'reason' in event ? `: ${event.reason}` : ''
  return `${event.event} ${client}${address}${reason}`
}

/** Reports what is wrong with listeners: once for a port that stays taken, however often it is tried. */
export function listenerErrors (report: (error: Error) => void): (states: readonly ListenerState[]) => void {
  const reported: string[] = []
  return states => {
    for (const [i, state] of states.entries()) {
      if (state.state === 'starting') continue
      const error = state.state === 'failed' ? state.error : undefined
      if (error !== undefined && error.message !== reported[i]) report(error)
      reported[i] = error?.message ?? ''
    }
  }
}
