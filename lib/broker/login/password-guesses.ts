import { FailureBackoff } from './failure-backoff.ts'

/**
 * The most ms for which a guess slows a user down: long enough that guessing from many networks is useless, and short enough that a user on
 * a new network waits instead of being locked out.
 */
const longestDelay = 30_000

export interface PasswordGuessesOptions {
  /** Wrong passwords of one user before it is slowed. */
  allowed: number
  now: () => number
  /** Whether there is such a user. */
  isUser: (username: string) => boolean
}

/**
 * Wrong passwords by user, wherever they come from. Each password counts once: forty devices with an old password make one guess.
 * Invented names push out nothing that was counted for a user.
 */
export class PasswordGuesses {
  #users: FailureBackoff
  #others: FailureBackoff
  #passwords: FailureBackoff
  readonly #isUser: (username: string) => boolean

  constructor ({ allowed, now, isUser }: PasswordGuessesOptions) {
    this.#isUser = isUser
    this.#users = new FailureBackoff({ allowed, now, longest: longestDelay, most: Infinity })
    this.#others = new FailureBackoff({ allowed, now, longest: longestDelay })
    this.#passwords = new FailureBackoff({ allowed: Infinity, now })
  }

  slows (username: string): boolean {
    return this.#of(username).slows(username)
  }

  /** @param digest of username and password */
  count (username: string, digest: Buffer): void {
    const key = digest.toString('base64')
    if (!this.#passwords.knows(key)) this.#of(username).count(username)
    this.#passwords.count(key)
  }

  #of (username: string): FailureBackoff {
    return this.#isUser(username) ? this.#users : this.#others
  }
}
