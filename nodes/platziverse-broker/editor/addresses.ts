import { isLoopback } from '../../../lib/broker/loopback.ts'
import type { Reached } from '../config.ts'
import { ask, text, type BrokerNode } from './form.ts'

export interface Reach {
  host: string
  /** As it is written in the form. */
  port: string
  /** Whether clients of the network come in. */
  isOpen: boolean
}

/**
 * Says in the form what to write into a device: the addresses of this machine where the broker listens on all of them, and the port.
 * @param changed called when more is known than what was shown
 */
export function prepareAddresses (node: BrokerNode, changed: () => void): (reach: Reach) => void {
  let reached: Reached | undefined
  let isAsked = false
  /** As it is deployed, unless the node changed since. */
  let first: Reach | undefined

  /** Undefined: any that is free. With another host the broker would listen anew. */
  const portOf = ({ host, port, isOpen }: Reach): string | undefined => {
    const isDeployed = node.changed !== true && port === first?.port && host === first.host && isOpen === first.isOpen
    return isDeployed && reached?.port !== undefined ? String(reached.port) : isFree(port) ? undefined : port
  }

  return reach => {
    first ??= reach
    const { host, isOpen } = reach
    const port = portOf(reach)
    const isHere = host === '' ? !isOpen : host === 'localhost' || isLoopback(host)
    const list = host !== '' ? [host] : isHere ? ['127.0.0.1'] : (reached?.addresses ?? []).map(({ address, network }) => `${address} (${network})`)
    const key = isHere ? 'here' : 'devices'
    const told = [text(`platziverse-broker.address.${key}`, { addresses: list.join(', '), port: portText(port) })]
    if (isFree(reach.port)) told.push(port === undefined ? text('platziverse-broker.address.unknown') : text('platziverse-broker.address.free'))
    $('#platziverse-broker-addresses').toggle(list.length > 0).find('span').text(told.join(' '))

    const isKnown = /^[1-9]/.test(reach.port) && (host !== '' || !isOpen)
    if (isAsked || isKnown) return
    isAsked = true
    ask<Reached>('addresses', { id: node.id }).then(answer => {
      reached = answer
      changed()
    }, () => undefined)
  }
}

/** A port as a sentence calls it; undefined or 0: any that is free. */
export function portText (port: string | undefined): string {
  return port === undefined || isFree(port) ? text('platziverse-broker.address.anyPort') : text('platziverse-broker.address.port', { port })
}

/** Whether the system chooses the port. */
function isFree (port: string): boolean {
  return Number(port) === 0
}
