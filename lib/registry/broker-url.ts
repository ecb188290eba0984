import { findBroker } from './registry.ts'

/** The address of a broker in this process for a client on the same machine; undefined while it does not listen. */
export function brokerUrl (brokerId: string): string | undefined {
  const { listener } = findBroker(brokerId)
  if (listener.state !== 'listening') return undefined
  const { host, port } = listener
  if (host === '0.0.0.0' || host === '::') return `mqtt://127.0.0.1:${port}`
  return `mqtt://${host.includes(':') ? `[${host}]` : host}:${port}`
}
