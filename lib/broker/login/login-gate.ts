import { reasonOf } from '../../errors.ts'
import type { Arrival } from '../arrival.ts'
import type { EmbeddedBrokerOptions } from '../broker-options.ts'
import type { SessionOwner } from '../persistence/session.ts'
import { AskedLogins, type AskedVerdict } from './asked-logins.ts'
import { Bans } from './bans.ts'
import { Users } from './users.ts'

/** A client that wants to come in, as its CONNECT says. */
export interface Applicant {
  clientId: string
  /** Whether it wants a new session that outlives the connection. */
  newSession: boolean
  /** Seconds. */
  keepalive: number
  username: string | undefined
  password: Buffer | undefined
  arrival: Arrival
}

/** Why a client is not let in: the name under which that is counted, CONNACK's return code, and a sentence. */
export interface LoginRefusal { by: string, returnCode: 2 | 3 | 4 | 5, text: string }

export type Decision = { verified: boolean } | LoginRefusal

/** A client that was let in. */
export type Admitted = Pick<Applicant, 'username' | 'arrival'> & { verified: boolean }

/** The answer to a wrong password where there are users. */
const badCredentials: LoginRefusal = { by: 'credentials', returnCode: 4, text: 'bad username or password' }

/** The codes are those of table 3.1 of MQTT 3.1.1: 3 where a later attempt may succeed, 5 where somebody said no. */
const refusals: Record<Exclude<AskedVerdict, 'granted'>, LoginRefusal> = {
  refused: { by: 'credentials', returnCode: 5, text: 'the login was not allowed' },
  slowed: { by: 'slowed', returnCode: 3, text: 'too many failed logins from this address' },
  undecided: { by: 'undecided', returnCode: 3, text: 'the login was not decided on in time' },
  crowded: { by: 'undecidedLogins', returnCode: 3, text: 'too many logins wait for a decision' }
}

/** Decides which clients come in. */
export class LoginGate {
  readonly bans = new Bans()
  #options: EmbeddedBrokerOptions
  #users: Users
  #asked = new AskedLogins()
  /** Rises with each change that may alter a decision. */
  #revision = 0
  #hasRoomForSession: (owner: SessionOwner, most: number) => boolean

  /** @param hasRoomForSession whether the owner may have one more session, of `most` in all */
  constructor (options: EmbeddedBrokerOptions, hasRoomForSession: (owner: SessionOwner, most: number) => boolean) {
    this.#options = options
    this.#users = new Users(options.users)
    this.#hasRoomForSession = hasRoomForSession
  }

  /** @returns gives the reason why a client that was let in before may not stay; undefined: it may */
  configure (options: EmbeddedBrokerOptions): (client: Admitted) => string | undefined {
    const before = this.#options
    const hadLogins = this.hasLogins
    this.#options = options
    const changed = new Set(this.#users.update(options.users))
    const anew = (before.decide === undefined) !== (options.decide === undefined)
    if (changed.size > 0 || anew || hadLogins !== this.hasLogins || before.anonymous !== options.anonymous) this.#revision++
    return ({ username, verified, arrival }) => {
      // The certificate that proved it is still valid.
      if (arrival.username !== undefined) return undefined
      if (!verified) return this.mayBeAnonymous(arrival) ? undefined : 'anonymous access was ended'
      if (anew) return 'logins are decided in another way'
      return options.decide === undefined && changed.has(username ?? '') ? 'its user was changed or removed' : undefined
    }
  }

  /** Whether clients from the network may come at all. */
  get isOpen (): boolean {
    return this.#options.anonymous || this.hasLogins
  }

  mayBeAnonymous ({ local }: Arrival): boolean {
    return this.#options.anonymous || (!this.hasLogins && local)
  }

  /** Whether anybody can log in. */
  get hasLogins (): boolean {
    return this.#options.decide !== undefined || !this.#users.isEmpty
  }

  /** @param answer is called with the decision, in the same turn in which it was found to hold */
  async decide (applicant: Applicant, answer: (decision: Decision) => void): Promise<void> {
    const revision = this.#revision
    const decision = await this.#examine(applicant)
    answer(revision === this.#revision ? decision : refusals.undecided)
  }

  async #examine (applicant: Applicant): Promise<Decision> {
    const decision = await this.#identify(applicant)
    if ('by' in decision || !applicant.newSession) return decision
    const { sessions } = this.#options.limits
    const { username, arrival } = applicant
    const owner = decision.verified ? arrival.username ?? username ?? '' : null
    return this.#hasRoomForSession(owner, sessions) ? decision : { by: 'sessions', returnCode: 3, text: `there are ${sessions} sessions already` }
  }

  async #identify ({ clientId, keepalive, username, password, arrival }: Applicant): Promise<Decision> {
    const { limits } = this.#options
    if (this.bans.has(clientId)) return { by: 'banned', returnCode: 5, text: 'the client id is kept out for a time' }
    // Mosquitto's code: MQTT 3.1.1 has none for this.
    if (limits.keepalive > 0 && (keepalive === 0 || keepalive > limits.keepalive)) return { by: 'keepalive', returnCode: 2, text: `the keepalive is longer than ${limits.keepalive} s` }
    if (arrival.username === '') return { by: 'certificate', returnCode: 5, text: 'the certificate has no common name, or none that can be a username' }
    if (arrival.username !== undefined) return { verified: true }
    if (username !== undefined && this.hasLogins) return await this.#login(clientId, username, password, arrival.address)
    return this.mayBeAnonymous(arrival) ? { verified: false } : { by: 'anonymous', returnCode: 5, text: 'anonymous access is not allowed' }
  }

  async #login (clientId: string, username: string, password: Buffer | undefined, address: string | undefined): Promise<Decision> {
    const { decide } = this.#options
    try {
      const verdict = decide === undefined
        ? await this.#users.authenticate(username, password, address)
        : await this.#asked.authenticate(decide, clientId, username, password, address)
      if (verdict === 'granted') return { verified: true }
      return verdict === 'refused' && decide === undefined ? badCredentials : refusals[verdict]
    } catch (error) {
      return { by: 'credentials', returnCode: 5, text: reasonOf(error) }
    }
  }
}
