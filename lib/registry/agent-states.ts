import { isObject } from '../is-object.ts'
import { isLevel } from '../messages/topic-template.ts'
import { kindOf } from '../messages/topics.ts'
import { RecentMap } from '../recent-map.ts'

/** Agents whose state is remembered; of one that is not, it is published once more. */
const mostRemembered = 20_000

/** An agent's state as it is published: retained, so that those who subscribe later know it. */
export interface StateChange { uuid: string, topic: string, payload: 'connected' | 'disconnected' | '' }

/**
 * The state of each agent as a node published it last. Devices choose their uuids: one that is no level of a topic has no state, because a
 * wildcard in a topic makes those who receive it hang up, and a slash would lead into topics that are none of the device's business.
 */
export class AgentStates {
  #states = new RecentMap<'connected' | 'disconnected'>(mostRemembered)

  /** @returns what a message changes, which counts as published from then on; undefined: nothing */
  changeBy (topic: unknown, payload: unknown): StateChange | undefined {
    const kind = typeof topic === 'string' ? kindOf(topic) : undefined
    if (kind === undefined || !isObject(payload) || !isObject(payload.agent) || typeof payload.agent.uuid !== 'string') return undefined
    const { uuid } = payload.agent
    if (!isLevel(uuid)) return undefined
    // Who reports is connected, whether it said so or not.
    const state = kind === 'disconnected' ? kind : 'connected'
    if (this.#states.get(uuid) === state) return undefined
    this.#states.set(uuid, state)
    return { uuid, topic: topicOf(uuid), payload: state }
  }

  /** @returns what clears the state of an agent that was forgotten; undefined: it has none */
  forget (uuid: string): StateChange | undefined {
    this.#states.delete(uuid)
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
