import { createHash, pbkdf2, randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'

export interface UserRecord {
  username: string
  /** As `hashPassword` or mosquitto_passwd writes it. */
  hash: string
}

export interface PasswordFileProblem {
  /** From 1. */
  line: number
  /** One sentence that never quotes the password. */
  text: string
}

type Hash = { kind: 'scrypt', cost: Required<Pick<ScryptOptions, 'N' | 'r' | 'p'>>, salt: Buffer, key: Buffer } |
  { kind: 'pbkdf2', iterations: number, salt: Buffer, key: Buffer } |
  { kind: 'sha512', salt: Buffer, key: Buffer }

type HashProblem = 'plain' | 'unknown' | 'damaged' | 'expensive'

/** About 45 ms and 16 MiB on a server of 2024; the next step up would take twice of both. */
const standard = { log2N: 14, r: 8, p: 1 }
/** Bounds time and memory (128·N·r bytes) alike: 128 MiB and 0.4 s, the costliest that is usually recommended (N = 2^17, r = 8). */
const mostScryptWork = 2 ** 20
/** About 0.4 s. */
const mostIterations = 1_000_000
/** Room for what is allowed above; Node's own bound is 32 MiB. */
const scryptMemory = 192 * 2 ** 20
const sha512Bytes = 64

const derive = {
  scrypt: promisify<Buffer, Buffer, number, ScryptOptions, Buffer>(scrypt),
  pbkdf2: promisify(pbkdf2)
}

/** A hash of a new password, with a salt of its own: `$scrypt$ln=14,r=8,p=1$salt$key`, a PHC string. */
export async function hashPassword (password: string): Promise<string> {
  const { log2N, r, p } = standard
  const salt = randomBytes(16)
  const key = await derive.scrypt(Buffer.from(password), salt, 32, { N: 2 ** log2N, r, p, maxmem: scryptMemory })
  return `$scrypt$ln=${log2N},r=${r},p=${p}$${unpadded(salt)}$${unpadded(key)}`
}

/**
 * Whether a password, as the bytes of CONNECT [MQTT-3.1.3.5], is the one of a hash: `$scrypt$`, Mosquitto's `$7$` (PBKDF2) or its `$6$` (SHA-512).
 * A hash that is damaged, of another kind or too expensive to check matches nothing. Never throws.
 */
export async function verifyPassword (password: Buffer, hash: string): Promise<boolean> {
  const expected = readHash(hash)
  if (typeof expected === 'string') return false
  try {
    return timingSafeEqual(await keyOf(password, expected), expected.key)
  } catch {
    // OpenSSL knows combinations of parameters that it refuses.
    return false
  }
}

/**
 * The users of a Mosquitto password file, and the lines that gave none. As there, `#` in the first column begins a comment,
 * blanks around name and hash do not count, and of a username that is repeated the last line holds.
 */
export function parsePasswordFile (text: string): { users: UserRecord[], problems: PasswordFileProblem[] } {
  const users = new Map<string, UserRecord>()
  const problems: PasswordFileProblem[] = []
  for (const [index, line] of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/).entries()) {
    if (line.startsWith('#') || line.trim() === '') continue
    const user = readUser(line)
    if (typeof user === 'string') {
      problems.push({ line: index + 1, text: user })
      continue
    }
    if (users.has(user.username)) problems.push({ line: index + 1, text: `The user "${user.username}" is repeated: the last line holds.` })
    users.set(user.username, user)
  }
  return { users: [...users.values()], problems }
}

/** The user of a line, or what is wrong with it. */
function readUser (line: string): UserRecord | string {
  const [username = '', hash] = line.split(':').map(field => field.trim())
  // Without a colon the line may be a password that somebody put alone: it is not quoted.
  if (hash === undefined) return 'The line is no "username:hash".'
  if (username === '') return 'The line has no username.'
  if (hash === '') return `The user "${username}" has no password.`
  const read = readHash(hash)
  return typeof read === 'string' ? `The password of "${username}" ${hashProblems[read]}` : { username, hash }
}

const hashProblems: Record<HashProblem, string> = {
  // "mosquitto_passwd -U" would hash the lines that are hashed already once more.
  plain: 'is plain text: hash it with "mosquitto_passwd <file> <username>", or with "mosquitto_passwd -U <file>" when no line of the file is hashed.',
  unknown: 'is hashed in a way that is not supported: $7$, $6$ and $scrypt$ are.',
  damaged: 'has a damaged hash: set it again.',
  expensive: 'has a hash that would take too long to check: set it again with fewer iterations.'
}

function readHash (text: string): Hash | HashProblem {
  if (!/^\$[^$]+\$/.test(text)) return 'plain'
  const [, kind, ...fields] = text.split('$')
  if (kind === '7') return readPbkdf2(fields)
  if (kind === '6') return readSha512(fields)
  if (kind === 'scrypt') return readScrypt(fields)
  return 'unknown'
}

function readScrypt ([parameters = '', ...rest]: string[]): Hash | HashProblem {
  const bytes = saltAndKey(rest)
  const numbers = /^ln=(\d{1,3}),r=(\d{1,9}),p=(\d{1,9})$/.exec(parameters)?.slice(1).map(Number)
  if (bytes === undefined || numbers === undefined) return 'damaged'
  const [log2N = 0, r = 0, p = 0] = numbers
  if (log2N < 1 || r < 1 || p < 1 || bytes.key.length < 16) return 'damaged'
  if (2 ** log2N * r * p > mostScryptWork) return 'expensive'
  return { kind: 'scrypt', cost: { N: 2 ** log2N, r, p }, ...bytes }
}

function readPbkdf2 ([iterations = '', ...rest]: string[]): Hash | HashProblem {
  const bytes = saltAndKey(rest)
  if (bytes?.key.length !== sha512Bytes || !/^[1-9]\d*$/.test(iterations)) return 'damaged'
  if (Number(iterations) > mostIterations) return 'expensive'
  return { kind: 'pbkdf2', iterations: Number(iterations), ...bytes }
}

function readSha512 (fields: string[]): Hash | HashProblem {
  const bytes = saltAndKey(fields)
  return bytes?.key.length === sha512Bytes ? { kind: 'sha512', ...bytes } : 'damaged'
}

/** Two fields of base64, at most 128 bytes each. */
function saltAndKey ([salt = '', key = '', ...more]: string[]): { salt: Buffer, key: Buffer } | undefined {
  const base64 = /^[A-Za-z0-9+/]{2,171}={0,2}$/
  if (more.length > 0 || !base64.test(salt) || !base64.test(key)) return undefined
  return { salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') }
}

async function keyOf (password: Buffer, hash: Hash): Promise<Buffer> {
  switch (hash.kind) {
    case 'scrypt': return await derive.scrypt(password, hash.salt, hash.key.length, { ...hash.cost, maxmem: scryptMemory })
    case 'pbkdf2': return await derive.pbkdf2(password, hash.salt, hash.iterations, sha512Bytes, 'sha512')
    case 'sha512': return createHash('sha512').update(password).update(hash.salt).digest()
  }
}

/** PHC strings carry base64 without its padding. */
function unpadded (bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
