import { connectionFault, isCertificateFault } from '../connection-fault.ts'
import { PlatziverseError } from '../errors.ts'

/** What an error of the connection means to an operator. */
export function problemOf (thrown: Error): PlatziverseError {
  const { cause, text } = connectionFault(thrown)
  const code = codeOf(cause)
  const detail = `${text}.`
  // The return codes of a CONNACK: identifier rejected, bad user name or password, not authorized.
  if (code === 2 || code === 4 || code === 5) return new PlatziverseError('BRIDGE_REFUSED', detail, { cause })
  if (isCertificateFault(code)) return new PlatziverseError('BRIDGE_CERTIFICATE_REFUSED', detail, { cause })
  return new PlatziverseError('BRIDGE_UNREACHABLE', detail, { cause })
}

/** Node's code of an error, or the return code of a CONNACK. */
export function codeOf (error: Error): unknown {
  return (error as NodeJS.ErrnoException).code
}
