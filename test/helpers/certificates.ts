import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { skipped } from './node-red.ts'

/** What `{ skip }` of a test that needs certificates takes. */
export const withoutOpenssl: string | false = hasOpenssl() ? false : skipped('openssl makes the certificates of this test: install it')

export interface Pair { cert: string, key: string }
/** A value of a certificate's subject: the type of its text in ASN.1, and its bytes. */
export interface SubjectName { oid?: number[], tag?: number, value: string | Buffer }
export interface Authority extends Pair {
  /** A certificate of this authority for `name`. @param days of its life; 0 and less: expired */
  issue (name: string, days?: number): Pair
  /** A certificate of this authority for a subject that openssl refuses to write. */
  forge (subject: SubjectName[][]): Pair
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
    forge (subject) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const algorithm = asn1(0x30, asn1(6, Buffer.from([0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])))
      const life = [-1, 1].map(days => asn1(0x17, Buffer.from(`${new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '').slice(2)}`)))
      const toSign = asn1(0x30, asn1(2, Buffer.from([1])), algorithm, nameOf([[{ value: 'Test authority' }]]), asn1(0x30, ...life), nameOf(subject), publicKey.export({ type: 'spki', format: 'der' }))
      const cert = asn1(0x30, toSign, algorithm, asn1(3, Buffer.from([0]), sign('sha256', toSign, pair('ca').key)))
      return { cert: `-----BEGIN CERTIFICATE-----\n${cert.toString('base64').match(/.{1,64}/g)?.join('\n')}\n-----END CERTIFICATE-----\n`, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
    },
    bundle (name, passphrase) {
      openssl('pkcs12', '-export', '-inkey', at(`${name}.key`), '-in', at(`${name}.crt`), '-certfile', at('ca.crt'), '-out', at(`${name}.p12`), '-passout', `pass:${passphrase}`)
      return readFileSync(at(`${name}.p12`))
    }
  }
}

/** A value in ASN.1's distinguished encoding. */
function asn1 (tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const size = Buffer.from([body.length >> 16, body.length >> 8 & 255, body.length & 255])
  const length = size.subarray(size.findIndex((byte, i) => byte > 0 || i === 2))
  return Buffer.concat([Buffer.from(body.length < 128 ? [tag, body.length] : [tag, 0x80 | length.length, ...length]), body])
}

const commonName = [0x55, 4, 3]
const utf8 = 12

function nameOf (names: SubjectName[][]): Buffer {
  const value = ({ oid = commonName, tag = utf8, value }: SubjectName): Buffer => asn1(0x30, asn1(6, Buffer.from(oid)), asn1(tag, Buffer.from(value)))
  return asn1(0x30, ...names.map(set => asn1(0x31, ...set.map(value))))
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
