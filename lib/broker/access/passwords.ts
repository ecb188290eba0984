import { createHash, pbkdf2, randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'

export interface UserRecord {
  username: string
  /** As written by `hashPassword` or mosquitto_passwd. */
  hash: string
}

/** What can be wrong with a line of a password file, in English. The form has a text for each key in every language. */
export const passwordFileTexts = {
  lineUnknown: () => 'The line is not "username:hash".',
  userMissing: () => 'The line has no username.',
  userRepeated: (username: string) => `The user "${username}" is repeated: the last line counts.`,
  passwordMissing: (username: string) => `The user "${username}" has no password.`,
  // "mosquitto_passwd -U" would hash the lines that are hashed already once more.
  passwordPlain: (username: string) => `The password of "${username}" is plain text: hash it with "mosquitto_passwd <file> <username>", ` +
    'or with "mosquitto_passwd -U <file>" when no line of the file is hashed.',
  hashUnknown: (username: string) => `The password of "${username}" is hashed in a way that is not supported: $7$, $6$ and $scrypt$ are.`,
  hashDamaged: (username: string) => `The password of "${username}" has a damaged hash: set it again.`,
  hashExpensive: (username: string) => `The password of "${username}" has a hash that would take too long to check: set it again with fewer iterations.`
} as const

export interface PasswordFileProblem {
  /** From 1. */
  line: number
  problem: keyof typeof passwordFileTexts
  /** Empty: the line has none. */
  username: string
  /** The sentence of `passwordFileTexts`, which never quotes the password. */
  text: string
}

type Hash = { kind: 'scrypt', cost: Required<Pick<ScryptOptions, 'N' | 'r' | 'p'>>, salt: Buffer, key: Buffer } |
  { kind: 'pbkdf2', iterations: number, salt: Buffer, key: Buffer } |
  { kind: 'sha512', salt: Buffer, key: Buffer }

type HashProblem = 'passwordPlain' | 'hashUnknown' | 'hashDamaged' | 'hashExpensive'

/** About 45 ms and 16 MiB on a server of 2024; the next step up would double both. */
const standard = { log2N: 14, r: 8, p: 1 }
/** Bounds both time and memory (128·N·r bytes): 128 MiB and 0.4 s, the costliest that is usually recommended (N = 2^17, r = 8). */
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
    // OpenSSL refuses some combinations of parameters.
    return false
  }
}

/**
 * The users of a Mosquitto password file, and the lines that have none. As in Mosquitto, `#` in the first column begins a comment,
 * blanks around name and hash do not count, and the last line of a repeated username counts.
 */
export function parsePasswordFile (text: string): { users: UserRecord[], problems: PasswordFileProblem[] } {
  const users = new Map<string, UserRecord>()
  const problems: PasswordFileProblem[] = []
  for (const [index, line] of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/).entries()) {
    if (line.startsWith('#') || line.trim() === '') continue
    const report = ({ problem, username }: LineProblem) => {
      problems.push({ line: index + 1, problem, username, text: passwordFileTexts[problem](username) })
    }
    const user = readUser(line)
    if ('problem' in user) {
      report(user)
      continue
    }
    const { username } = user
    if (users.has(username)) report({ problem: 'userRepeated', username })
    users.set(username, user)
  }
  return { users: [...users.values()], problems }
}

type LineProblem = Pick<PasswordFileProblem, 'problem' | 'username'>

/** The user of a line, or what is wrong with it. */
function readUser (line: string): UserRecord | LineProblem {
  const [username = '', hash] = line.split(':').map(field => field.trim())
  // A line without a colon may be a password alone: it is not quoted.
  if (hash === undefined) return { problem: 'lineUnknown', username: '' }
  if (username === '') return { problem: 'userMissing', username }
  if (hash === '') return { problem: 'passwordMissing', username }
  const read = readHash(hash)
  return typeof read === 'string' ? { problem: read, username } : { username, hash }
}

function readHash (text: string): Hash | HashProblem {
  if (!/^\$[^$]+\$/.test(text)) return 'passwordPlain'
  const [, kind, ...fields] = text.split('$')
  if (kind === '7') return readPbkdf2(fields)
  if (kind === '6') return readSha512(fields)
  if (kind === 'scrypt') return readScrypt(fields)
  return 'hashUnknown'
}

function readScrypt ([parameters = '', ...rest]: string[]): Hash | HashProblem {
  const bytes = saltAndKey(rest)
  const numbers = /^ln=(\d{1,3}),r=(\d{1,9}),p=(\d{1,9})$/.exec(parameters)?.slice(1).map(Number)
  if (bytes === undefined || numbers === undefined) return 'hashDamaged'
  const [log2N = 0, r = 0, p = 0] = numbers
  if (log2N < 1 || r < 1 || p < 1 || bytes.key.length < 16) return 'hashDamaged'
  if (2 ** log2N * r * p > mostScryptWork) return 'hashExpensive'
  return { kind: 'scrypt', cost: { N: 2 ** log2N, r, p }, ...bytes }
}

function readPbkdf2 ([iterations = '', ...rest]: string[]): Hash | HashProblem {
  const bytes = saltAndKey(rest)
  if (bytes?.key.length !== sha512Bytes || !/^[1-9]\d*$/.test(iterations)) return 'hashDamaged'
  if (Number(iterations) > mostIterations) return 'hashExpensive'
  return { kind: 'pbkdf2', iterations: Number(iterations), ...bytes }
}

function readSha512 (fields: string[]): Hash | HashProblem {
  const bytes = saltAndKey(fields)
  return bytes?.key.length === sha512Bytes ? { kind: 'sha512', ...bytes } : 'hashDamaged'
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
