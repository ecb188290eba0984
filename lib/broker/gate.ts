import { reasonOf } from '../errors.ts'
import { Bans } from './bans.ts'
import type { Arrival, BrokerOptions } from './broker.ts'
import { Users } from './users.ts'

/** Who wants to come in, as CONNECT says it. */
export interface Applicant {
  clientId: string
  /** Whether it wants a session that is not there yet and outlives the connection. */
  newSession: boolean
  /** Seconds. */
  keepalive: number
  username: string | undefined
  password: Buffer | undefined
  arrival: Arrival
}

/** Why somebody is not let in: the name under which that is counted, CONNACK's return code, and a sentence. */
export interface Refusal { by: string, returnCode: 2 | 3 | 4 | 5, text: string }

export type Decision = { verified: boolean } | Refusal

/** Decides who comes in. */
export class Gate {
  readonly bans = new Bans()
  #options: BrokerOptions
  #users: Users
  #sessions: () => number

  /** @param sessions how many there are */
  constructor (options: BrokerOptions, sessions: () => number) {
    this.#options = options
    this.#users = new Users(options.users)
    this.#sessions = sessions
  }

  /** @returns the users that are none any more, or got another password */
  configure (options: BrokerOptions): Set<string> {
    this.#options = options
    return new Set(this.#users.update(options.users))
  }

  /** Whether clients from the network may come at all. */
  get isOpen (): boolean {
    return this.#options.anonymous || !this.#users.isEmpty
  }

  mayBeAnonymous ({ local }: Arrival): boolean {
    return this.#options.anonymous || (this.#users.isEmpty && local)
  }

  async decide ({ clientId, newSession, keepalive, username, password, arrival }: Applicant): Promise<Decision> {
    const { limits } = this.#options
    if (this.bans.has(clientId)) return { by: 'banned', returnCode: 5, text: 'the client id is kept out for a time' }
    // As Mosquitto answers it: MQTT 3.1.1 has no code for this.
    if (limits.keepalive > 0 && (keepalive === 0 || keepalive > limits.keepalive)) return { by: 'keepalive', returnCode: 2, text: `the keepalive is longer than ${limits.keepalive} s` }
    if (newSession && limits.sessions > 0 && this.#sessions() >= limits.sessions) return { by: 'sessions', returnCode: 3, text: `there are ${limits.sessions} sessions already` }
    if (arrival.username === '') return { by: 'certificate', returnCode: 5, text: 'the certificate has no common name' }
    if (arrival.username !== undefined) return { verified: true }
    if (username !== undefined && !this.#users.isEmpty) return await this.#login(username, password, arrival.address)
    return this.mayBeAnonymous(arrival) ? { verified: false } : { by: 'anonymous', returnCode: 5, text: 'anonymous access is not allowed' }
  }

  async #login (username: string, password: Buffer | undefined, address: string | undefined): Promise<Decision> {
    try {
      const verdict = await this.#users.authenticate(username, password, address)
      if (verdict === 'granted') return { verified: true }
      if (verdict === 'slowed') return { by: 'slowed', returnCode: 3, text: 'too many failed logins from this address' }
      return { by: 'credentials', returnCode: 4, text: 'bad username or password' }
    } catch (error) {
      return { by: 'credentials', returnCode: 5, text: reasonOf(error) }
    }
  }
}
