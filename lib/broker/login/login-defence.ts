import { createHmac, randomBytes } from 'node:crypto'
import { networkOf } from '../network-address.ts'
import { FailureBackoff } from './failure-backoff.ts'
import { KnownNetworks } from './known-networks.ts'
import { PasswordGuesses } from './password-guesses.ts'

/** `slowed`: not looked at, because of failures before or because too many wait; the client may try again later. */
export type Verdict = 'granted' | 'refused' | 'slowed'

/** An attempt to log in, as the defence remembers it: without the password. */
export interface Attempt {
  username: string
  /** Stands for the credentials in memory. */
  digest: Buffer
  /** Keys: the network, the user on that network, and exactly these credentials on it. */
  network: string
  userThere: string
  credentialsThere: string
}

export interface LoginDefenceOptions {
  /** Milliseconds that never go back. */
  now: () => number
  /** Failures of a network before it is slowed. */
  failuresAllowed: number
  /** Whether there is such a user. */
  isUser: (username: string) => boolean
}

/** How many times more wrong passwords a user is allowed, over all networks, than one network. */
const guessesPerFailure = 4

/**
 * Slows down password guessing, at a cost that strangers cannot raise. Failures slow down the network they come from, and no success
 * lifts that. A user who got in from there before still gets in with the password that was right then, so that one bad client behind a
 * router does not keep the others out. Wrong passwords of one user slow down that user on every network where it has not got in before:
 * many networks guess no faster than a few, and no user is kept out of the network it always comes from.
 */
export class LoginDefence<Welcome> {
  /** The networks where each user got in, and what is remembered of that. */
  readonly welcome = new KnownNetworks<Welcome>()
  /** Of this process alone: what is remembered is worth nothing outside it. */
  readonly #secret = randomBytes(32)
  readonly #networks: FailureBackoff
  /** The same wrong password again is not a new guess: it slows down itself, and not its neighbours. */
  readonly #credentials: FailureBackoff
  /** Wrong guesses at remembered passwords from a slowed network, by user: otherwise the way around the slowdown would be a way to guess faster. */
  readonly #guesses: FailureBackoff
  readonly #guessing: PasswordGuesses

  constructor ({ now, failuresAllowed, isUser }: LoginDefenceOptions) {
    const limits = { allowed: failuresAllowed, now }
    this.#networks = new FailureBackoff(limits)
    this.#credentials = new FailureBackoff(limits)
    this.#guesses = new FailureBackoff(limits)
    this.#guessing = new PasswordGuesses({ allowed: guessesPerFailure * failuresAllowed, now, isUser })
  }

  /** @param digest of the credentials, made by `sign` */
  attempt (username: string, digest: Buffer, address: string | undefined): Attempt {
    const network = networkOf(address)
    return { username, digest, network, userThere: `${network} ${this.sign(username).toString('base64')}`, credentialsThere: `${network} ${digest.toString('base64')}` }
  }

  sign (...parts: Array<string | Buffer>): Buffer {
    const hmac = createHmac('sha256', this.#secret)
    for (const part of parts) hmac.update(part)
    return hmac.digest()
  }

  /** Whether exactly these credentials failed from there before, and are slowed. */
  slowsCredentials ({ credentialsThere }: Attempt): boolean {
    return this.#credentials.slows(credentialsThere)
  }

  slowsNetwork ({ network }: Attempt): boolean {
    return this.#networks.slows(network)
  }

  /** Whether a user is slowed on this network, because wrong passwords came for it and it never got in from here. All such attempts get the same answer. */
  isGuessedElsewhere ({ username, network }: Attempt): boolean {
    return this.#guessing.slows(username) && this.welcome.get(username, network) === undefined
  }

  /**
   * Whether an attempt from a slowed network is looked at all the same. All that are not get the same answer.
   * @param known whether the credentials are those that were right before; undefined: none are remembered
   */
  isWelcome ({ username, network, userThere, credentialsThere }: Attempt, known: boolean | undefined): boolean {
    if (this.welcome.get(username, network) === undefined || this.#guesses.slows(userThere)) return false
    if (known === false) {
      if (!this.#credentials.knows(credentialsThere)) this.#guesses.count(userThere)
      this.#credentials.count(credentialsThere)
    }
    return known === true
  }

  /** The credentials of an attempt are wrong. */
  fail ({ username, digest, network, credentialsThere }: Attempt): void {
    this.#guessing.count(username, digest)
    if (!this.#credentials.knows(credentialsThere)) this.#networks.count(network)
    this.#credentials.count(credentialsThere)
  }
}
