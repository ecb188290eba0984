import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Delivered, OutgoingPublication } from '../broker/publication.ts'
import { isObject } from '../is-object.ts'
import { isLevel } from '../messages/topic-template.ts'
import { kindOf } from '../messages/topics.ts'

/** Agents whose state is kept, half of what a broker retains by default: devices choose their uuids, and leave room for what others retain. */
const mostStates = 5_000
const none: readonly StateChange[] = []

/** What the states need of the broker that retains them. */
export interface StatesBroker {
  readonly isElsewhere: boolean
  retained (filters: string[], signal: AbortSignal): AsyncIterable<Pick<Delivered, 'topic' | 'payload'>>
  publish (publication: OutgoingPublication): Promise<void>
}

/** An agent's state as it is published: retained, so that those who subscribe later know it. */
export interface StateChange { uuid: string, topic: string, payload: 'connected' | 'disconnected' | '' }

/**
 * The state of each agent as a node published it last. Devices choose their uuids: one that is no level of a topic has no state, because a
 * wildcard in a topic makes those who receive it hang up, and a slash would lead into topics that are none of the device's business.
 */
export class AgentStates {
  readonly brokerId: string
  readonly #connected = new Set<string>()
  /** The one that went first is the first. */
  readonly #gone = new Set<string>()
  /** Retained as connected before this run, and not heard of since. */
  readonly #unheard = new Set<string>()
  #isRestored = false

  constructor (brokerId: string) {
    this.brokerId = brokerId
  }

  /** @returns what a message changes, which counts as published from then on */
  changesBy (topic: unknown, payload: unknown): readonly StateChange[] {
    const kind = typeof topic === 'string' ? kindOf(topic) : undefined
    if (kind === undefined || !isObject(payload) || !isObject(payload.agent) || typeof payload.agent.uuid !== 'string') return none
    const { uuid } = payload.agent
    if (!isLevel(uuid)) return none
    // Who reports is connected, whether it said so or not.
    const state = kind === 'disconnected' ? kind : 'connected'
    const [now, before] = state === 'connected' ? [this.#connected, this.#gone] : [this.#gone, this.#connected]
    if (now.has(uuid)) return none
    const change: StateChange = { uuid, topic: topicOf(uuid), payload: state }
    const isUnheard = this.#unheard.delete(uuid)
    if (isUnheard || before.delete(uuid) || this.#size < mostStates) {
      now.add(uuid)
      return isUnheard && state === 'connected' ? none : [change]
    }
    const cleared = this.#makeRoom()
    if (cleared === undefined) return none
    now.add(uuid)
    return [cleared, change]
  }

  /**
   * Count what the broker retained before this run, once, and clear what is beyond the limit. Waits for a broker that is away, unless
   * `signal` ends the wait. A broker elsewhere may have states of other workers, which are theirs to clear.
   * @throws AbortError, and PlatziverseError of `publish`
   */
  async restore (broker: StatesBroker, signal: AbortSignal): Promise<void> {
    if (this.#isRestored) return
    const beyond: StateChange[] = []
    let read = 0
    for await (const { topic, payload } of broker.retained([topicOf('+')], signal)) {
      if (broker.isElsewhere) break
      this.#found(topic.slice(prefix.length, -suffix.length), payload.toString())
      const cleared = this.#size > mostStates ? this.#makeRoom() : undefined
      if (cleared !== undefined) beyond.push(cleared)
      // Reading never waits: without a pause nothing else would get its turn.
      if (++read % 500 === 0) await nextTurn(undefined, { signal })
    }
    this.#isRestored = true
    for (const change of beyond) await broker.publish(publicationOf(change))
  }

  /** @returns what clears the state of an agent that was forgotten; undefined: it has none */
  forget (uuid: string): StateChange | undefined {
    this.#connected.delete(uuid)
    this.#gone.delete(uuid)
    this.#unheard.delete(uuid)
    return isLevel(uuid) ? { uuid, topic: topicOf(uuid), payload: '' } : undefined
  }

  get #size (): number {
    return this.#connected.size + this.#gone.size + this.#unheard.size
  }

  /** Devices and other programs may use such a topic for something else. What was heard in this run is newer. */
  #found (uuid: string, state: string): void {
    if (this.#connected.has(uuid) || this.#gone.has(uuid)) return
    if (state === 'connected') this.#unheard.add(uuid)
    else if (state === 'disconnected') this.#gone.add(uuid)
  }

  /** The agent that has been gone longest makes room, then one that was not heard of in this run; a connected one never does. */
  #makeRoom (): StateChange | undefined {
    const from = this.#gone.size > 0 ? this.#gone : this.#unheard
    const [uuid] = from
    if (uuid === undefined) return undefined
    from.delete(uuid)
    return { uuid, topic: topicOf(uuid), payload: '' }
  }
}

const nodes = new Map<string, AgentStates>()

/** The states that a node published to a broker, also before the last deploy. */
export function agentStatesOf (nodeId: string, brokerId: string): AgentStates {
  const known = nodes.get(nodeId)
  const states = known?.brokerId === brokerId ? known : new AgentStates(brokerId)
  nodes.set(nodeId, states)
  return states
}

/** The node is gone for good. */
export function dropAgentStates (nodeId: string): void {
  nodes.delete(nodeId)
}

/** A state changes seldom: the few topic aliases are for topics that come more often. */
export function publicationOf ({ topic, payload }: StateChange): OutgoingPublication {
  return { topic, payload, qos: 1, retain: true, noAlias: true }
}

const prefix = 'agent/'
const suffix = '/status'

function topicOf (uuid: string): string {
  return `${prefix}${uuid}${suffix}`
}
