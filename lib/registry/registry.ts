import type { BrokerOptions } from '../broker/broker-options.ts'
import { listensOn } from '../broker/engine/open-broker.ts'
import type { IntakeHandler } from '../intake/intake-handler.ts'
import { Intake } from '../intake/intake.ts'
import type { IntakeOptions } from '../intake/intake-options.ts'
import { BrokerSlot } from './broker-slot.ts'
import { closeWatches } from './seen-messages.ts'

/** ms that a broker without a node is kept after the flows stopped: in a deploy they start again. */
const grace = 5_000

const slots = new Map<string, BrokerSlot>()

function slotOf (brokerId: string): BrokerSlot {
  let slot = slots.get(brokerId)
  if (slot === undefined) {
    slot = new BrokerSlot().setMaxListeners(0)
    slots.set(brokerId, slot)
  }
  return slot
}

/** What nodes may do with a broker. */
export type RegisteredBroker = Pick<BrokerSlot, 'on' | 'off' | 'listener' | 'listenerStates' | 'hasSubscribers' | 'publish' | 'bring' | 'gone' | 'subscribe' | 'retained' | 'accept' | 'refused' | 'clients' | 'control' | 'retainedChanges' | 'statistics' | 'snapshot' | 'reads' | 'isElsewhere' | 'remote'>

/** The broker of a node, whether it is there yet or not. */
export function findBroker (brokerId: string): RegisteredBroker {
  return slotOf(brokerId)
}

/** The brokers that have a node now, by its id. */
export function attachedBrokers (): Array<[id: string, broker: RegisteredBroker]> {
  return [...slots].filter(([, { attached }]) => attached)
}

/**
 * The topics on which what this process publishes at the broker of a node would come back to one of its agent-ins.
 * Two nodes may stand for one broker elsewhere: agent-in reads by one of them, and agent-out publishes by the other.
 */
export function returningTopics (brokerId: string): string[] {
  const slot = slotOf(brokerId)
  return slot.isElsewhere ? [...slots.values()].flatMap(other => other === slot || slot.isSameAs(other) ? other.returning : []) : []
}

/** Whether what this process publishes on a topic at the broker of a node would come back to one of its agent-ins. */
export function returnsFrom (brokerId: string, topic: string): boolean {
  const slot = slotOf(brokerId)
  if (!slot.isElsewhere) return false
  for (const other of slots.values()) if ((other === slot || slot.isSameAs(other)) && other.returns(topic)) return true
  return false
}

/** Open the broker of a node, or take over the one that a deploy left open. */
export async function attachBroker (brokerId: string, options: BrokerOptions): Promise<void> {
  const slot = slotOf(brokerId)
  slot.attached = true
  // Another broker that a deploy left behind may still have the port.
  await Promise.all([...slots.values()].filter(other => !other.attached).map(other => listensOn(other.ports, options) ? other.close() : other.freed))
  if (slot.attached) await slot.open(options)
}

/**
 * The node of a broker goes; the broker stays open for the node's next instance. Whether there is one is known only once the flows
 * started: Node-RED also says that a node is removed when it moves to another tab while its old tab is deleted.
 */
export function detachBroker (brokerId: string): void {
  const slot = slots.get(brokerId)
  if (slot !== undefined) slot.attached = false
}

/** Let an agent-in take the three topics off a broker. */
export function attachIntake (agentInId: string, brokerId: string, handler: IntakeHandler, options: IntakeOptions): Intake {
  for (const [id, slot] of slots) {
    if (id === brokerId || !slot.intakes.has(agentInId)) continue
    slot.intakes.close(agentInId)
    slot.intakesChanged()
  }
  const slot = slotOf(brokerId)
  const { intakes } = slot
  const intake = intakes.get(agentInId) ?? new Intake(options, () => slot.owners, publication => slot.publish(publication))
  intakes.set(agentInId, intake)
  intake.attach(handler, options)
  slot.intakesChanged()
  return intake
}

/** The agent-in goes; what comes meanwhile waits for its next instance. */
export function detachIntake (agentInId: string, brokerId: string): void {
  slots.get(brokerId)?.intakes.get(agentInId)?.detach()
}

let leaving: NodeJS.Timeout | undefined

/**
 * The flows stopped.
 * @param over called when they do not start again soon
 */
export function flowsStopped (over: () => void): void {
  clearTimeout(leaving)
  leaving = setTimeout(over, grace)
}

export function flowsStarting (): void {
  clearTimeout(leaving)
}

/** The flows started: messages that a deploy lost on their way are sent again. */
export function flowsStarted (): void {
  clearTimeout(leaving)
  const started = performance.now()
  // Messages that are on a wire at this moment still arrive.
  setTimeout(() => {
    for (const { intakes } of slots.values()) for (const intake of intakes.values()) intake.resend(started)
  }, 250).unref()
}

/** The flows run, or will not run soon: closes the brokers and intakes that have no node. */
export async function closeOrphanBrokers (): Promise<void> {
  await Promise.all([...slots].map(async ([id, slot]) => {
    // The broker first: without its intakes it would acknowledge messages that nobody stores.
    const closing = slot.attached ? undefined : slot.close()
    for (const [agentInId, intake] of slot.intakes) if (!intake.attached) slot.intakes.close(agentInId)
    slot.intakesChanged()
    if (closing === undefined) return
    await closing
    if (!slot.attached && slot.intakes.size === 0 && slot.eventNames().length === 0 && !slot.hasLocalSubscribers) slots.delete(id)
  }))
}

/** Close every broker and forget every agent-in. */
export async function closeAllBrokers (): Promise<void> {
  clearTimeout(leaving)
  closeWatches()
  for (const slot of slots.values()) {
    slot.attached = false
    for (const id of [...slot.intakes.keys()]) slot.intakes.close(id)
  }
  await Promise.all([...slots.values()].map(slot => slot.close()))
  slots.clear()
}
