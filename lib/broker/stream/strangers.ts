const requestLine = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PRI) /
/** The PROXY protocol of HAProxy, version 1 and 2. */
const proxyHeader = /^(PROXY |\r\n\r\n\0\r\nQUIT\n)/

/** The protocol to which the first bytes of a connection belong, if it is a known one that is not spoken here. */
export function strangerIn (bytes: Uint8Array): string | undefined {
  // RFC 8446, 5.1: a record of a handshake, version 3.x.
  if (bytes[0] === 0x16 && bytes[1] === 3) return 'a TLS handshake, and this port has no TLS'
  const text = Buffer.from(bytes.subarray(0, 16)).toString('latin1')
  if (proxyHeader.test(text)) return 'a header of the PROXY protocol, which the proxy must not send'
  if (requestLine.test(text)) return 'an HTTP request, and this port takes neither HTTP nor WebSocket'
  return undefined
}
