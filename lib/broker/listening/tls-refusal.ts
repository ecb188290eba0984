import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** Node's error of a handshake that failed. `reason` is OpenSSL's; its `message` names source files. */
export type TlsError = Error & { code?: string, reason?: string }

/** OpenSSL does not distinguish the two. */
const unknownIssuer = 'has an issuer that is not known here: it is of another authority than this listener\'s, or the client does not send the intermediate certificate'
const plain = 'the client does not speak TLS, and this port takes only TLS'

/** Why a client certificate is refused, by the codes of OpenSSL (verify(1)). */
const certificateReasons: Record<string, string> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_REVOKED: 'was revoked',
  CERT_SIGNATURE_FAILURE: 'has a wrong signature',
  INVALID_PURPOSE: 'is not made for clients',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is signed by itself and not by the authority of this listener',
  SELF_SIGNED_CERT_IN_CHAIN: 'is of another authority than this listener\'s',
  UNABLE_TO_GET_ISSUER_CERT: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownIssuer,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownIssuer
}

const handshakeReasons: Record<string, string> = {
  ERR_SSL_WRONG_VERSION_NUMBER: plain,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: plain,
  ERR_SSL_HTTP_REQUEST: 'an HTTP request without TLS, and this port takes only TLS',
  ERR_TLS_HANDSHAKE_TIMEOUT: 'the handshake did not end in time'
}

/** One sentence for the log. */
export function whyNoTls (error: TlsError, { authorizationError }: TLSSocket): string {
  // Node hangs up itself, and then reports that the socket hung up.
  const code = authorizationError as unknown
  if (typeof code === 'string') return `the client certificate ${certificateReasons[code] ?? 'was refused'} (${code})`
  return handshakeReasons[error.code ?? ''] ?? error.reason ?? error.message
}

/** The address that a socket had. A TLS socket forgets it when the other end is gone; the socket below remembers it, because it was asked before. */
export function addressBelow (socket: Socket): string | undefined {
  return socket.remoteAddress ?? (socket as { _parent?: Socket | null })._parent?.remoteAddress
}
