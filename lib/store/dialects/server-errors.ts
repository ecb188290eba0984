import { reasonOf, type ErrorCode } from '../../errors.ts'
import { withoutStatement } from './without-statement.ts'

/** Node's codes for a connection that was not made. */
export const networkCodes = {
  ENOTFOUND: 'STORE_HOST_UNKNOWN',
  EAI_AGAIN: 'STORE_HOST_UNKNOWN',
  ECONNREFUSED: 'STORE_REFUSED_CONNECTION',
  ETIMEDOUT: 'STORE_REFUSED_CONNECTION',
  EHOSTUNREACH: 'STORE_REFUSED_CONNECTION',
  ENETUNREACH: 'STORE_REFUSED_CONNECTION',
  EPROTO: 'STORE_TLS_FAILED'
} as const satisfies Record<string, ErrorCode>

/** Node's codes for a certificate, or for TLS itself. */
export const tlsCode = /^(CERT_|DEPTH_ZERO_|ERR_OSSL_|ERR_SSL_|ERR_TLS_|SELF_SIGNED_|UNABLE_TO_)/

export function codeOf (error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code)
}

/** The reason that a server gave, or the error's code; without the statement and without a full stop. */
export function reasonWithoutStatement (error: unknown): string {
  const reason = (error as { sqlMessage?: string } | undefined)?.sqlMessage ?? (reasonOf(error) || codeOf(error))
  return withoutStatement(reason).replace(/\.$/, '')
}
