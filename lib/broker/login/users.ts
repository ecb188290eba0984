import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { verifyPassword, type UserRecord } from '../access/passwords.ts'
import { networkOf } from '../network-address.ts'
import { FailureBackoff } from './failure-backoff.ts'
import { KnownNetworks } from './known-networks.ts'
import { PasswordGuesses } from './password-guesses.ts'

/** `slowed`: not looked at, because of failures before or because too many wait; the client may try again later. */
export type Verdict = 'granted' | 'refused' | 'slowed'

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

/** As many times more wrong passwords a user is allowed, wherever they come from, as an address. */
export const guessesPerFailure = 4

interface Attempt {
  username: string
  password: Buffer
  /** The hash to match when the attempt was made; undefined: nobody has this name. */
  hash: string | undefined
  /** What stands for username, hash and password in memory. */
  digest: Buffer
  /** Keys: where from, who from there, and exactly these credentials from there. */
  network: string
  userThere: string
  credentialsThere: string
}

/**
 * Who may log in, at a cost that strangers cannot raise. A password that was right is known again without computing its hash.
 * Failures slow down the address they come from, and no success lifts that. Users who logged in from a slowed address before
 * still get in with the password that was right then: behind a router, one bad client does not keep the others out.
 * Wrong passwords of one user slow down that user everywhere but where it logged in before, so that many addresses guess no faster than
 * a few, and nobody is kept out of where it always comes from.
 */
export class Users {
  #hashes = new Map<string, string>()
  #decoys: string[] = []
  /** Of this process alone: what is remembered is worth nothing outside it. */
  #secret = randomBytes(32)
  /** By username, the digest of the credentials that were right. */
  #remembered = new Map<string, Buffer>()
  /** Users and the networks they logged in from. */
  #welcome = new KnownNetworks<true>()
  #networks: FailureBackoff
  /** The same wrong password again is no new guess: it slows down itself, not its neighbours. */
  #credentials: FailureBackoff
  /** Wrong guesses at remembered passwords from a slowed network, by user: the way around the slowdown is no way to guess faster. */
  #guesses: FailureBackoff
  #guessing: PasswordGuesses
  #checks = new Map<string, Promise<boolean | 'slowed'>>()
  #running = 0
  #queue: Array<() => void> = []
  readonly #concurrency: number
  readonly #longestQueue: number

  constructor (records: readonly UserRecord[], options: UsersOptions = {}) {
    const { now = () => performance.now(), concurrency = 2, waiting = 256, failuresAllowed = 5 } = options
    this.#concurrency = concurrency
    this.#longestQueue = waiting
    const slowdown = { allowed: failuresAllowed, now }
    this.#networks = new FailureBackoff(slowdown)
    this.#credentials = new FailureBackoff(slowdown)
    this.#guesses = new FailureBackoff(slowdown)
    this.#guessing = new PasswordGuesses({ allowed: guessesPerFailure * failuresAllowed, now, isUser: username => this.#hashes.has(username) })
    this.update(records)
  }

  get isEmpty (): boolean { return this.#hashes.size === 0 }
  /** Hashes that are being computed now. */
  get checking (): number { return this.#running }
  /** Passwords that wait to be hashed. */
  get waiting (): number { return this.#queue.length }

  /**
   * Exchange the table. Users whose hash stayed stay remembered.
   * @returns the usernames that vanished or whose hash changed: their clients are to log in again
   */
  update (records: readonly UserRecord[]): string[] {
    const before = [...this.#hashes].map(([username, hash]) => ({ username, hash }))
    this.#hashes = tableOf(records)
    this.#decoys = [...this.#hashes.values()]
    const changed = changedUsers(before, records)
    for (const username of changed) {
      this.#remembered.delete(username)
      if (!this.#hashes.has(username)) this.#welcome.forget(username)
    }
    return changed
  }

  /**
   * @param password the bytes of CONNECT; undefined (none was sent) is never right
   * @param address where the client connects from; all without one count as one
   */
  async authenticate (username: string, password: Buffer | undefined, address: string | undefined): Promise<Verdict> {
    // Nothing was guessed, and the answer is the same for every name.
    if (password === undefined || this.isEmpty) return 'refused'
    const attempt = this.#attempt(username, password, networkOf(address))
    if (this.#credentials.slows(attempt.credentialsThere)) return 'slowed'
    const known = this.#recall(attempt)
    if (this.#networks.slows(attempt.network)) return this.#isWelcome(attempt, known) ? 'granted' : 'slowed'
    if (this.#isGuessedElsewhere(attempt)) return 'slowed'
    if (known === true) return this.#grant(attempt)
    // Counted before the work: of a thousand guesses that come at once, all but the first few find the address slowed.
    if (known === false) this.#fail(attempt)
    const right = await this.#check(attempt, known === false)
    if (right === 'slowed') return 'slowed'
    if (!right) {
      if (known === undefined) this.#fail(attempt)
      return 'refused'
    }
    // The table may have been exchanged meanwhile.
    return this.#hashes.get(username) === attempt.hash ? this.#grant(attempt) : 'refused'
  }

  #attempt (username: string, password: Buffer, network: string): Attempt {
    const hash = this.#hashes.get(username)
    const digest = this.#sign(JSON.stringify([username, hash]), password)
    const userThere = `${network} ${this.#sign(username).toString('base64')}`
    return { username, password, hash, digest, network, userThere, credentialsThere: `${network} ${digest.toString('base64')}` }
  }

  #sign (...parts: Array<string | Buffer>): Buffer {
    const hmac = createHmac('sha256', this.#secret)
    for (const part of parts) hmac.update(part)
    return hmac.digest()
  }

  /** Whether these credentials are the remembered ones; undefined: none are. */
  #recall ({ username, digest }: Attempt): boolean | undefined {
    const remembered = this.#remembered.get(username)
    return remembered === undefined ? undefined : timingSafeEqual(remembered, digest)
  }

  /** Whether a user is slowed where it comes from: all that ask are told the same, and a right password is not looked at. */
  #isGuessedElsewhere ({ username, network }: Attempt): boolean {
    return this.#guessing.slows(username) && this.#welcome.get(username, network) === undefined
  }

  /** Whether a user of a slowed network gets in all the same. All that do not are told the same. */
  #isWelcome (attempt: Attempt, known: boolean | undefined): boolean {
    if (this.#welcome.get(attempt.username, attempt.network) === undefined || this.#guesses.slows(attempt.userThere)) return false
    if (known === false) {
      if (!this.#credentials.knows(attempt.credentialsThere)) this.#guesses.count(attempt.userThere)
      this.#credentials.count(attempt.credentialsThere)
    }
    return known === true
  }

  #grant ({ username, digest, network }: Attempt): Verdict {
    this.#remembered.set(username, digest)
    this.#welcome.set(username, network, true)
    return 'granted'
  }

  #fail ({ username, digest, network, credentialsThere }: Attempt): void {
    this.#guessing.count(username, digest)
    if (!this.#credentials.knows(credentialsThere)) this.#networks.count(network)
    this.#credentials.count(credentialsThere)
  }

  /** Compute and compare once for all that ask the same at the same time. */
  #check (attempt: Attempt, counted: boolean): Promise<boolean | 'slowed'> {
    const key = attempt.digest.toString('base64')
    const same = this.#checks.get(key)
    if (same !== undefined) return same
    if (this.#running >= this.#concurrency && this.#queue.length >= this.#longestQueue) return Promise.resolve('slowed')
    const check = this.#compute(attempt, counted).finally(() => this.#checks.delete(key))
    this.#checks.set(key, check)
    return check
  }

  async #compute (attempt: Attempt, counted: boolean): Promise<boolean | 'slowed'> {
    const { username, password, hash, network } = attempt
    if (this.#running < this.#concurrency) this.#running++
    else await new Promise<void>(resolve => { this.#queue.push(resolve) })
    try {
      // Failures that came in meanwhile spare the work, except where this attempt is one of them: its answer must not tell.
      if (!counted && (this.#networks.slows(network) || this.#isGuessedElsewhere(attempt))) return 'slowed'
      const matches = await verifyPassword(password, hash ?? this.#decoyFor(username))
      return matches && hash !== undefined
    } finally {
      const next = this.#queue.shift()
      if (next === undefined) this.#running--
      // Not before a failure of this one is counted.
      else setImmediate(next)
    }
  }

  /** A user's hash for a name that nobody has: it costs what a user's costs, of whatever kinds the table's hashes are. */
  #decoyFor (username: string): string {
    return this.#decoys[this.#sign(username).readUInt32BE() % this.#decoys.length] ?? ''
  }
}

/** The usernames of `before` that vanished or whose hash is another one. */
export function changedUsers (before: readonly UserRecord[], after: readonly UserRecord[]): string[] {
  const hashes = tableOf(after)
  return [...tableOf(before)].filter(([username, hash]) => hashes.get(username) !== hash).map(([username]) => username)
}

function tableOf (records: readonly UserRecord[]): Map<string, string> {
  return new Map(records.map(({ username, hash }) => [username, hash]))
}
