import { isUtf8 } from 'node:buffer'
import { timingSafeEqual } from 'node:crypto'
import type { Decide } from '../broker-options.ts'
import { LoginDefence, type Attempt, type Verdict } from './login-defence.ts'

/** `undecided`: nobody answered; `crowded`: not asked, because too many questions are open. The client may try again later. */
export type AskedVerdict = Verdict | 'undecided' | 'crowded'

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

/** Logins that are decided outside the broker, with a question for each. Nothing is asked about attempts that are slowed. */
export class AskedLogins {
  /** Remembers the digest of the credentials that were right last. */
  readonly #defence: LoginDefence<Buffer>
  #open = 0
  #openFrom = new Map<string, number>()
  readonly #most: number
  readonly #mostPerNetwork: number

  constructor ({ now = () => performance.now(), questions = 1_000, questionsPerNetwork = 250, failuresAllowed = 5 }: AskedLoginsOptions = {}) {
    this.#most = questions
    this.#mostPerNetwork = questionsPerNetwork
    this.#defence = new LoginDefence({ now, failuresAllowed, isUser: username => this.#defence.welcome.knows(username) })
  }

  /**
   * @param password the bytes of CONNECT; `decide` gets them as text
   * @param address where the client connects from; all without one count as one
   */
  async authenticate (decide: Decide, clientId: string, username: string, password: Buffer | undefined, address: string | undefined): Promise<AskedVerdict> {
    // As text it would equal another password.
    if (password !== undefined && !isUtf8(password)) return 'refused'
    const attempt = this.#attempt(username, password, address)
    const { network } = attempt
    const defence = this.#defence
    if (defence.slowsCredentials(attempt)) return 'slowed'
    const known = this.#recall(attempt)
    if (defence.slowsNetwork(attempt) && !defence.isWelcome(attempt, known)) return 'slowed'
    if (defence.isGuessedElsewhere(attempt)) return 'slowed'
    if (this.#open >= this.#most || (this.#openFrom.get(network) ?? 0) >= this.#mostPerNetwork) return 'crowded'
    const allowed = await this.#ask(network, () => decide({ clientId, username, password: password?.toString(), address }))
    if (allowed === undefined) return 'undecided'
    // Of a hundred guesses that came at once, all but the first few learn nothing.
    const slowed = !known && (defence.slowsNetwork(attempt) || defence.isGuessedElsewhere(attempt))
    if (!allowed) {
      if (known) defence.welcome.delete(username, network)
      defence.fail(attempt)
    }
    if (slowed) return 'slowed'
    if (allowed) defence.welcome.set(username, network, attempt.digest)
    return allowed ? 'granted' : 'refused'
  }

  #attempt (username: string, password: Buffer | undefined, address: string | undefined): Attempt {
    const digest = this.#defence.sign(JSON.stringify([username, password !== undefined]), password ?? '')
    return this.#defence.attempt(username, digest, address)
  }

  /** Whether these credentials are those that were right from there. */
  #recall ({ username, network, digest }: Attempt): boolean {
    const right = this.#defence.welcome.get(username, network)
    return right !== undefined && timingSafeEqual(right, digest)
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
}
