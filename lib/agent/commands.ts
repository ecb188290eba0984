import { isDeepStrictEqual } from 'node:util'
import type { MqttClient } from 'mqtt'
import { PlatziverseError, reasonOf, type ErrorCode } from '../errors.ts'
import { isLevel } from '../messages/topic-template.ts'
import { mostCommandBytes, readCommand, type Command } from './command-payload.ts'
import { jsonMessage } from './publishing.ts'

/** Ms after which a broker that granted the subscriptions has no retained command: MQTT says when they begin, and not when they end. */
const patience = 3_000
/** Commands that are read at once, within so many ms; of more, the last of each topic is read when that time is over. */
const burst = { most: 10, within: 3_000 }
/** Connections in a row that ended before the broker answered the subscription; then one does without. */
const mostUnanswered = 2

/** What an agent does, as it answers on `config_change/{uuid}/state`. */
export interface InForce {
  /** Ms between two rounds. */
  interval: number
  /** The types that it measures, */
  metrics: string[]
  /** of those that it can. */
  available: string[]
  /** Since when, in UTC ms. */
  at: number
  /** The command that it does not obey. */
  refused?: { topic: string, code: ErrorCode, message: string }
}

export interface CommandEvents {
  /** Do this from now on. */
  changed (inForce: InForce): void
  failed (problem: PlatziverseError): void
}

/** The last command of a topic. */
interface Given {
  payload: Buffer
  /** What it asks for or, where it was refused, what the one before asked for. */
  command: Command
  refused?: PlatziverseError
}

/** Whether an agent can have commands: its uuid has to be one level of a topic. */
export function canHaveCommands (uuid: string): boolean {
  return uuid !== 'all' && isLevel(uuid)
}

/**
 * Takes an agent's commands from `config_change/{uuid}` and `config_change/all`, where they are retained, and answers what is in force.
 * The agent's own topic wins, property by property; an empty payload clears what its topic asked for.
 */
export class Commands {
  readonly #own: string
  readonly #all = 'config_change/all'
  readonly #state: string
  readonly #interval: number
  readonly #on: CommandEvents
  #available: string[] = []
  #inForce: InForce
  readonly #given = new Map<string, Given>()
  #client: MqttClient | undefined
  /** The topics that sent something on this connection. */
  readonly #heard = new Set<string>()
  #answered = false
  /** Whether this connection's broker has the state. */
  #isStated = false
  #unanswered = 0
  /** Refused subscriptions that were reported. */
  readonly #reported = new Set<string>()
  #retained: NodeJS.Timeout | undefined
  /** Until the next burst: how many were read, and what waits for its end. */
  #pause: NodeJS.Timeout | undefined
  #read = 0
  readonly #waiting = new Map<string, Buffer>()

  /** @param interval as it was configured, in ms */
  constructor (uuid: string, interval: number, on: CommandEvents) {
    this.#own = `config_change/${uuid}`
    this.#state = `${this.#own}/state`
    this.#interval = interval
    this.#on = on
    this.#inForce = { interval, metrics: [], available: [], at: Date.now() }
  }

  get inForce (): InForce {
    return this.#inForce
  }

  /** The types that the agent can measure are others now. */
  set available (types: string[]) {
    this.#available = types
    for (const [topic, { payload }] of this.#given) this.#take(topic, payload)
    this.#settle()
  }

  /** The agent is connected. */
  opened (client: MqttClient): void {
    this.#heard.clear()
    this.#waiting.clear()
    this.#answered = this.#isStated = false
    if (this.#unanswered >= mostUnanswered) {
      this.#unanswered = 0
      return this.#on.failed(new PlatziverseError('AGENT_COMMANDS_REFUSED', `The broker closed ${mostUnanswered} connections instead of letting this agent subscribe to ${this.#own}.`))
    }
    this.#client = client
    // One packet each: a broker may grant one of them alone.
    const ask = async (topic: string): Promise<string | undefined> => {
      try {
        await client.subscribeAsync(topic, { qos: 1 })
        return topic
      } catch (error) {
        this.#refused(client, topic, error)
        return undefined
      }
    }
    void Promise.all([ask(this.#own), ask(this.#all)]).then(granted => { if (client === this.#client) this.#granted(granted.filter(topic => topic !== undefined)) })
  }

  /** The connection is gone, or about to be closed by this agent. */
  lost (closing = false): void {
    if (this.#client !== undefined && !this.#answered && !closing) this.#unanswered++
    this.#client = undefined
    clearTimeout(this.#retained)
  }

  /** @returns whether it was a command */
  received (topic: string, payload: Buffer): boolean {
    if (topic !== this.#own && topic !== this.#all) return false
    this.#heard.add(topic)
    // One byte more than allowed is enough of a long one.
    this.#waiting.set(topic, Buffer.from(payload.subarray(0, mostCommandBytes + 1)))
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined
      this.#read = 0
      if (this.#waiting.size > 0) this.#obey()
    }, burst.within).unref()
    // Each may change what is reported, answered and written into a log.
    if (this.#read++ < burst.most) this.#obey()
    return true
  }

  /** Do what the waiting commands ask for. */
  #obey (): void {
    for (const [topic, payload] of this.#waiting) {
      if (payload.length === 0) this.#given.delete(topic)
      else this.#take(topic, payload)
    }
    this.#waiting.clear()
    this.#settle()
    this.#publish()
  }

  #take (topic: string, payload: Buffer): void {
    const before = this.#given.get(topic)
    const read = readCommand(payload, this.#available, topic === this.#all)
    this.#given.set(topic, read.ok ? { payload, command: read.command } : { payload, command: before?.command ?? {}, refused: read.error })
    // The same payload is read again when the agent can measure something else.
    if (!read.ok && !(before?.refused?.detail === read.error.detail && before.payload.equals(payload))) this.#on.failed(read.error)
  }

  #granted (topics: string[]): void {
    this.#answered = true
    this.#unanswered = 0
    for (const topic of topics) this.#reported.delete(topic)
    if (topics.length === 0) return
    this.#retained = setTimeout(() => {
      // What the broker no longer has was cleared while the agent was away, or was never retained.
      for (const topic of topics) if (!this.#heard.has(topic)) this.#given.delete(topic)
      this.#settle()
      this.#publish()
    }, patience)
  }

  #refused (client: MqttClient, topic: string, error: unknown): void {
    // An error that ends the connection is reported as such.
    if (client !== this.#client || !client.connected || this.#reported.has(topic)) return
    this.#reported.add(topic)
    this.#on.failed(new PlatziverseError('AGENT_COMMANDS_REFUSED', `The broker does not let this agent subscribe to ${topic}: ${reasonOf(error).replace(/\.$/, '')}.`, { cause: error }))
  }

  /** Find out what is in force, and have it done where it changed. */
  #settle (): void {
    const [own, all] = [this.#own, this.#all].map(topic => this.#given.get(topic))
    const metrics = own?.command.metrics ?? all?.command.metrics
    const [topic, refused] = own?.refused === undefined ? [this.#all, all?.refused] : [this.#own, own.refused]
    const { at: _since, ...before } = this.#inForce
    const now = {
      interval: own?.command.interval ?? all?.command.interval ?? this.#interval,
      metrics: metrics === undefined ? this.#available : this.#available.filter(type => metrics.includes(type)),
      available: this.#available,
      ...refused === undefined ? {} : { refused: { topic, code: refused.code, message: refused.detail } }
    }
    if (isDeepStrictEqual(now, before)) return
    this.#inForce = { ...now, at: Date.now() }
    this.#on.changed(this.#inForce)
    if (this.#isStated) {
      this.#isStated = false
      this.#publish()
    }
  }

  /** Once a connection, and after each change: a broker that restarted may have forgotten it. */
  #publish (): void {
    if (this.#isStated || this.#client === undefined) return
    this.#isStated = true
    // An error ends the connection, and the next one has it published again.
    this.#client.publish(this.#state, JSON.stringify(this.#inForce), { ...jsonMessage, retain: true }, () => undefined)
  }
}
