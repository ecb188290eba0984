import { Agent, hostMetrics, type AgentOptions, type HostMetricGroup, type Identity } from '../agent/agent.ts'
import { PlatziverseError } from '../errors.ts'
import { topics, type AgentTopic } from '../messages/topics.ts'
import { brokerAddress } from './broker-url.ts'
import { KeptByNode, type Kept } from './kept.ts'
import { attachOutbox, type Outbox, type OutboxHandler } from './outbox.ts'

/** ms that a stopping node waits for the broker to acknowledge what was sent: the process may end after it. */
const patience = 300
/** ms for an agent that ends to say goodbye. */
const farewell = 1_500
/** The most bytes of other agents' messages that wait while the flows are stopped. */
const mostWaiting = 8_000_000

export interface AgentNodeOptions extends AgentOptions {
  /** Id of the node of the broker to report to; empty: the broker at `mqtt.url`. */
  broker: string
  /** What was saved of that broker where it is elsewhere: to another one the agent connects anew. */
  place: string
  /** What to measure on this machine. */
  groups: HostMetricGroup[]
}

type ResolvedOptions = AgentNodeOptions & { identity: Identity }

/** The agent of one node, which outlives the node in a deploy. */
class AgentSlot implements Kept<ResolvedOptions> {
  readonly options: ResolvedOptions
  readonly agent: Agent
  attached = true
  closed = false
  /** The node's outbox, while there is a node. */
  outbox: Outbox | undefined
  #opening: Promise<void>
  #closing: Promise<void> | undefined
  #waiting = 0
  #missed = 0

  /** @param free resolves when no other agent uses the uuid */
  constructor (agent: Agent, options: ResolvedOptions, free: Promise<void> = Promise.resolve()) {
    this.options = options
    this.agent = agent
    for (const { type, measure } of hostMetrics(options.groups)) agent.addMetric(type, measure)
    for (const topic of Object.values(topics)) agent.on(topic, (payload: unknown) => { this.#received(topic, payload) })
    this.#opening = free.then(() => { if (!this.closed) void agent.connect() })
  }

  close (): Promise<void> {
    this.closed = true
    this.#closing ??= this.#opening.then(() => this.agent.disconnect(farewell))
    return this.#closing
  }

  #received (topic: AgentTopic, payload: unknown): void {
    if (this.outbox?.isOpen === true) {
      if (this.#missed > 0) this.agent.emit('problem', new PlatziverseError('AGENT_BUFFER_FULL', `Other agents said more than ${mostWaiting / 1e6} MB while the flows were stopped; dropped messages: ${this.#missed}.`))
      this.#waiting = this.#missed = 0
    } else {
      this.#waiting += JSON.stringify(payload).length
      if (this.#waiting > mostWaiting) return void this.#missed++
    }
    this.outbox?.pass({ msg: { topic, payload }, claim: undefined, sent: () => undefined })
  }
}

/** The events that the node handles. */
const nodeEvents = ['connected', 'disconnected', 'message', 'config', 'problem'] as const

const agents = new KeptByNode<ResolvedOptions, AgentSlot>()
/** Agents that are saying goodbye, by their node. */
const leaving = new Map<string, Promise<void>>()

/**
 * The agent of a node: the one that the node's last instance left connected or, where anything about it changed, a new one that
 * connects once the old one has said goodbye. Its event handlers are the node's, until `detachAgent`.
 * @param handler sends other agents' messages into the flow
 * @throws PlatziverseError AGENT_OPTION_INVALID
 */
export function attachAgent (nodeId: string, given: AgentNodeOptions, handler: OutboxHandler): Agent {
  const { broker, mqtt } = given
  const agent = new Agent(broker === '' ? given : { ...given, mqtt: { ...mqtt, url: attempt => brokerAddress(broker, attempt) } })
  // Its identity may have changed without its options: the file with its uuid, the name of the machine.
  const options = { ...given, identity: agent.identity }
  const slot = agents.attach(nodeId, options, before => {
    // What the old one could not send is reported by the node's current instance.
    before?.agent.on('problem', problem => { agent.emit('problem', problem) })
    return new AgentSlot(agent, options, before?.close() ?? leaving.get(nodeId))
  })
  slot.outbox = attachOutbox(nodeId, handler)
  return slot.agent
}

/** The node goes, perhaps to come again. Resolves when what was sent is acknowledged, or had its time. */
export async function detachAgent (nodeId: string, handler: OutboxHandler): Promise<void> {
  const slot = agents.detach(nodeId)
  slot?.outbox?.detach(handler)
  for (const event of nodeEvents) slot?.agent.removeAllListeners(event)
  await slot?.agent.settled(patience)
}

/**
 * The flows run, or will not run soon: agents that have no node say goodbye.
 * @param report gets what could not be sent
 */
export async function closeOrphanAgents (report: (problem: PlatziverseError) => void): Promise<void> {
  await Promise.all(agents.takeOrphans().map(async ([nodeId, slot]) => {
    slot.agent.on('problem', report)
    const closing = slot.close()
    leaving.set(nodeId, closing)
    await closing
    if (leaving.get(nodeId) === closing) leaving.delete(nodeId)
  }))
}

/** Close every agent, for tests. */
export async function closeAllAgents (): Promise<void> {
  agents.detachAll()
  await closeOrphanAgents(() => undefined)
}
