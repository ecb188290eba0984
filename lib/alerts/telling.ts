import { isHeldBackByAgent, isNews, rowOf, type Alert, type Passed } from './alert.ts'
import type { StateKey, StateRow } from './alert-rows.ts'
import { Digest, type DigestOptions } from './digest.ts'
import type { Quiet } from './quiet.ts'
import { isRaised } from './rules/alert-state.ts'
import type { AlertRule } from './rules/alert-rule.ts'

/** Most alerts that are written in one transaction: on SQLite senders wait for it. */
const mostWritten = 500
/** ms from one transaction to the next, and after one that failed. */
const pause = 100
const patience = 2_000

/** What is announced of an alert. Times are UTC ms. */
export interface Notice {
  state: 'raised' | 'cleared'
  rule: AlertRule
  uuid: string
  name: string | null
  /** '': the agent as a whole. */
  type: string
  /** With which it was raised or ended; null: it has none. */
  value: number | string | null
  /** Since when it is, or was, wrong; and when it was raised or ended. */
  since: number
  at: number
  /** How often it was told before; 0: it is news. */
  repeat: number
  /** The names of all rules that are raised for the same agent and type now. */
  raised: string[]
}

export interface TellerOptions {
  quiet: Quiet
  digest: DigestOptions
  /** Writes in one transaction. @throws where nothing was written */
  write (rows: StateRow[], gone: StateKey[]): Promise<void>
  /** Announces what is committed: a change, or several in one message. */
  announce (notices: Notice[]): void
  /** An alert was told. */
  told (alert: Alert): void
  /** Something waits until `next`. */
  waits (): void
  failed (error: unknown): void
}

/**
 * Writes what changed, many changes at a time, and then announces it: so it is announced at least once, whenever the process ends. What must not be announced
 * now waits, and is looked at again later.
 */
export class Teller {
  readonly #options: TellerOptions
  readonly #digest: Digest<Alert>
  /** To be written, and those that are not announced because of silence, maintenance, or because their agent is gone. */
  readonly #dirty = new Set<Alert>()
  readonly #held = new Set<Alert>()
  /** When silence or maintenance begins or is over, so that these have to be looked at; UTC ms. */
  #heldUntil = Infinity
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined
  #isClosed = false

  constructor (options: TellerOptions) {
    this.#options = options
    this.#digest = new Digest(options.digest)
  }

  /** When there is something to look at next, UTC ms; Infinity: never. */
  get next (): number {
    return Math.min(this.#digest.due, this.#heldUntil)
  }

  changed (alert: Alert): void {
    this.#dirty.add(alert)
    this.#schedule(0)
  }

  /** Looks again at what was held back. */
  reconsider (): void {
    this.#heldUntil = Infinity
    if (this.#held.size === 0) return
    for (const alert of this.#held) this.#dirty.add(alert)
    this.#held.clear()
    this.#schedule(0)
  }

  /** The clock was set forward by so many ms. */
  shift (step: number): void {
    this.#digest.shift(step)
  }

  ring (now: number): void {
    const gathered = this.#digest.take(now).filter(alert => isNews(alert) && !this.#dirty.has(alert))
    const ready = gathered.filter(alert => !this.#holdsBack(alert, now))
    if (ready.length > 0) this.#send(ready, now)
    if (now >= this.#heldUntil) this.reconsider()
  }

  /** Writes what there is to write, announces no more, and ends. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await Promise.all([this.#flushing, this.#writeAll().catch(this.#options.failed)])
  }

  /** Ends without writing: another process does. */
  drop (): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#dirty.clear()
  }

  #schedule (delay: number): void {
    if (this.#timer !== undefined || this.#flushing !== undefined || this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      let next = pause
      this.#flushing = this.#writeAll().catch((error: unknown) => {
        next = patience
        this.#options.failed(error)
      }).finally(() => {
        this.#flushing = undefined
        if (this.#dirty.size > 0) this.#schedule(next)
      })
    }, delay).unref()
  }

  async #writeAll (): Promise<void> {
    // What is told meanwhile is written with what comes next.
    for (let left = this.#dirty.size; left > 0; left -= mostWritten) await this.#writeSome()
  }

  async #writeSome (): Promise<void> {
    const some: Alert[] = []
    for (const alert of this.#dirty) {
      if (some.length >= mostWritten) break
      some.push(alert)
      this.#dirty.delete(alert)
    }
    const rows: StateRow[] = []
    const gone: StateKey[] = []
    const written = some.map(alert => {
      const row = alert.isOver ? undefined : rowOf(alert)
      if (row !== undefined) rows.push(row)
      else if (alert.written !== undefined) gone.push({ rule: alert.rule.id, uuid: alert.agent.uuid, type: alert.series?.type ?? '' })
      return row?.state.phase
    })
    try {
      await this.#options.write(rows, gone)
    } catch (error) {
      if (!this.#isClosed) for (const alert of some) this.#dirty.add(alert)
      throw error
    }
    for (const [i, alert] of some.entries()) alert.written = written[i]
    if (!this.#isClosed) this.#tell(some.filter(alert => !this.#dirty.has(alert)), Date.now())
  }

  #tell (alerts: Alert[], now: number): void {
    for (const alert of alerts) {
      if (alert.isOver) {
        this.#digest.delete(alert)
        this.#held.delete(alert)
        // Whoever was told that it is raised learns that it is no longer.
        if (alert.told) this.#send([alert], now)
      } else if (isNews(alert)) {
        if (this.#holdsBack(alert, now)) continue
        alert.passed = undefined
        if (this.#digest.add(alert, now)) this.#send([alert], now)
        else this.#options.waits()
      } else if (alert.passed !== undefined) {
        this.#tellPassed(alert, alert.passed, now)
      } else if (alert.repeatIsDue) {
        if (this.#holdsBack(alert, now)) continue
        alert.repeatIsDue = false
        if (!isRaised(alert.state) || alert.acknowledged) continue
        alert.repeats++
        this.#send([alert], now)
      }
    }
  }

  /** What began and ended before it could be told: both, unless it was held back, or is gathered with others. */
  #tellPassed (alert: Alert, { since, changedAt, value }: Passed, now: number): void {
    alert.passed = undefined
    if (this.#held.has(alert) || this.#digest.has(alert) || this.#holdsBack(alert, now)) return
    if (!this.#digest.add(alert, now)) return this.#digest.delete(alert)
    const cleared = noticeOf(alert)
    this.#options.announce([{ ...cleared, state: 'raised', since, at: changedAt, value, raised: [...cleared.raised, alert.rule.name] }])
    this.#options.announce([{ ...cleared, since }])
  }

  #holdsBack (alert: Alert, now: number): boolean {
    const { agent, rule, series } = alert
    const isHeld = (rule.condition !== 'agentGone' && isHeldBackByAgent(agent)) || this.#options.quiet.isQuiet(agent, series?.type ?? '', now)
    if (isHeld) {
      this.#held.add(alert)
      this.#heldUntil = Math.min(this.#heldUntil, this.#options.quiet.next(now))
      this.#options.waits()
    } else this.#held.delete(alert)
    return isHeld
  }

  #send (alerts: Alert[], now: number): void {
    const notices = alerts.map(noticeOf)
    for (const alert of alerts) {
      alert.told = !alert.isOver && isRaised(alert.state)
      alert.toldAt = now
      this.#dirty.add(alert)
      if (!alert.isOver) this.#options.told(alert)
    }
    this.#options.announce(notices)
    this.#schedule(pause)
  }
}

function noticeOf (alert: Alert): Notice {
  const { rule, agent, series, state, isOver, changedAt, value, repeats } = alert
  const others = (series?.alerts ?? agent.alerts).filter(other => !other.isOver && isRaised(other.state))
  return {
    state: !isOver && isRaised(state) ? 'raised' : 'cleared',
    rule,
    uuid: agent.uuid,
    name: agent.name,
    type: series?.type ?? '',
    value,
    since: alert.since,
    at: isOver ? Date.now() : changedAt,
    repeat: repeats,
    raised: others.map(({ rule }) => rule.name)
  }
}
