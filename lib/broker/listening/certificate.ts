import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import type { TlsMaterial } from '../broker-options.ts'

/** What is wrong with a listener's certificate and key, if anything. */
export function certificateProblem (material: TlsMaterial): PlatziverseError | undefined {
  if ('pfx' in material) return bundleProblem(material)
  const { cert, key, ca, passphrase } = material
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch (cause) {
    return new PlatziverseError('BROKER_CERTIFICATE_INVALID', `The certificate cannot be read: ${reasonOf(cause)}.`, { cause })
  }
  const expired = expiry(certificate)
  if (expired !== undefined) return expired
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

/** A secure context as OpenSSL loaded it; not in Node's types. */
type Loaded = { getCertificate (): Buffer | null }

function bundleProblem (material: TlsMaterial & { pfx: Buffer }): PlatziverseError | undefined {
  let certificate: Buffer | null
  try {
    // Node can read PKCS#12 only for TLS.
    certificate = (createSecureContext(material).context as Loaded).getCertificate()
  } catch (cause) {
    const hint = /mac verify/i.test(reasonOf(cause)) ? ' (is the passphrase right?)' : ''
    return new PlatziverseError('BROKER_CERTIFICATE_INVALID', `The PKCS#12 file cannot be opened: ${reasonOf(cause)}${hint}.`, { cause })
  }
  if (certificate === null) return new PlatziverseError('BROKER_CERTIFICATE_INVALID', 'The PKCS#12 file has no certificate.')
  return expiry(new X509Certificate(certificate))
}

function expiry ({ validTo }: X509Certificate): PlatziverseError | undefined {
  return Date.parse(validTo) < Date.now() ? new PlatziverseError('BROKER_CERTIFICATE_EXPIRED', `The certificate expired on ${validTo}.`) : undefined
}
