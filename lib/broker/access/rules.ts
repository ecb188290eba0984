import { covers, isShared, matches, overlaps, parseFilter, parseSubscription, type Filter } from '../../mqtt/topic-filters.ts'

/** One row of the table of access rules. */
export interface Rule {
  /** Whom it concerns: every client, clients without a username, or those of one user. */
  subject: 'everyone' | 'anonymous' | 'user'
  /** If the subject is `user`. */
  username?: string
  /** `deny` is about reading and writing. */
  access: 'read' | 'write' | 'readwrite' | 'deny'
  /** A topic filter. In rules for everyone, a level `%u` stands for the client's username and `%c` for its client id. */
  topic: string
}

/** A client, as rules know it. */
export interface ClientIdentity {
  /** Undefined: the client is anonymous. */
  username: string | undefined
  clientId: string
}

/** What one client may do. */
export interface Rights {
  mayPublish (topic: string): boolean
  /** Whether everything that the filter can match may be read. `$share/group/filter` is taken for `filter`. */
  maySubscribe (filter: string): boolean
  mayReceive (topic: string): boolean
}

const subjects: readonly unknown[] = ['everyone', 'anonymous', 'user'] satisfies Array<Rule['subject']>

/** Each access as bits; `deny` has none. */
const accessBits = { read: 1, write: 2, readwrite: 3, deny: 0 } as const satisfies Record<Rule['access'], number>

/** What can be wrong with a row of the table, in English. The form has a text for each key in every language. */
export const ruleTexts = {
  subjectUnknown: 'The subject must be everyone, anonymous or user.',
  usernameMissing: 'The username is missing.',
  usernameUnwritable: 'The username has a control character, or a space at its start or end.',
  accessUnknown: 'The access must be read, write, readwrite or deny.',
  topicMissing: 'The topic is missing.',
  topicUnwritable: 'The topic has a control character, or a space at its start or end.',
  topicShared: 'A shared subscription is checked by its filter: leave out "$share" and the group.',
  topicNoFilter: 'The topic is not a filter: + and # stand alone between slashes, # at the end; at most 65,535 bytes.',
  placeholderMixed: 'In the topic, %u and %c stand alone between slashes.'
} as const

export type RuleProblem = keyof typeof ruleTexts

/** What is wrong with a row of the table, as a key of `ruleTexts`; undefined: nothing. */
export function checkRule ({ subject, username, access, topic }: { [Field in keyof Rule]?: unknown }): RuleProblem | undefined {
  if (!subjects.includes(subject)) return 'subjectUnknown'
  if (subject === 'user') {
    if (typeof username !== 'string' || username === '') return 'usernameMissing'
    if (!isWritable(username)) return 'usernameUnwritable'
  }
  if (typeof access !== 'string' || !Object.hasOwn(accessBits, access)) return 'accessUnknown'
  if (typeof topic !== 'string' || topic === '') return 'topicMissing'
  if (!isWritable(topic)) return 'topicUnwritable'
  if (isShared(topic)) return 'topicShared'
  const filter = parseFilter(topic)
  if (filter === undefined) return 'topicNoFilter'
  if (subject === 'everyone' && filter.levels.some(level => /%[uc]/.test(level) && !isPlaceholder(level))) return 'placeholderMixed'
  return undefined
}

/** Whether a line of a Mosquitto ACL file can express it. */
function isWritable (text: string): boolean {
  return text === text.trim() && !/\p{Cc}/u.test(text)
}

type Placeholder = '%u' | '%c'

function isPlaceholder (level: string): level is Placeholder {
  return level === '%u' || level === '%c'
}

interface Entry {
  filter: Filter
  /** Of `accessBits`. */
  access: number
  /** Whether the filter has a `%u` or a `%c`. */
  personal: boolean
}

/**
 * Who may publish and subscribe to what, as a Mosquitto 2 ACL file says it. Without rules everybody may do everything;
 * with any rule, what none grants is refused.
 *
 * Where it differs from Mosquitto, it is the stricter one:
 * - A deny always wins. In Mosquitto it wins over the lines of its own kind only (it puts them first): a `topic` line that
 *   grants comes before a `pattern deny`.
 * - A subscription is granted only if everything that it can match is; Mosquitto grants every subscription and checks only deliveries.
 * - A username or client id with a `/` matches no pattern, as in Mosquitto 2.1; 2.0 makes two levels of it.
 *
 * In one point it is not: Mosquitto refuses everything that a pattern grants to a client whose names have a `+` or `#`
 * (CVE-2017-7650); here such a name only fails to match the patterns that use it.
 */
export class Rules {
  readonly #restricted: boolean
  readonly #everyone: Entry[] = []
  readonly #anonymous: Entry[] = []
  readonly #users = new Map<string, Entry[]>()
  /** Whether a rule depends on the client id. If none does, all anonymous clients have the same rights. */
  readonly #byClientId: boolean
  #forAnonymous: Granted | undefined

  /** @param rules each as `checkRule` requires: a wrong one grants and denies nothing */
  constructor (rules: readonly Rule[]) {
    this.#restricted = rules.length > 0
    this.#byClientId = rules.some(({ subject, topic }) => subject === 'everyone' && topic.split('/').includes('%c'))
    for (const rule of rules) {
      const filter = checkRule(rule) === undefined ? parseFilter(rule.topic) : undefined
      if (filter === undefined) continue
      const personal = rule.subject === 'everyone' && filter.levels.some(isPlaceholder)
      this.#entriesOf(rule).push({ filter, access: accessBits[rule.access], personal })
    }
  }

  /** The rights of one client. They take work to find: keep them as long as the client and the rules are the same. */
  for (client: ClientIdentity): Rights {
    if (!this.#restricted) return everything
    const shared = client.username === undefined && !this.#byClientId
    if (shared && this.#forAnonymous !== undefined) return new GrantedRights(this.#forAnonymous)
    const own = client.username === undefined ? this.#anonymous : this.#users.get(client.username) ?? []
    const names = { '%u': asLevel(client.username), '%c': asLevel(client.clientId) }
    const entries: Entry[] = []
    for (const entry of [...own, ...this.#everyone]) {
      const filter = entry.personal ? filledIn(entry.filter, names) : entry.filter
      if (filter !== undefined) entries.push({ ...entry, filter })
    }
    const granted = split(entries)
    if (shared) this.#forAnonymous = granted
    return new GrantedRights(granted)
  }

  #entriesOf ({ subject, username = '' }: Rule): Entry[] {
    if (subject !== 'user') return subject === 'everyone' ? this.#everyone : this.#anonymous
    const entries = this.#users.get(username) ?? []
    this.#users.set(username, entries)
    return entries
  }
}

/** A username or client id as one level of a topic: a stranger chooses it, and `#` must not open more than the pattern means. */
function asLevel (name: string | undefined): string | undefined {
  return name === undefined || name === '' || /[+#/]/.test(name) ? undefined : name
}

/** @returns undefined: it matches nothing of this client */
function filledIn ({ levels, rest }: Filter, names: Record<Placeholder, string | undefined>): Filter | undefined {
  const filled: string[] = []
  for (const level of levels) {
    const name = isPlaceholder(level) ? names[level] : level
    // And a client called `$SYS` must not read `$SYS/#` by the pattern `%c/#`.
    if (name === undefined || (filled.length === 0 && name !== level && name.startsWith('$'))) return undefined
    filled.push(name)
  }
  return { levels: filled, rest }
}

const everything: Rights = {
  mayPublish: () => true,
  maySubscribe: () => true,
  mayReceive: () => true
}

/**
 * Topics whose access is remembered of a client, in one Map that is emptied when it is full: clients choose the topics, and what a broker
 * remembers for each of thousands of clients stays below some 20 kB.
 */
const rememberedTopics = 64
const rememberedLength = 128

/** The rules that concern a client. */
interface Granted {
  grants: Entry[]
  denied: Filter[]
  /** How many levels of a topic decide whether any filter matches it. */
  levels: number
}

function split (entries: Entry[]): Granted {
  return {
    grants: entries.filter(({ access }) => access !== accessBits.deny),
    denied: entries.filter(({ access }) => access === accessBits.deny).map(({ filter }) => filter),
    levels: Math.max(0, ...entries.map(({ filter }) => filter.levels.length)) + 1
  }
}

class GrantedRights implements Rights {
  readonly #granted: Granted
  #remembered: Map<string, number> | undefined

  constructor (granted: Granted) {
    this.#granted = granted
  }

  mayPublish (topic: string): boolean {
    return (this.#access(topic) & accessBits.write) !== 0
  }

  mayReceive (topic: string): boolean {
    return (this.#access(topic) & accessBits.read) !== 0
  }

  /** A single rule has to cover the filter: that several rules cover it together, such as `a` and `a/+/#` for `a/#`, is not looked for. */
  maySubscribe (subscription: string): boolean {
    const filter = parseSubscription(subscription)
    if (filter === undefined || this.#granted.denied.some(denied => overlaps(denied, filter))) return false
    return this.#granted.grants.some(grant => (grant.access & accessBits.read) !== 0 && covers(grant.filter, filter))
  }

  #access (topic: string): number {
    const known = this.#remembered?.get(topic)
    if (known !== undefined) return known
    const access = this.#decide(topic)
    if (topic.length > rememberedLength) return access
    this.#remembered ??= new Map()
    if (this.#remembered.size >= rememberedTopics) this.#remembered.clear()
    this.#remembered.set(topic, access)
    return access
  }

  #decide (topic: string): number {
    const levels = topic.split('/', this.#granted.levels)
    for (const filter of this.#granted.denied) {
      if (matches(filter, levels)) return accessBits.deny
    }
    let access: number = accessBits.deny
    for (const grant of this.#granted.grants) {
      if ((access | grant.access) !== access && matches(grant.filter, levels)) access |= grant.access
    }
    return access
  }
}
