import { isObject } from '../../is-object.ts'
import { invalidCommand } from './invalid-command.ts'
import { hashPassword, parsePasswordFile, verifyPassword, type UserRecord } from './passwords.ts'
import { parseRulesFile } from './rules-file.ts'
import { checkRule, ruleTexts, type Rule } from './rules.ts'

/** Who may log in, and who may publish and subscribe to what. */
export interface Access {
  users: UserRecord[]
  rules: Rule[]
}

/** Characters of a Mosquitto file. */
export const longestText = 1_048_576
/** Bytes: the length of a password is two bytes of CONNECT [MQTT-3.1.3.5]. */
export const longestPassword = 65_535
/** Entries of a list of users or rules. */
export const mostEntries = 10_000

export function isPassword (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= longestPassword
}

export function isText (value: unknown): value is string {
  return typeof value === 'string' && value.length <= longestText
}

export function isRuleList (value: unknown): value is Rule[] {
  return Array.isArray(value) && value.length <= mostEntries && value.every(rule => isObject(rule) && checkRule(rule) === undefined)
}

/** An entry of a list of users, checked. */
type GivenUser = UserRecord | { username: string, password: string }

/**
 * Reads the users and rules of a payload `{users, rules}`. Each is the text of a Mosquitto file or a list; one of the two may be left out.
 * Users are `{username, hash}` or `{username, password}`; a user whose password stays the same keeps the hash that is in force.
 * Refuses what would open the broker by accident: a text without users, and an empty list of rules.
 * @throws PlatziverseError BROKER_COMMAND_INVALID, which names the line of a text or the entry of a list
 */
export async function readAccess (payload: unknown, now: Access): Promise<Partial<Access>> {
  const { users, rules } = isObject(payload) ? payload : {}
  if (users === undefined && rules === undefined) throw invalidCommand('The payload needs users, rules or both.')
  // The rules first: they cost little.
  return {
    ...rules === undefined ? {} : { rules: readRules(rules) },
    ...users === undefined ? {} : { users: await readUsers(users, now.users) }
  }
}

function readRules (given: unknown): Rule[] {
  if (typeof given === 'string') return readFile('rules', given, parseRulesFile).rules
  const list = readList('rules', given)
  // Most likely somebody found none.
  if (list.length === 0) throw invalidCommand('rules is empty, which would allow everything: if that is meant, send a rule that says so.')
  return list.map((entry, i) => {
    const { subject, username, access, topic } = entry as Partial<Rule>
    const problem = checkRule({ subject, username, access, topic })
    if (problem !== undefined) throw invalidCommand(`rules, entry ${i + 1}: ${ruleTexts[problem]}`)
    return { subject, access, topic, ...subject === 'user' ? { username } : {} } as Rule
  })
}

async function readUsers (given: unknown, now: readonly UserRecord[]): Promise<UserRecord[]> {
  if (typeof given === 'string') {
    const { users } = readFile('users', given, parsePasswordFile)
    // Most likely somebody is writing the file.
    if (users.length === 0) throw invalidCommand('users: the text has no user. To let nobody log in, send an empty list.')
    return users
  }
  const list = readList('users', given).map(readUser)
  const names = new Set<string>()
  for (const [i, { username }] of list.entries()) {
    if (names.has(username)) throw invalidCommand(`users, entry ${i + 1}: the username is given twice.`)
    names.add(username)
  }
  const hashes = new Map(now.map(({ username, hash }) => [username, hash]))
  const users: UserRecord[] = []
  // One after another: hashing takes threads that others need.
  for (const user of list) users.push('hash' in user ? user : await hashed(user.username, user.password, hashes.get(user.username)))
  return users
}

function readUser (entry: object, i: number): GivenUser {
  const { username, hash, password } = entry as Record<string, unknown>
  const wrong = (text: string): Error => invalidCommand(`users, entry ${i + 1}: ${text}`)
  if (typeof username !== 'string' || username === '') throw wrong('the username is missing.')
  if ((hash === undefined) === (password === undefined)) throw wrong('it needs a hash or a password, and not both.')
  if (hash === undefined) {
    if (!isPassword(password)) throw wrong('the password must be a string of 1 to 65,535 bytes.')
    return { username, password }
  }
  if (typeof hash !== 'string' || !isHash(hash)) throw wrong('the hash is of a kind that is not supported: $scrypt$, $7$ and $6$ are.')
  return { username, hash }
}

/** Whether it stands in a password file as it is. */
function isHash (hash: string): boolean {
  const { users: [user], problems } = parsePasswordFile(`user:${hash}`)
  return problems.length === 0 && user?.hash === hash
}

/** A new hash only for a new password: a user whose hash changes is hung up on. */
async function hashed (username: string, password: string, before: string | undefined): Promise<UserRecord> {
  const isKept = before !== undefined && await verifyPassword(Buffer.from(password), before)
  return { username, hash: isKept ? before : await hashPassword(password) }
}

function readFile<File extends { problems: Array<{ line: number, text: string }> }> (name: string, text: string, parse: (text: string) => File): File {
  if (!isText(text)) throw invalidCommand(`${name}: a text has at most ${longestText} characters.`)
  const file = parse(text)
  const [first, ...others] = file.problems
  // A line that is left out may be one that denies.
  if (first !== undefined) throw invalidCommand(`${name}, line ${first.line}: ${first.text}${others.length > 0 ? ` (${others.length} more)` : ''}`)
  return file
}

function readList (name: string, given: unknown): object[] {
  if (!Array.isArray(given) || given.length > mostEntries) throw invalidCommand(`${name} must be a text or a list of at most ${mostEntries} entries.`)
  const bad = given.findIndex(entry => !isObject(entry))
  if (bad >= 0) throw invalidCommand(`${name}, entry ${bad + 1}: it is not an object.`)
  return given as object[]
}
