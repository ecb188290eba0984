import { connectionFault, isCertificateFault } from '../../connection-fault.ts'
import { PlatziverseError } from '../../errors.ts'

/** The return codes of CONNACK in MQTT 3.1.1 and the reason codes of MQTT 5 that mean the login or the client id. */
const refusals: Record<number, string> = {
  2: 'the client id is not accepted',
  4: 'wrong username or password',
  5: 'not authorized',
  0x85: 'the client id is not accepted',
  0x86: 'wrong username or password',
  0x87: 'not authorized',
  0x8a: 'banned'
}

/** What the broker answers to a protocol version that it does not speak. */
export function isOtherVersion (code: number): boolean {
  return code === 1 || code === 0x84
}

/** Why the broker did not let this client in. @param code of CONNACK */
export function refusalOf (code: number): PlatziverseError {
  const reason = refusals[code]
  if (reason !== undefined) return new PlatziverseError('BROKER_REFUSED', `The broker refused the connection: ${reason}.`)
  return new PlatziverseError('BROKER_UNREACHABLE', `The broker refused the connection with code ${code}.`)
}

/** Why the connection ended. @param thrown undefined: the broker closed it */
export function faultOf (thrown: Error | undefined): PlatziverseError {
  if (thrown instanceof PlatziverseError) return thrown
  if (thrown === undefined) return new PlatziverseError('BROKER_UNREACHABLE', 'The broker closed the connection.')
  const { cause, text } = connectionFault(thrown)
  const code = isCertificateFault(cause.code) ? 'BROKER_CERTIFICATE_REFUSED' : 'BROKER_UNREACHABLE'
  return new PlatziverseError(code, `${text}.`, { cause })
}

/** DISCONNECT of MQTT 5: another client came with the same client id. */
export const takenOver = 0x8e
