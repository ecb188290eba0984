/**
 * Why a connection failed, and the text of it without a full stop.
 * Where a name has several addresses, Node reports an error of errors that has no text of its own: the first of them says what happened.
 */
export function connectionFault (thrown: unknown): { cause: NodeJS.ErrnoException, text: string } {
  const cause = (thrown instanceof AggregateError ? thrown.errors[0] : thrown) as NodeJS.ErrnoException
  return { cause, text: (cause.message || String(cause.code)).replace(/\.$/, '') }
}

const certificateCodes = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/

/** Whether the other side's certificate is why a connection failed. @param code Node's code of the error */
export function isCertificateFault (code: unknown): boolean {
  return typeof code === 'string' && certificateCodes.test(code)
}
