import type { TlsOptions } from '../../lib/tls.ts'
import type { RED, RedNode } from './red.ts'

/** Node-RED core's tls-config. */
type TlsNode = RedNode & { addTLSOptions? (options: object): TlsOptions }

/** What a tls-config node holds; undefined: there is none. */
export function tlsSettingsOf (RED: RED, id: string | undefined): TlsOptions | undefined {
  const node = id ? RED.nodes.getNode(id) as TlsNode | null : null
  return node?.addTLSOptions?.({})
}
