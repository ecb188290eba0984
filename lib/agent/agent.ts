import { randomInt } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { MqttClient } from 'mqtt'
import { PlatziverseError } from '../errors.ts'
import { parse } from '../messages/parse.ts'
import type { Agent as Identity, ConnectedPayload, DisconnectedPayload, MessagePayload, Metric } from '../messages/schema.ts'
import { topics } from '../messages/topics.ts'
import { Commands, type InForce } from './commands.ts'
import { keepConnected, type Connection, type Moment } from './connection.ts'
import type { AgentEvents } from './events.ts'
import { Meters, type MetricFunction, type Round } from './meters.ts'
import { SpokenVersions } from '../mqtt/link/spoken-version.ts'
import { checkMetrics, inMessages } from './metrics.ts'
import { resolveAgentOptions, type AgentOptions, type AgentSettings } from './options.ts'
import { jsonMessage, refusedBy } from './publishing.ts'
import { Sending } from './sending.ts'

export { PlatziverseError } from '../errors.ts'
export type { InForce } from './commands.ts'
export { hostMetricGroups, type HostMetricGroup } from './host-metric-groups.ts'
export { hostMetrics, type HostMetric } from './host-metrics.ts'
export type { AgentEvents } from './events.ts'
export type { MetricCallback, MetricFunction, MetricValue } from './meters.ts'
export type { AgentOptions } from './options.ts'
export type { ConnectedPayload, DisconnectedPayload, Identity, MessagePayload, Metric }

/**
 * Measures metrics at an interval and reports them to a broker, each message until it is acknowledged.
 * @throws PlatziverseError AGENT_OPTION_INVALID from the constructor
 */
export class Agent extends EventEmitter<AgentEvents> {
  /** Who this agent is in its messages. */
  readonly identity: Identity
  readonly #settings: AgentSettings
  readonly #meters: Meters
  readonly #commands: Commands
  readonly #sending: Sending
  readonly #versions = new SpokenVersions()
  #connection: Connection | undefined
  #client: MqttClient | undefined
  #opening: { promise: Promise<boolean>, resolve: (connected: boolean) => void } | undefined
  #closing: Promise<void> | undefined
  #rounds: NodeJS.Timeout | undefined
  /** When the last round was due, in ms of `performance.now()`. */
  #roundAt = -Infinity
  // A random start keeps two runs of a program apart that measure within the same millisecond.
  #seq = randomInt(2 ** 47)
  #takenOver = 0
  #lastMoment = 0

  constructor (options: AgentOptions = {}) {
    super()
    this.#settings = resolveAgentOptions(options)
    this.identity = this.#settings.identity
    this.#meters = new Meters(this.#settings.metricTimeout, this.#settings.interval, round => this.#report(round))
    this.#commands = new Commands(this.uuid, this.#settings.interval, {
      changed: inForce => this.#obey(inForce),
      failed: problem => this.emit('problem', problem)
    })
    this.#sending = new Sending(this.#settings.buffer, {
      sent: payload => this.emit('message', payload),
      problem: reason => this.emit('problem', reason)
    })
  }

  get uuid (): string {
    return this.identity.uuid
  }

  get connected (): boolean {
    return this.#client !== undefined
  }

  /** Messages acknowledged, waiting for that, and dropped since the agent was made. */
  get counters (): { sent: number, pending: number, dropped: number } {
    return this.#sending.counters
  }

  /** What the agent does: as it was configured, or as a command has it. */
  get inForce (): InForce {
    return this.#commands.inForce
  }

  /** Ms between two rounds, where a command asked for others than were configured. */
  get commandedInterval (): number | undefined {
    const { interval } = this.inForce
    return interval === this.#settings.interval ? undefined : interval
  }

  /** Connections that the broker ended shortly after it accepted them: most likely another agent has the same uuid. */
  get takenOver (): number {
    return this.#takenOver
  }

  /** Measure `type` with `fn` in each round, instead of what measured it before. */
  addMetric (type: string, fn: MetricFunction): this {
    this.#meters.set(type, fn)
    this.#commands.available = this.#meters.types
    return this
  }

  /** Whether the metric was there. */
  removeMetric (type: string): boolean {
    const wasThere = this.#meters.delete(type)
    this.#commands.available = this.#meters.types
    return wasThere
  }

  /**
   * Start measuring and connecting. What is measured before the broker can be reached waits in the buffer.
   * Resolves true once connected, false when `disconnect()` came first; never rejects, see the event `problem`.
   */
  connect (): Promise<boolean> {
    if (this.#closing !== undefined) return this.#closing.then(() => this.connect())
    if (this.#opening === undefined) {
      let resolve!: (connected: boolean) => void
      this.#opening = { promise: new Promise<boolean>(_resolve => { resolve = _resolve }), resolve }
      this.#connection = keepConnected(this.#settings, this.#versions, () => this.#nextMoment(), {
        opened: (client, moment) => this.#opened(client, moment),
        lost: (reason, isHangUp) => {
          this.#client = undefined
          this.#commands.lost()
          this.#sending.lost(isHangUp)
          this.emit('disconnected', reason)
        },
        failed: reason => this.emit('problem', reason),
        takenOver: reason => {
          this.#takenOver++
          if (reason !== undefined) this.emit('problem', reason)
        },
        message: (topic, payload, retained) => this.#received(topic, payload, retained)
      })
      this.#roundAt = -Infinity
      this.#startRounds()
    }
    return this.#opening.promise
  }

  /**
   * Send what is pending, say `agent/disconnected`, end the connection: within `limit` ms, after which the connection is
   * cut and the broker publishes the will. What was not acknowledged by then is dropped and counted. May be called twice.
   */
  disconnect (limit = 2000): Promise<void> {
    if (this.#connection === undefined) return Promise.resolve()
    this.#closing ??= this.#close(this.#connection, limit).finally(() => { this.#closing = undefined })
    return this.#closing
  }

  /** Resolves when the broker has acknowledged what is pending now, after `limit` ms at the latest, and at once without a connection. */
  async settled (limit: number): Promise<void> {
    if (!this.connected) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => { timer = setTimeout(resolve, limit) })
    await Promise.race([this.#sending.drained(), late])
    clearTimeout(timer)
  }

  /**
   * Report metrics at once, beside those that are measured. Resolves when the broker acknowledged them.
   * @throws PlatziverseError (rejects) AGENT_METRIC_FAILED for the first that breaks the contract, the others are sent;
   * AGENT_BUFFER_FULL, AGENT_CLOSED or AGENT_MESSAGE_REFUSED when they were dropped
   */
  report (metrics: Metric | readonly Metric[]): Promise<void> {
    const { good, bad } = checkMetrics(Array.isArray(metrics) ? metrics : [metrics])
    const posted = this.#post(good, Date.now())
    if (bad[0] !== undefined) return Promise.reject(bad[0])
    const acknowledged = Promise.all(posted).then(() => {})
    // A caller that does not wait learns of a drop from `problem`; an unhandled rejection would end the process.
    acknowledged.catch(() => {})
    return acknowledged
  }

  /** Later than the last one, even if the clock was set back: what the agent says of its presence is put in order by it. */
  #nextMoment (): number {
    return this.#lastMoment = Math.max(Date.now(), this.#lastMoment + 1)
  }

  #opened (client: MqttClient, moment: Moment): void {
    this.#client = client
    client.publish(topics.connected, JSON.stringify({ agent: this.identity, ...moment }), jsonMessage, (error, answer) => {
      if (!error || refusedBy(error, answer) !== undefined) this.#sending.answered(client)
    })
    if (this.#settings.commands) this.#commands.opened(client)
    this.#sending.opened(client)
    this.#opening?.resolve(true)
    this.emit('connected', this.identity)
  }

  /** The next round is an interval after the last one: commands that keep changing the interval must not put it off each time. */
  #startRounds (): void {
    clearTimeout(this.#rounds)
    const { interval } = this.#commands.inForce
    const round = (): void => {
      this.#roundAt = performance.now()
      void this.#measure()
    }
    const wait = this.#roundAt + interval - performance.now()
    if (wait <= 0) round()
    this.#rounds = setTimeout(() => {
      this.#rounds = setInterval(round, interval)
      round()
    }, wait <= 0 ? interval : wait)
  }

  #obey (inForce: InForce): void {
    this.#meters.chosen = inForce.metrics
    if (inForce.interval !== this.#meters.interval) {
      this.#meters.interval = inForce.interval
      if (this.#rounds !== undefined) this.#startRounds()
    }
    if (this.connected) this.emit('config', inForce)
  }

  async #close (connection: Connection, limit: number): Promise<void> {
    clearInterval(this.#rounds)
    this.#rounds = undefined
    this.#commands.lost(true)
    await connection.stop(async client => {
      await this.#sending.drained()
      await client.publishAsync(topics.disconnected, JSON.stringify({ agent: { uuid: this.uuid }, timestamp: this.#nextMoment(), seq: 0 }), jsonMessage)
    }, limit)
    const wasConnected = this.connected
    this.#client = this.#connection = undefined
    this.#opening?.resolve(false)
    this.#opening = undefined
    this.#sending.close(left => new PlatziverseError('AGENT_CLOSED', `The agent was disconnected before the broker acknowledged what was left; dropped messages: ${left}.`))
    if (wasConnected) this.emit('disconnected')
  }

  async #measure (): Promise<void> {
    const round = await this.#meters.round()
    if (round !== undefined) this.#report(round)
  }

  #report (round: Round): void {
    // Disconnected meanwhile: after the goodbye a report would say that the agent is back.
    if (this.#connection === undefined || this.#closing !== undefined) return
    this.#post(round.metrics, round.timestamp)
    for (const error of round.failed) this.emit('problem', error)
  }

  #post (metrics: Metric[], timestamp: number): Promise<void>[] {
    const posted = inMessages(metrics).map(metrics => this.#sending.add({ agent: this.identity, metrics, timestamp, seq: this.#seq++ }))
    this.#sending.pump()
    return posted
  }

  #received (topic: string, payload: Buffer, retained: boolean): void {
    // What other agents said before this one listened is no news: who said it may be gone, and nobody knows when it was.
    if (this.#commands.received(topic, payload) || retained) return
    const parsed = parse(topic, payload, Date.now())
    if (!parsed.ok || parsed.message.payload.agent.uuid === this.uuid) return
    this.emit(parsed.message.topic, parsed.message.payload as never)
  }
}
