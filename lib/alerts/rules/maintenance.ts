import { Cron } from 'croner'
import { PlatziverseError } from '../../errors.ts'
import { matcherOf, type Matcher } from './patterns.ts'
import { isTimezone, type SavedMaintenance } from './saved-maintenance.ts'

/** Times that come again, each as long as the others. */
export class Maintenance {
  readonly agents: Matcher | undefined
  readonly #cron: Cron
  readonly #length: number
  /** Until when what is known of it counts, and whether it is maintenance until then; UTC ms. */
  #until = -Infinity
  #lookedAt = -Infinity
  #isOn = false

  /** @throws PlatziverseError ALERT_RULE_INVALID */
  constructor ({ cron, minutes, timezone, agents }: SavedMaintenance) {
    this.agents = matcherOf(agents)
    this.#length = Math.round(Number(minutes) * 60_000)
    if (!(this.#length > 0)) throw new PlatziverseError('ALERT_RULE_INVALID', `The maintenance "${cron}" needs minutes.`)
    try {
      this.#cron = new Cron(cron.trim(), { paused: true, ...timezone.trim() === '' ? {} : { timezone: timezone.trim() } })
      // Croner looks at the time zone only when it is asked.
      this.#cron.nextRun()
    } catch (cause) {
      const detail = isTimezone(timezone) ? `"${cron}" is no cron line: minute, hour, day, month and day of the week, such as 0 2 * * 0.` : `There is no time zone "${timezone}"; one is Europe/Madrid.`
      throw new PlatziverseError('ALERT_RULE_INVALID', detail, { cause })
    }
  }

  isOn (now: number): boolean {
    this.#look(now)
    return this.#isOn
  }

  /** When this may be another answer, UTC ms; Infinity: never. */
  until (now: number): number {
    this.#look(now)
    return this.#until
  }

  #look (now: number): void {
    // The clock may be set back.
    if (now < this.#until && now >= this.#lookedAt) return
    this.#lookedAt = now
    // One that began and is not over, or the next one. Croner leaves ms out, and the very time that it is given.
    const start = this.#cron.nextRun(new Date(now - this.#length))?.getTime() ?? Infinity
    this.#isOn = start <= now
    this.#until = this.#isOn ? start + this.#length : start
  }
}
