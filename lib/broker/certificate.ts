import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { PlatziverseError, reasonOf } from '../errors.ts'
import type { TlsMaterial } from './broker.ts'

/** What is wrong with a listener's certificate and key, if anything. */
export function certificateProblem ({ cert, key, ca, passphrase }: TlsMaterial): PlatziverseError | undefined {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch (cause) {
    return new PlatziverseError('BROKER_CERTIFICATE_INVALID', `The certificate cannot be read: ${reasonOf(cause)}.`, { cause })
  }
  if (Date.parse(certificate.validTo) < Date.now()) return new PlatziverseError('BROKER_CERTIFICATE_EXPIRED', `The certificate expired on ${certificate.validTo}.`)
  try {
    const privateKey = createPrivateKey({ key, ...passphrase ? { passphrase } : {} })
    if (!certificate.checkPrivateKey(privateKey)) return new PlatziverseError('BROKER_CERTIFICATE_INVALID', 'The private key is not the one of the certificate.')
  } catch (cause) {
    return new PlatziverseError('BROKER_CERTIFICATE_INVALID', `The private key cannot be read: ${reasonOf(cause)}.`, { cause })
  }
  try {
    createSecureContext({ cert, key, ...ca === undefined ? {} : { ca }, ...passphrase ? { passphrase } : {} })
    return undefined
  } catch (cause) {
    return new PlatziverseError('BROKER_CERTIFICATE_INVALID', `TLS does not take the certificate: ${reasonOf(cause)}.`, { cause })
  }
}
