import { day } from '../time.ts'
import type { Agent as Identity, ConnectedPayload, DisconnectedPayload, MessagePayload, Metric } from '../messages/schema.ts'

/** What a board keeps at the most: about 100 MB. */
export const boardLimits = { agents: 10_000, typesOfAgent: 64, points: 20, textLength: 64 } as const

const { points } = boardLimits
/** ms in which a broker has sent what it retains, once it is there again. */
const untilRetained = 10_000
/** ms after which an agent goes that nobody knows to be there still. */
const longestSilence = day
const texts = new Map<string, string>()
/** Names of metrics that are kept once, however many agents have them. */
const mostTexts = 10_000

export interface ShownMetric {
  type: string
  value: Metric['value']
  /** The last values, the oldest first; of a text none. */
  history: number[]
}

/** What is known of one agent. */
export class ShownAgent {
  readonly uuid: string
  name = ''
  /** By which it stands among the others. */
  order = ''
  hostname = ''
  connected = true
  /** UTC ms; 0: it has said nothing yet. */
  seenAt = 0
  /** UTC ms when it went, and when the broker told its state last; 0: never. */
  wentAt = 0
  toldAt = 0
  /** Metrics of its last message for which there is no room. */
  hidden = 0
  #types: string[] = []
  #values: Array<Metric['value']> = []
  /** `points` numbers for each type, each a ring. */
  #history = new Float32Array(0)
  #counts: number[] = []

  constructor (uuid: string) {
    this.uuid = uuid
  }

  get size (): number {
    return this.#types.length
  }

  identify ({ name, hostname }: Identity): void {
    if (name !== undefined && name !== this.name) {
      this.name = short(name)
      this.order = this.name.toLowerCase()
    }
    if (hostname !== undefined && hostname !== this.hostname) this.hostname = short(hostname)
  }

  measured (metrics: readonly Metric[]): void {
    this.hidden = 0
    if (this.size === 0) this.#history = new Float32Array(Math.min(boardLimits.typesOfAgent, metrics.length) * points)
    for (const { type, value } of metrics) {
      const place = this.#placeOf(short(type))
      if (place < 0) {
        this.hidden++
        continue
      }
      this.#values[place] = typeof value === 'string' ? short(value) : value
      if (typeof value === 'string') continue
      const count = this.#counts[place] ?? 0
      this.#history[place * points + count % points] = Number(value)
      this.#counts[place] = count + 1
    }
  }

  /** @param from the first one, @param most of them */
  metrics (from = 0, most = Infinity): ShownMetric[] {
    return this.#types.slice(from, from + most).map((type, i) => ({ type, value: this.#values[from + i]!, history: this.#historyOf(from + i) }))
  }

  #historyOf (place: number): number[] {
    const count = this.#counts[place] ?? 0
    const length = Math.min(count, points)
    return Array.from({ length }, (_, i) => this.#history[place * points + (count - length + i) % points]!)
  }

  #placeOf (type: string): number {
    const place = this.#types.indexOf(type)
    if (place >= 0 || this.#types.length === boardLimits.typesOfAgent) return place
    this.#types.push(once(type))
    this.#counts.push(0)
    if (this.#types.length * points > this.#history.length) {
      const history = new Float32Array(Math.min(boardLimits.typesOfAgent, Math.ceil(this.#types.length * 1.5)) * points)
      history.set(this.#history)
      this.#history = history
    }
    return this.#types.length - 1
  }
}

/** What agents say, as far as a screen can show it: so much and no more, whatever they send. */
export class Board {
  /** The one that was seen last is the last. */
  readonly #agents = new Map<string, ShownAgent>()
  #sorted: ShownAgent[] | undefined
  #messages = 0
  #forgotten = 0
  #linkedAt = 0

  /** How many messages came. */
  get messages (): number {
    return this.#messages
  }

  /** Agents for which there was no room any more. */
  get forgotten (): number {
    return this.#forgotten
  }

  /** The agents by name. */
  get agents (): readonly ShownAgent[] {
    return this.#sorted ??= [...this.#agents.values()].sort((a, b) => compare(a.order, b.order) || compare(a.uuid, b.uuid))
  }

  connected ({ agent }: ConnectedPayload, now: number): void {
    this.#seen(agent, now)
  }

  disconnected ({ agent: { uuid } }: DisconnectedPayload, now: number): void {
    const agent = this.#agents.get(uuid)
    if (agent !== undefined) [agent.connected, agent.wentAt] = [false, now]
  }

  /** From `now` on it is heard, perhaps after a while in which it was not, what agents say. */
  linked (now: number): void {
    this.#linkedAt = now
  }

  /** What the broker retained of an agent, unless it has been heard since. */
  remembered (uuid: string, isConnected: boolean, now: number): void {
    const agent = this.#agents.get(uuid) ?? this.#add(uuid)
    agent.toldAt = now
    if (agent.seenAt <= this.#linkedAt) agent.connected = isConnected
  }

  /** An agent was forgotten: it is here again with its next message. */
  forget (uuid: string): void {
    if (this.#agents.delete(uuid)) this.#sorted = undefined
  }

  /** Forget the agents that are forgotten elsewhere, as far as that can be known. Only while what agents say is heard. */
  tidy (now: number): void {
    for (const agent of this.#agents.values()) if (this.#isForgotten(agent, now)) this.forget(agent.uuid)
  }

  #isForgotten ({ connected, seenAt, wentAt, toldAt }: ShownAgent, now: number): boolean {
    const isHeard = seenAt > this.#linkedAt
    if (toldAt > 0) {
      // Its state is retained as long as it is known; one that spoke since may be the first to tell that it is known again.
      if (toldAt >= this.#linkedAt) return false
      if (!isHeard) return now - this.#linkedAt > untilRetained
    }
    if (connected && isHeard) return false
    // Of one that was connected when the link broke, nobody knows whether it still is.
    return now - Math.max(seenAt, wentAt, connected ? this.#linkedAt : 0) > longestSilence
  }

  message ({ agent, metrics }: MessagePayload, now: number): void {
    this.#messages++
    this.#seen(agent, now).measured(metrics)
  }

  #seen (identity: Identity, now: number): ShownAgent {
    const agent = this.#agents.get(identity.uuid) ?? this.#add(identity.uuid)
    const { name } = agent
    agent.identify(identity)
    agent.connected = true
    agent.seenAt = now
    if (name !== agent.name) this.#sorted = undefined
    this.#agents.delete(identity.uuid)
    this.#agents.set(identity.uuid, agent)
    return agent
  }

  #add (uuid: string): ShownAgent {
    if (this.#agents.size === boardLimits.agents) {
      for (const [oldest] of this.#agents) {
        this.#agents.delete(oldest)
        break
      }
      this.#forgotten++
    }
    const agent = new ShownAgent(uuid)
    this.#agents.set(uuid, agent)
    this.#sorted = undefined
    return agent
  }
}

function compare (a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** A text of which not more is kept than a line of the screen has: a part of a string would keep all of it. */
function short (text: string): string {
  return text.length <= boardLimits.textLength ? text : Buffer.from(text.slice(0, boardLimits.textLength)).toString()
}

function once (text: string): string {
  const known = texts.get(text)
  if (known !== undefined) return known
  if (texts.size < mostTexts) texts.set(text, text)
  return text
}
