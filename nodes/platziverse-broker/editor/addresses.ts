import { isLoopback } from '../../../lib/broker/loopback.ts'
import type { NetworkAddress } from '../config.ts'
import { ask, text } from './form.ts'

export interface Reach {
  host: string
  port: string
  /** Whether clients of the network come in. */
  isOpen: boolean
}

/** Says in the form what to write into a device: the addresses of this machine where the broker listens on all of them. */
export function prepareAddresses (): (reach: Reach) => void {
  let addresses: NetworkAddress[] | undefined
  let shown: Reach | undefined

  const show = (): void => {
    if (shown === undefined) return
    const { host, port, isOpen } = shown
    const isHere = host === '' ? !isOpen : host === 'localhost' || isLoopback(host)
    const list = host !== '' ? [host] : isHere ? ['127.0.0.1'] : (addresses ?? []).map(({ address, network }) => `${address} (${network})`)
    const key = isHere ? 'here' : 'devices'
    $('#platziverse-broker-addresses').toggle(list.length > 0)
      .find('span').text(text(`platziverse-broker.address.${key}`, { addresses: list.join(', '), port }))
  }

  return reach => {
    shown = reach
    show()
    if (addresses !== undefined || reach.host !== '' || !reach.isOpen) return
    addresses = []
    ask<{ addresses: NetworkAddress[] }>('addresses', {}).then(answer => {
      addresses = answer.addresses
      show()
    }, () => undefined)
  }
}
