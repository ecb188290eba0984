import { isObject } from '../is-object.ts'
import { kindOf } from '../messages/topics.ts'
import { RecentMap } from '../recent-map.ts'

/** Agents whose state is remembered; of one that is not, it is published once more. */
const mostRemembered = 20_000

/** An agent's state as it is published: retained, so that those who subscribe later know it. */
export interface StateChange { uuid: string, topic: string, payload: 'connected' | 'disconnected' | '' }

/** The state of each agent as a node published it last. */
export class AgentStates {
  #states = new RecentMap<'connected' | 'disconnected'>(mostRemembered)

  /** @returns what a message changes, which counts as published from then on; undefined: nothing */
  changeBy (topic: unknown, payload: unknown): StateChange | undefined {
    const kind = typeof topic === 'string' ? kindOf(topic) : undefined
    if (kind === undefined || !isObject(payload) || !isObject(payload.agent) || typeof payload.agent.uuid !== 'string') return undefined
    const { uuid } = payload.agent
    // Who reports is connected, whether it said so or not.
    const state = kind === 'disconnected' ? kind : 'connected'
    if (this.#states.get(uuid) === state) return undefined
    this.#states.set(uuid, state)
    return { uuid, topic: topicOf(uuid), payload: state }
  }

  /** @returns what clears the state of an agent that was forgotten */
  forget (uuid: string): StateChange {
    this.#states.delete(uuid)
    return { uuid, topic: topicOf(uuid), payload: '' }
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
