import { StateShare, textBytes } from '../state-bytes.ts'
import { Alarm } from '../../alarm.ts'
import { orInfinite, type Context } from './context.ts'
import type { ReceivedMessages } from './received.ts'
import type { StoredRecord } from './journal/records.ts'
import { Session, type SessionOwner } from './session.ts'

/** Seconds for which MQTT 5 has a session last for ever; also in records, because JSON has no infinite numbers. */
const forEver = 0xffffffff

/** The sessions: when they begin, who owns them, how long their clients are away, and when they end. */
export class Sessions {
  /** Sessions that ended because their client was away for too long. */
  expired = 0
  #context: Context
  #received: ReceivedMessages
  #empty: (session: Session) => void
  #ended: (clientId: string) => void
  #byClient = new Map<string, Session>()
  /** How many sessions each owner has. */
  #byOwner = new Map<SessionOwner | undefined, number>()
  #alarm: Alarm

  /**
   * @param empty removes the subscriptions and the queue of a session that ends
   * @param ended is called once it is gone
   */
  constructor (context: Context, received: ReceivedMessages, empty: (session: Session) => void, ended: (clientId: string) => void) {
    this.#context = context
    this.#received = received
    this.#empty = empty
    this.#ended = ended
    this.#alarm = new Alarm(context.now, () => this.#endExpired())
  }

  get size (): number { return this.#byClient.size }

  /** Sessions whose client is not connected. */
  get away (): Session[] { return [...this.#byClient.values()].filter(({ here }) => here === 0) }

  has (clientId: string): boolean { return this.#byClient.has(clientId) }

  get (clientId: string): Session | undefined { return this.#byClient.get(clientId) }

  values (): Iterable<Session> { return this.#byClient.values() }

  /**
   * Whether somebody may have one more session. Beyond `most`, every owner has a share: `most` divided by the number of owners, so that
   * none takes the others' places. @param most 0: any number
   */
  hasRoomFor (owner: SessionOwner, most: number): boolean {
    if (most === 0 || this.size < most) return true
    const own = this.#byOwner.get(owner) ?? 0
    return own < Math.floor(most / (this.#byOwner.size + (own === 0 ? 1 : 0)))
  }

  restore ({ client, away, owner, expiry }: StoredRecord & { kind: 'session' }, record: number): void {
    const session = this.#make(client, record, owner)
    session.away = away ?? undefined
    session.expiry = expiry
  }

  /** Call it when all are restored. */
  start (): void {
    for (const session of this.#byClient.values()) {
      if (session.expiry === 0) this.#discard(session)
      // Clients that were connected when the last run ended are away from now on.
      else if (session.away === undefined) this.#setAway(session, this.#context.now())
    }
    this.watch()
  }

  /** From now on, end the sessions that expire by the current limit. */
  watch (): void { this.#alarm.ring() }

  stopWatching (): void { this.#alarm.stop() }

  /**
   * Whether somebody may have the session of a client id, to resume or to end it. A session without a known owner becomes theirs.
   * No user may resume an anonymous client's session: it ends, and the user begins anew. If the user were refused instead, strangers could
   * keep users out by taking their client ids, and an operator who ends anonymous access would keep out every client until its session expires.
   */
  claim (clientId: string, owner: SessionOwner): boolean {
    const session = this.#byClient.get(clientId)
    if (session === undefined || session.owner === owner) return true
    if (session.owner === undefined) {
      // It is written when the client has come.
      this.#count(undefined, -1)
      session.owner = owner
      this.#count(owner, 1)
      return true
    }
    if (session.owner !== null) return false
    this.#discard(session)
    return true
  }

  /** End the session of a client, whoever owns it. Call it once the client is gone. */
  end (clientId: string): void {
    const session = this.#byClient.get(clientId)
    if (session !== undefined) this.#discard(session)
  }

  /** @returns false: the session is another's, and nothing happened */
  clientCame (clientId: string, clean: boolean, owner: SessionOwner, expiry: number | undefined): boolean {
    if (!this.claim(clientId, owner)) return false
    if (clean) {
      this.#end(this.#byClient.get(clientId))
      return true
    }
    const session = this.open(clientId, owner)
    session.here++
    session.expiry = lasting(expiry)
    this.#setAway(session, undefined)
    return true
  }

  clientWent (clientId: string): void {
    const session = this.#byClient.get(clientId)
    if (session === undefined || session.here === 0) return
    session.here--
    if (session.here > 0) return
    if (session.expiry === 0) return this.#discard(session)
    this.#setAway(session, this.#context.now())
    this.endEmpty(session)
  }

  /** The client of a session says how many seconds after it left the session ends. */
  expires (clientId: string, expiry: number | undefined): void {
    const session = this.#byClient.get(clientId)
    if (session === undefined) return
    session.expiry = lasting(expiry)
    if (session.here === 0 && session.expiry === 0) this.#discard(session)
    else this.#setAway(session, session.away)
  }

  /** The session of a client; a new one if there is none. */
  open (clientId: string, owner?: SessionOwner): Session {
    let session = this.#byClient.get(clientId)
    if (session === undefined) {
      session = this.#make(clientId, this.#context.journal.next(), owner)
      this.#setAway(session, this.#context.now())
    }
    return session
  }

  /** A session that holds nothing is not kept. */
  endEmpty (session: Session): void {
    if (session.isEmpty && !this.#received.has(session.client)) this.#end(session)
  }

  #make (clientId: string, record: number, owner: SessionOwner | undefined): Session {
    const session = new Session(clientId, record, new StateShare(this.#context.stateBytes), owner)
    session.kept.add(textBytes(clientId))
    this.#byClient.set(clientId, session)
    this.#count(owner, 1)
    return session
  }

  #setAway (session: Session, away: number | undefined): void {
    session.away = away
    const { record, client, owner, expiry } = session
    this.#context.journal.put(record, { kind: 'session', client, away: away ?? null, ...owner === undefined ? {} : { owner }, ...expiry === undefined ? {} : { expiry } })
    this.#alarm.by(session.endsAt(this.#longest))
  }

  /** Seconds. */
  get #longest (): number { return orInfinite(this.#context.limits.sessionExpiry) }

  /** @returns when the next one expires */
  #endExpired (): number {
    const now = this.#context.now()
    const longest = this.#longest
    let next = Infinity
    for (const session of this.#byClient.values()) {
      const end = session.endsAt(longest)
      if (end > now) {
        next = Math.min(next, end)
        continue
      }
      this.expired++
      this.#discard(session)
    }
    return next
  }

  /** End a session without aedes. When aedes ends one, it also has what was received forgotten. */
  #discard (session: Session): void {
    this.#end(session)
    this.#received.forget(session.client)
  }

  #end (session: Session | undefined): void {
    if (session === undefined) return
    session.ended = true
    this.#empty(session)
    session.kept.end()
    this.#context.journal.delete(session.record)
    if (this.#byClient.delete(session.client)) this.#count(session.owner, -1)
    this.#ended(session.client)
  }

  #count (owner: SessionOwner | undefined, by: 1 | -1): void {
    const count = (this.#byOwner.get(owner) ?? 0) + by
    if (count > 0) this.#byOwner.set(owner, count)
    else this.#byOwner.delete(owner)
  }
}

function lasting (expiry: number | undefined): number | undefined {
  return expiry === undefined ? undefined : Math.min(expiry, forEver)
}
