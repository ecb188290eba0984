import { isObject } from '../is-object.ts'
import { isLevel } from '../messages/topic-template.ts'
import { kindOf } from '../messages/topics.ts'

/** Agents whose state is kept, half of what a broker retains by default: devices choose their uuids, and leave room for what others retain. */
const mostStates = 5_000
const none: readonly StateChange[] = []

/** An agent's state as it is published: retained, so that those who subscribe later know it. */
export interface StateChange { uuid: string, topic: string, payload: 'connected' | 'disconnected' | '' }

/**
 * The state of each agent as a node published it last. Devices choose their uuids: one that is no level of a topic has no state, because a
 * wildcard in a topic makes those who receive it hang up, and a slash would lead into topics that are none of the device's business.
 */
export class AgentStates {
  readonly #connected = new Set<string>()
  /** The one that went first is the first. */
  readonly #gone = new Set<string>()

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
    if (before.delete(uuid) || this.#connected.size + this.#gone.size < mostStates) {
      now.add(uuid)
      return [change]
    }
    // The agent that has been gone longest makes room; a connected one never does.
    const [longest] = this.#gone
    if (longest === undefined) return none
    this.#gone.delete(longest)
    now.add(uuid)
    return [{ uuid: longest, topic: topicOf(longest), payload: '' }, change]
  }

  /** @returns what clears the state of an agent that was forgotten; undefined: it has none */
  forget (uuid: string): StateChange | undefined {
    this.#connected.delete(uuid)
    this.#gone.delete(uuid)
    return isLevel(uuid) ? { uuid, topic: topicOf(uuid), payload: '' } : undefined
  }
}

const nodes = new Map<string, AgentStates>()

/** The states that a node published, also before the last deploy. */
export function agentStatesOf (nodeId: string): AgentStates {
  const states = nodes.get(nodeId) ?? new AgentStates()
  nodes.set(nodeId, states)
  return states
}

/** The node is gone for good. */
export function dropAgentStates (nodeId: string): void {
  nodes.delete(nodeId)
}

function topicOf (uuid: string): string {
  return `agent/${uuid}/status`
}
