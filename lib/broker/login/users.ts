import { timingSafeEqual } from 'node:crypto'
import { verifyPassword, type UserRecord } from '../access/passwords.ts'
import { LoginDefence, type Attempt, type Verdict } from './login-defence.ts'

export interface UsersOptions {
  /** Milliseconds that never go back; default `performance.now`. */
  now?: () => number
  /** Hashes computed at a time. The thread pool that does it has four threads and serves SQLite too; default 2. */
  concurrency?: number
  /** Passwords that may wait to be hashed; default 256. */
  waiting?: number
  /** Failures of an address before it is slowed; default 5. */
  failuresAllowed?: number
}

interface PasswordAttempt extends Attempt {
  password: Buffer
  /** The hash to match when the attempt was made; undefined: nobody has this name. */
  hash: string | undefined
}

/** The users in the broker's own table. A password that was right is recognised again without computing its hash. */
export class Users {
  #hashes = new Map<string, string>()
  #decoys: string[] = []
  /** By username, the digest of the credentials that were right. */
  #remembered = new Map<string, Buffer>()
  readonly #defence: LoginDefence<true>
  #checks = new Map<string, Promise<boolean | 'slowed'>>()
  #running = 0
  #queue: Array<() => void> = []
  readonly #concurrency: number
  readonly #longestQueue: number

  constructor (records: readonly UserRecord[], options: UsersOptions = {}) {
    const { now = () => performance.now(), concurrency = 2, waiting = 256, failuresAllowed = 5 } = options
    this.#concurrency = concurrency
    this.#longestQueue = waiting
    this.#defence = new LoginDefence({ now, failuresAllowed, isUser: username => this.#hashes.has(username) })
    this.update(records)
  }

  get isEmpty (): boolean { return this.#hashes.size === 0 }
  /** Hashes that are being computed now. */
  get checking (): number { return this.#running }
  /** Passwords that wait to be hashed. */
  get waiting (): number { return this.#queue.length }

  /**
   * Replace the table. Users whose hash stays are still remembered.
   * @returns the usernames that are gone or whose hash changed: their clients have to log in again
   */
  update (records: readonly UserRecord[]): string[] {
    const before = [...this.#hashes].map(([username, hash]) => ({ username, hash }))
    this.#hashes = tableOf(records)
    this.#decoys = [...this.#hashes.values()]
    const changed = changedUsers(before, records)
    for (const username of changed) {
      this.#remembered.delete(username)
      if (!this.#hashes.has(username)) this.#defence.welcome.forget(username)
    }
    return changed
  }

  /**
   * @param password the bytes of CONNECT; undefined (none was sent) is never right
   * @param address where the client connects from; all without one count as one
   */
  async authenticate (username: string, password: Buffer | undefined, address: string | undefined): Promise<Verdict> {
    // Nothing was guessed, and every name gets the same answer.
    if (password === undefined || this.isEmpty) return 'refused'
    const attempt = this.#attempt(username, password, address)
    const defence = this.#defence
    if (defence.slowsCredentials(attempt)) return 'slowed'
    const known = this.#recall(attempt)
    if (defence.slowsNetwork(attempt)) return defence.isWelcome(attempt, known) ? 'granted' : 'slowed'
    if (defence.isGuessedElsewhere(attempt)) return 'slowed'
    if (known === true) return this.#grant(attempt)
    // Counted before the work: of a thousand guesses that come at once, all but the first few find the network slowed.
    if (known === false) defence.fail(attempt)
    const right = await this.#check(attempt, known === false)
    if (right === 'slowed') return 'slowed'
    if (!right) {
      if (known === undefined) defence.fail(attempt)
      return 'refused'
    }
    // The table may have been replaced meanwhile.
    return this.#hashes.get(username) === attempt.hash ? this.#grant(attempt) : 'refused'
  }

  #attempt (username: string, password: Buffer, address: string | undefined): PasswordAttempt {
    const hash = this.#hashes.get(username)
    const digest = this.#defence.sign(JSON.stringify([username, hash]), password)
    return { ...this.#defence.attempt(username, digest, address), password, hash }
  }

  /** Whether these credentials are the remembered ones; undefined: none are. */
  #recall ({ username, digest }: Attempt): boolean | undefined {
    const remembered = this.#remembered.get(username)
    return remembered === undefined ? undefined : timingSafeEqual(remembered, digest)
  }

  #grant ({ username, digest, network }: Attempt): Verdict {
    this.#remembered.set(username, digest)
    this.#defence.welcome.set(username, network, true)
    return 'granted'
  }

  /** Compute and compare once for all attempts with the same credentials at the same time. */
  #check (attempt: PasswordAttempt, counted: boolean): Promise<boolean | 'slowed'> {
    const key = attempt.digest.toString('base64')
    const same = this.#checks.get(key)
    if (same !== undefined) return same
    if (this.#running >= this.#concurrency && this.#queue.length >= this.#longestQueue) return Promise.resolve('slowed')
    const check = this.#compute(attempt, counted).finally(() => this.#checks.delete(key))
    this.#checks.set(key, check)
    return check
  }

  async #compute (attempt: PasswordAttempt, counted: boolean): Promise<boolean | 'slowed'> {
    const { username, password, hash } = attempt
    if (this.#running < this.#concurrency) this.#running++
    else await new Promise<void>(resolve => { this.#queue.push(resolve) })
    try {
      // Failures in the meantime save the work, except where this attempt is one of them: the answer must not show that.
      if (!counted && (this.#defence.slowsNetwork(attempt) || this.#defence.isGuessedElsewhere(attempt))) return 'slowed'
      const matches = await verifyPassword(password, hash ?? this.#decoyFor(username))
      return matches && hash !== undefined
    } finally {
      const next = this.#queue.shift()
      if (next === undefined) this.#running--
      // Later, so that a failure of this attempt is counted first.
      else setImmediate(next)
    }
  }

  /** The hash of some user for a name that nobody has, so that an unknown name takes as long as a known one, whatever kinds of hashes there are. */
  #decoyFor (username: string): string {
    return this.#decoys[this.#defence.sign(username).readUInt32BE() % this.#decoys.length] ?? ''
  }
}

/** The usernames of `before` that are gone or whose hash changed. */
export function changedUsers (before: readonly UserRecord[], after: readonly UserRecord[]): string[] {
  const hashes = tableOf(after)
  return [...tableOf(before)].filter(([username, hash]) => hashes.get(username) !== hash).map(([username]) => username)
}

function tableOf (records: readonly UserRecord[]): Map<string, string> {
  return new Map(records.map(({ username, hash }) => [username, hash]))
}
