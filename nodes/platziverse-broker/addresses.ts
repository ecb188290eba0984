import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os'
import { attachedBrokers } from '../../lib/registry/registry.ts'
import type { NetworkAddress, Reached } from './config.ts'

/** Most addresses that are told. */
const most = 8
/** Networks of virtual machines and containers: devices are not in them. */
const virtual = /^(?:br-|docker|veth|virbr|vmnet|vboxnet|utun|tun|tap|lo)/

/** Where the broker of a node is reached. */
export function reachOf (nodeId: unknown): Reached {
  const [, broker] = attachedBrokers().find(([id]) => id === nodeId) ?? []
  return { addresses: networkAddresses(), ...broker?.listener.state === 'listening' ? { port: broker.listener.port } : {} }
}

/** The addresses under which devices reach this machine: IPv4 before IPv6, and networks of virtual machines last. */
export function networkAddresses (interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces()): NetworkAddress[] {
  const found = Object.entries(interfaces).flatMap(([network, infos = []]) => infos
    // Of this machine, and of one cable.
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address, family }) => ({ address, network, rank: (virtual.test(network) ? 2 : 0) + (family === 'IPv6' ? 1 : 0) })))
  return found.sort((a, b) => a.rank - b.rank).slice(0, most).map(({ address, network }) => ({ address, network }))
}
