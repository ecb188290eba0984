import type { RED, RedNode } from './red.ts'

/** What Node-RED core's tls-config node holds, as Node's tls takes it. */
export interface TlsSettings {
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
  /** PKCS#12. */
  pfx?: Buffer
  passphrase?: string
  servername?: string
  rejectUnauthorized?: boolean
  ALPNProtocols?: string[]
}

type TlsNode = RedNode & { addTLSOptions? (options: object): TlsSettings }

/** What a tls-config node holds; undefined: there is none. */
export function tlsSettingsOf (RED: RED, id: string | undefined): TlsSettings | undefined {
  const node = id ? RED.nodes.getNode(id) as TlsNode | null : null
  return node?.addTLSOptions?.({})
}
