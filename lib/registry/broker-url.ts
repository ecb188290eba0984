import type { AgentAddress } from '../agent/options.ts'
import { findBroker } from './registry.ts'

/** The address of a broker in this process for a client on the same machine; undefined while it does not listen. */
export function brokerUrl (brokerId: string): string | undefined {
  const { listener } = findBroker(brokerId)
  if (listener.state !== 'listening') return undefined
  const { host, port } = listener
  if (host === '0.0.0.0' || host === '::') return `mqtt://127.0.0.1:${port}`
  return `mqtt://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * Where an agent of this process finds the broker of a node.
 * @param attempt counts the attempts: a cluster has several addresses, which are tried in turn
 * @throws Error when the broker does not read what agents of this process publish
 */
export function brokerAddress (brokerId: string, attempt: number): string | AgentAddress | undefined {
  const { remote } = findBroker(brokerId)
  if (remote === undefined) return brokerUrl(brokerId)
  const { url, username, password, tls = {}, shards } = remote
  if (shards.length > 0) throw new Error('its broker takes the messages of shards alone')
  const urls = url.split(/[\s,]+/).filter(address => address !== '')
  const address = urls[attempt % urls.length]
  if (address === undefined) return undefined
  return { url: address, ...username === undefined ? {} : { username }, ...password === undefined ? {} : { password }, ...tls }
}
