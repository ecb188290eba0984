import { StateShare, textBytes } from '../state-bytes.ts'
import { Alarm } from '../../alarm.ts'
import type { Context } from './context.ts'
import { contentOf, ownPayload, sizeOf, type StoredRecord } from './journal/records.ts'
import type { SessionOwner } from './session.ts'
import { formerBroker, type Will } from './wills.ts'

interface DelayedWill {
  will: Will
  record: number
  /** ms since 1970. */
  dueAt: number
  kept: StateShare
}

/** The wills of clients that went, until the delay that they asked for is over or their session ends, whichever is first. [MQTT-3.1.3-9] */
export class DelayedWills {
  #context: Context
  #hasSession: (clientId: string) => boolean
  #byClient = new Map<string, DelayedWill>()
  /** Those whose time has come, until they were published, by will. */
  #due = new Map<Will, DelayedWill>()
  /** Those among them that nobody was given yet. */
  #waiting: Will[] = []
  #onDue: ((will: Will) => void) | undefined
  #alarm: Alarm
  #stopped = false

  constructor (context: Context, hasSession: (clientId: string) => boolean) {
    this.#context = context
    this.#hasSession = hasSession
    this.#alarm = new Alarm(context.now, () => this.#endDelays())
  }

  /** Is given each will that is due, those that are due already included. */
  get onDue (): ((will: Will) => void) | undefined { return this.#onDue }

  set onDue (onDue: ((will: Will) => void) | undefined) {
    this.#onDue = onDue
    this.#announce()
  }

  /** Call it in the order of the records' numbers. */
  restore (clientId: string, will: Will, dueAt: number, record: number): void {
    this.#endDelay(clientId)
    this.#add(clientId, will, dueAt, record)
  }

  /** Call it when all sessions are restored and those that are over have ended. */
  start (): void {
    for (const clientId of [...this.#byClient.keys()]) if (!this.#hasSession(clientId)) this.#endDelay(clientId)
    this.#alarm.ring()
  }

  stop (): void {
    this.#stopped = true
    this.#alarm.stop()
  }

  /** Keep a will that is on the disk under `record` until `dueAt`, in ms since 1970. */
  put (clientId: string, will: Will, dueAt: number, record: number): void {
    this.#endDelay(clientId)
    const { owner } = will
    const own: Will = { ...contentOf({ ...will, payload: ownPayload(will.payload) }), brokerId: formerBroker, clientId, owner }
    this.#context.journal.put(record, recordOf(clientId, own, dueAt))
    this.#add(clientId, own, dueAt, record)
    if (!this.#hasSession(clientId)) this.#endDelay(clientId)
    this.#alarm.by(dueAt)
  }

  /** A client is let in: its own will is no longer published. */
  cameBack (clientId: string, owner: SessionOwner | undefined): void {
    const delayed = this.#byClient.get(clientId)
    if (delayed === undefined || delayed.will.owner !== owner) return
    this.#byClient.delete(clientId)
    this.#forget(delayed)
  }

  sessionEnded (clientId: string): void { this.#endDelay(clientId) }

  /** Whether a will is due and was not published yet. */
  isDue (will: Will): boolean { return this.#due.has(will) }

  /** Resolves after the commit. */
  async published (will: Will): Promise<void> {
    const delayed = this.#due.get(will)
    if (delayed === undefined) return
    this.#due.delete(will)
    this.#forget(delayed)
    await this.#context.journal.committed()
  }

  #add (clientId: string, will: Will, dueAt: number, record: number): void {
    const kept = new StateShare(this.#context.stateBytes)
    kept.add(textBytes(clientId) + sizeOf(will))
    this.#byClient.set(clientId, { will, record, dueAt, kept })
  }

  #forget ({ record, kept }: DelayedWill): void {
    kept.end()
    this.#context.journal.delete(record)
  }

  /** @returns when the next one is due */
  #endDelays (): number {
    const now = this.#context.now()
    let next = Infinity
    for (const [clientId, { dueAt }] of this.#byClient) {
      if (dueAt > now) next = Math.min(next, dueAt)
      else this.#endDelay(clientId)
    }
    return next
  }

  #endDelay (clientId: string): void {
    const delayed = this.#byClient.get(clientId)
    if (delayed === undefined) return
    this.#byClient.delete(clientId)
    this.#due.set(delayed.will, delayed)
    this.#waiting.push(delayed.will)
    if (this.#waiting.length === 1) this.#announce()
  }

  /** Later, because a session may end in the middle of anything. */
  #announce (): void {
    setImmediate(() => {
      if (this.#stopped || this.#onDue === undefined) return
      for (const will of this.#waiting.splice(0)) this.#onDue(will)
    })
  }
}

function recordOf (client: string, will: Will, dueAt: number): StoredRecord {
  const { owner } = will
  return { kind: 'will', client, ...owner === undefined ? {} : { owner }, dueAt, content: contentOf(will) }
}
