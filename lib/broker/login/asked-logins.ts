import { isUtf8 } from 'node:buffer'
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Decide } from '../broker.ts'
import { networkOf } from '../network-address.ts'
import { FailureBackoff } from './failure-backoff.ts'
import { KnownNetworks } from './known-networks.ts'
import { PasswordGuesses } from './password-guesses.ts'
import { guessesPerFailure, type Verdict as KnownVerdict } from './users.ts'

/** `undecided`: nobody answered; `crowded`: not asked, because too many questions are open. The client may try again later. */
export type AskedVerdict = KnownVerdict | 'undecided' | 'crowded'

export interface AskedLoginsOptions {
  /** Milliseconds that never go back; default `performance.now`. */
  now?: () => number
  /** Questions open at a time; default 1,000. */
  questions?: number
  /** … of one network, so that it leaves room for the others; default 250. */
  questionsPerNetwork?: number
  /** Failures of a network before it is slowed; default 5. */
  failuresAllowed?: number
}

interface Attempt {
  username: string
  /** What stands for username and password in memory. */
  digest: Buffer
  /** Keys: where from, who from there, and exactly these credentials from there. */
  network: string
  userThere: string
  credentialsThere: string
}

/**
 * Logins that somebody else decides, who is asked each time. Failures slow down the network they come from as those of `Users` do:
 * nobody is asked for it then, except for who gives the credentials that were right from there before.
 */
export class AskedLogins {
  /** Of this process alone: what is remembered is worth nothing outside it. */
  #secret = randomBytes(32)
  /** By user and network, the digest that was right last. */
  #welcome = new KnownNetworks<Buffer>()
  #networks: FailureBackoff
  /** The same wrong password again is no new guess: it slows down itself, not its neighbours. */
  #credentials: FailureBackoff
  /** Wrong guesses at remembered passwords from a slowed network, by user: the way around the slowdown is no way to guess faster. */
  #guesses: FailureBackoff
  #guessing: PasswordGuesses
  #open = 0
  #openFrom = new Map<string, number>()
  readonly #most: number
  readonly #mostPerNetwork: number

  constructor ({ now = () => performance.now(), questions = 1_000, questionsPerNetwork = 250, failuresAllowed = 5 }: AskedLoginsOptions = {}) {
    this.#most = questions
    this.#mostPerNetwork = questionsPerNetwork
    const slowdown = { allowed: failuresAllowed, now }
    this.#networks = new FailureBackoff(slowdown)
    this.#credentials = new FailureBackoff(slowdown)
    this.#guesses = new FailureBackoff(slowdown)
    this.#guessing = new PasswordGuesses({ allowed: guessesPerFailure * failuresAllowed, now, isUser: username => this.#welcome.knows(username) })
  }

  /**
   * @param password the bytes of CONNECT; whoever decides gets them as text
   * @param address where the client connects from; all without one count as one
   */
  async authenticate (decide: Decide, clientId: string, username: string, password: Buffer | undefined, address: string | undefined): Promise<AskedVerdict> {
    // As text it would be the same as another one.
    if (password !== undefined && !isUtf8(password)) return 'refused'
    const attempt = this.#attempt(username, password, networkOf(address))
    const { network } = attempt
    if (this.#credentials.slows(attempt.credentialsThere)) return 'slowed'
    const known = this.#recall(attempt)
    if (this.#networks.slows(network) && !this.#isWelcome(attempt, known)) return 'slowed'
    if (this.#isGuessedElsewhere(attempt)) return 'slowed'
    if (this.#open >= this.#most || (this.#openFrom.get(network) ?? 0) >= this.#mostPerNetwork) return 'crowded'
    const allowed = await this.#ask(network, () => decide({ clientId, username, password: password?.toString(), address }))
    if (allowed === undefined) return 'undecided'
    // Of a hundred guesses that came at once, all but the first few learn nothing.
    const slowed = !known && (this.#networks.slows(network) || this.#isGuessedElsewhere(attempt))
    if (!allowed) this.#fail(attempt, known)
    if (slowed) return 'slowed'
    if (allowed) this.#remember(attempt)
    return allowed ? 'granted' : 'refused'
  }

  #attempt (username: string, password: Buffer | undefined, network: string): Attempt {
    const digest = this.#sign(JSON.stringify([username, password !== undefined]), password ?? '')
    return { username, digest, network, userThere: `${network} ${this.#sign(username).toString('base64')}`, credentialsThere: `${network} ${digest.toString('base64')}` }
  }

  #sign (...parts: Array<string | Buffer>): Buffer {
    const hmac = createHmac('sha256', this.#secret)
    for (const part of parts) hmac.update(part)
    return hmac.digest()
  }

  /** Whether these credentials are those that were right from there. */
  #recall ({ username, network, digest }: Attempt): boolean {
    const right = this.#welcome.get(username, network)
    return right !== undefined && timingSafeEqual(right, digest)
  }

  /** Whether a user is slowed where it comes from: wrong passwords came for it, and it never got in from there. */
  #isGuessedElsewhere ({ username, network }: Attempt): boolean {
    return this.#guessing.slows(username) && this.#welcome.get(username, network) === undefined
  }

  /** Whether a user of a slowed network is asked for all the same. All that are not are told the same. */
  #isWelcome ({ username, network, userThere, credentialsThere }: Attempt, known: boolean): boolean {
    if (this.#welcome.get(username, network) === undefined || this.#guesses.slows(userThere)) return false
    if (!known) {
      if (!this.#credentials.knows(credentialsThere)) this.#guesses.count(userThere)
      this.#credentials.count(credentialsThere)
    }
    return known
  }

  async #ask (network: string, ask: () => Promise<boolean | undefined>): Promise<boolean | undefined> {
    this.#open++
    this.#openFrom.set(network, (this.#openFrom.get(network) ?? 0) + 1)
    try {
      return await ask()
    } finally {
      this.#open--
      const left = (this.#openFrom.get(network) ?? 1) - 1
      if (left > 0) this.#openFrom.set(network, left)
      else this.#openFrom.delete(network)
    }
  }

  #fail ({ username, digest, network, credentialsThere }: Attempt, known: boolean): void {
    if (known) this.#welcome.delete(username, network)
    this.#guessing.count(username, digest)
    if (!this.#credentials.knows(credentialsThere)) this.#networks.count(network)
    this.#credentials.count(credentialsThere)
  }

  #remember ({ username, network, digest }: Attempt): void {
    this.#welcome.set(username, network, digest)
  }
}
