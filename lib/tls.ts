/** As Node's `tls` takes them, and as Node-RED's tls-config holds them; PEM, but for `pfx`. */
export interface TlsOptions {
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
