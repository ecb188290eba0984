import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { skipped } from './node-red.ts'

/** What `{ skip }` of a test that needs certificates takes. */
export const withoutOpenssl: string | false = hasOpenssl() ? false : skipped('openssl makes the certificates of this test: install it')

export interface Pair { cert: string, key: string }
export interface Authority extends Pair {
  /** A certificate of this authority for `name`. @param days of its life; 0 and less: expired */
  issue (name: string, days?: number): Pair
  /** The certificate that was issued for `name`, its key and this authority as PKCS#12. */
  bundle (name: string, passphrase: string): Buffer
}

/** A certificate authority of the test's own, in `folder`. */
export function makeAuthority (folder: string): Authority {
  const at = (name: string): string => join(folder, name)
  const pair = (name: string): Pair => ({ cert: readFileSync(at(`${name}.crt`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') })
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('ca.key'), '-out', at('ca.crt'), '-subj', '/CN=Test authority', '-days', '2')
  return {
    ...pair('ca'),
    issue (name, days = 2) {
      openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1')
      openssl('x509', '-req', '-in', at(`${name}.csr`), '-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-out', at(`${name}.crt`), '-days', String(days), '-copy_extensions', 'copy')
      return pair(name)
    },
    bundle (name, passphrase) {
      openssl('pkcs12', '-export', '-inkey', at(`${name}.key`), '-in', at(`${name}.crt`), '-certfile', at('ca.crt'), '-out', at(`${name}.p12`), '-passout', `pass:${passphrase}`)
      return readFileSync(at(`${name}.p12`))
    }
  }
}

function openssl (...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}

function hasOpenssl (): boolean {
  try {
    openssl('version')
    return true
  } catch {
    return false
  }
}
