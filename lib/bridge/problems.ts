import { connectionFault, isCertificateFault } from '../connection-fault.ts'
import { PlatziverseError } from '../errors.ts'
import { takenOver } from '../mqtt/link/faults.ts'

/** CONNACK: identifier rejected, bad user name or password, not authorized; what MQTT 5 has for these, also in DISCONNECT; another client with the same id. */
const ofLogin = new Set<unknown>([2, 4, 5, 0x85, 0x86, 0x87, 0x8a, 0x8c, takenOver])

/** What an error of the connection means to an operator. */
export function problemOf (thrown: Error): PlatziverseError {
  const { cause, text } = connectionFault(thrown)
  const code = codeOf(cause)
  const detail = `${text}.`
  if (ofLogin.has(code)) return new PlatziverseError('BRIDGE_REFUSED', detail, { cause })
  if (isCertificateFault(code)) return new PlatziverseError('BRIDGE_CERTIFICATE_REFUSED', detail, { cause })
  return new PlatziverseError('BRIDGE_UNREACHABLE', detail, { cause })
}

/** Node's code of an error, or the return code of a CONNACK. */
export function codeOf (error: Error): unknown {
  return (error as NodeJS.ErrnoException).code
}
