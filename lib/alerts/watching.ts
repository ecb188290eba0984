import type { Knex } from 'knex'
import { Alarm } from '../alarm.ts'
import { ClockSteps } from '../clock-steps.ts'
import { PlatziverseError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { alertsOf, isNews, type Agent } from './alert.ts'
import { deleteStates, readAcknowledged, readSilences, readStates, writeStates, type StateKey } from './alert-rows.ts'
import type { AlertCount, AlertsOptions } from './terms.ts'
import { Judge, sharedFor } from './judging.ts'
import { allAgents, allNewest, metricsFrom, someAgents } from './newest.ts'
import type { Quiet } from './quiet.ts'
import { Teller } from './telling.ts'
import { mostAlerts, WatchList } from './watch-list.ts'

/** ms for which agents are gathered whose presence is asked for, and most in one question. */
const presencePause = 100
const mostAsked = 500
/** ms by which another process's clock may differ: what it stored since this process looked last is new. */
const skew = 60_000

/** From the moment at which this process takes care of the alerts. */
export class Watching {
  readonly #store: Store
  readonly #options: AlertsOptions
  readonly #quiet: Quiet
  readonly #judge: Judge
  readonly #watch: WatchList
  readonly #teller: Teller
  readonly #alarm: Alarm
  readonly #failed: (error: unknown) => void
  readonly #write: (work: (db: Knex) => Promise<void>) => Promise<void>
  readonly #asked = new Set<string>()
  readonly #clock = new ClockSteps()
  #askTimer: NodeJS.Timeout | undefined
  #stopListening: () => void = () => undefined
  #saidFull = false
  /** When the database was looked at last, UTC ms; Infinity: never. */
  #lookedAt = Infinity

  constructor (store: Store, options: AlertsOptions, quiet: Quiet, write: (work: (db: Knex) => Promise<void>) => Promise<void>, failed: (error: unknown) => void) {
    this.#store = store
    this.#options = options
    this.#quiet = quiet
    this.#write = write
    this.#failed = failed
    const { node, rules, digest, announce } = options
    this.#judge = new Judge({
      changed: alert => { this.#teller.changed(alert) },
      askPresence: uuid => { this.#ask(uuid) },
      cameBack: () => { this.#teller.reconsider() }
    }, Date.now())
    this.#watch = new WatchList(rules, alert => { this.#judge.plan(alert) })
    this.#judge.watch(this.#watch)
    this.#teller = new Teller({
      quiet,
      digest,
      announce,
      write: (rows, gone) => write(async db => {
        await deleteStates(db, node, gone)
        await writeStates(db, node, rows)
      }),
      told: alert => {
        this.#judge.plan(alert)
        this.#planned()
      },
      waits: () => { this.#planned() },
      failed
    })
    this.#alarm = new Alarm(() => Date.now(), () => this.#ring())
  }

  count (): AlertCount {
    const { size, raised, ofTexts, leftOut } = this.#watch
    return { watched: size, raised, ofTexts, leftOut }
  }

  /** Whether there is something to catch up with also where no other process writes: room for what was left out, or series of which another process stored some. */
  get isBehind (): boolean { return this.#watch.hasRoom || Date.now() - this.#judge.sharedAt < 2 * sharedFor }

  async start (): Promise<void> {
    const { node } = this.#options
    const db = await this.#store.read('metrics')
    this.#watch.remember(await readStates(db, node))
    await this.#readSilences(db)
    this.#stopListening = this.#store.feed.listen({
      stored: messages => {
        const now = this.#now()
        for (const message of messages) this.#judge.message(message, now)
        this.#planned()
      },
      forgotten: uuid => { this.#forget(uuid) }
    })
    await this.#catchUp()
    await this.#settleRows()
  }

  /** Looks at what other processes stored, and watches what was left out where there is room now. */
  async catchUp (): Promise<void> {
    const { hasRoom } = this.#watch
    if (hasRoom) this.#watch.readmit()
    await this.#catchUp()
    if (hasRoom) await this.#settleRows()
  }

  /** After the newest values were judged, what the database knows of alerts is told or forgotten. */
  async #settleRows (): Promise<void> {
    // Their rules or agents are there no more.
    const gone = this.#watch.forgetRows()
    if (gone.length > 0) await this.#write(db => deleteStates(db, this.#options.node, gone))
    // Before this process began.
    for (const alert of this.#watch.alerts()) if (isNews(alert)) this.#teller.changed(alert)
  }

  /** Looks at what the database has: all of it at first, and later what other processes stored. */
  async #catchUp (): Promise<void> {
    const before = new Set([...this.#watch.agents].map(({ uuid }) => uuid))
    this.#now()
    const lookedAt = this.#lookedAt
    this.#lookedAt = Date.now()
    const db = await this.#store.read('newest')
    const now = Date.now()
    const agents = new Map<number, { agent: Agent, offset: number }>()
    for await (const page of allAgents(db)) {
      for (const stored of page) {
        before.delete(stored.uuid)
        const agent = this.#judge.agent(stored, now)
        // How late the agent's clock is, or its newest message was.
        const offset = Math.max(0, (stored.lastSeenAt ?? 0) - (stored.spokeAt ?? stored.lastSeenAt ?? 0))
        if (agent.rules.length > 0) agents.set(stored.id, { agent, offset })
      }
    }
    for await (const page of allNewest(db)) {
      const known = page.flatMap(newest => {
        const found = agents.get(newest.agentId)
        return found === undefined ? [] : [{ newest, ...found, newFrom: lookedAt - found.offset - skew }]
      })
      const wanted = known.map(({ newest, agent, newFrom }) => ({ seriesId: newest.seriesId, from: this.#judge.pastFrom(agent, newest, newFrom) }))
      const past = await metricsFrom(db, wanted.filter(({ from }) => from < Infinity))
      for (const { newest, agent, offset, newFrom } of known) this.#judge.newest(agent, newest, past.get(newest.seriesId) ?? [], newFrom, ts => Math.min(now, ts + offset), now)
    }
    // Another process forgot them.
    for (const uuid of before) this.#forget(uuid)
    await this.#readSilences(db)
    this.acknowledged(await readAcknowledged(db, this.#options.node))
    this.#planned()
  }

  async #readSilences (db: Knex): Promise<void> {
    const silences = await readSilences(db, this.#options.node)
    const now = Date.now()
    const news = silences.filter(silence => this.#quiet.silence(silence, now))
    if (news.length > 0) this.#teller.reconsider()
  }

  silenced (): void {
    this.#teller.reconsider()
  }

  /** @param chosen with since when each is wrong: one that was raised anew meanwhile is another one */
  acknowledged (chosen: ReadonlyArray<StateKey & { since: number }>): void {
    for (const { rule, uuid, type, since } of chosen) {
      const agent = this.#watch.known(uuid)
      for (const alert of agent === undefined ? [] : alertsOf(agent)) if (alert.rule.id === rule && (alert.series?.type ?? '') === type && alert.since === since) alert.acknowledged = true
    }
  }

  async close (): Promise<void> {
    this.#end()
    await this.#teller.close()
  }

  drop (): void {
    this.#end()
    this.#teller.drop()
  }

  #end (): void {
    this.#stopListening()
    this.#alarm.stop()
    clearTimeout(this.#askTimer)
  }

  #planned (): void {
    this.#alarm.by(Math.min(this.#judge.due.next, this.#teller.next))
    const { leftOut } = this.#watch
    if (leftOut > 0 && !this.#saidFull) this.#failed(new PlatziverseError('ALERTS_TOO_MANY', `The rules are about more than ${mostAlerts} series and agents: ${leftOut} are not watched.`))
    this.#saidFull = leftOut > 0
  }

  /** UTC ms. */
  #now (): number {
    const now = Date.now()
    const step = this.#clock.look()
    if (step !== 0) {
      this.#judge.shift(step, now)
      this.#teller.shift(step)
      if (this.#lookedAt < Infinity) this.#lookedAt += step
      // It waits for a time of the clock as it was.
      queueMicrotask(() => { this.#alarm.ring() })
    }
    return now
  }

  #ring (): number {
    const now = this.#now()
    const next = this.#judge.ring(now)
    this.#teller.ring(now)
    return Math.min(next, this.#teller.next)
  }

  #forget (uuid: string): void {
    for (const alert of this.#watch.delete(uuid)) if (alert.written !== undefined) this.#teller.changed(alert)
  }

  /** Several at once: when a broker starts anew, all of its agents come and go. */
  #ask (uuid: string): void {
    this.#asked.add(uuid)
    this.#askTimer ??= setTimeout(() => { void this.#askNow() }, presencePause).unref()
  }

  async #askNow (): Promise<void> {
    const uuids = [...this.#asked].slice(0, mostAsked)
    for (const uuid of uuids) this.#asked.delete(uuid)
    try {
      const found = await someAgents(await this.#store.read('metrics'), uuids)
      const now = Date.now()
      for (const stored of found) {
        const agent = this.#watch.known(stored.uuid)
        if (agent !== undefined) this.#judge.presence(agent, !stored.connected, now, now)
      }
    } catch (error) {
      for (const uuid of uuids) this.#asked.add(uuid)
      this.#failed(error)
    }
    this.#askTimer = undefined
    const [next] = this.#asked
    if (next !== undefined) this.#ask(next)
    this.#planned()
  }
}
