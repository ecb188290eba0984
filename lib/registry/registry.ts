import type { BrokerOptions } from '../broker/broker.ts'
import { Intake, type IntakeHandler, type IntakeOptions } from '../intake/intake.ts'
import { BrokerSlot } from './broker-slot.ts'

/** ms that a broker without a node is kept after the flows stopped: they may start again, as in a deploy. */
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

/** What others may do with a broker: watch it, and publish to it. */
export type RegisteredBroker = Pick<BrokerSlot, 'on' | 'off' | 'listener' | 'listenerStates' | 'hasSubscribers' | 'publish' | 'bring' | 'gone' | 'subscribe' | 'retained' | 'accept' | 'refused' | 'clients' | 'disconnect' | 'endSession' | 'forgetAgent' | 'forgetAgentsOf' | 'clearRetained' | 'reload' | 'statistics' | 'snapshot'>

/** The slot of a broker, whether or not the broker is there yet. */
export function findBroker (brokerId: string): RegisteredBroker {
  return slotOf(brokerId)
}

/** Open the broker of a node, or take over the one that a deploy left open. */
export async function attachBroker (brokerId: string, options: BrokerOptions): Promise<void> {
  const slot = slotOf(brokerId)
  slot.attached = true
  // Another broker that a deploy left behind may still have the port.
  await Promise.all([...slots.values()].filter(other => !other.attached).map(other => sharesPort(other, options) ? other.close() : other.freed))
  if (slot.attached) await slot.open(options)
}

/**
 * The node of a broker goes: the broker stays open for the node's next instance. Whether there will be one is known when the
 * flows started: Node-RED also calls a node removed that moves to another tab while its old one is deleted.
 */
export function detachBroker (brokerId: string): void {
  const slot = slots.get(brokerId)
  if (slot !== undefined) slot.attached = false
}

/** Let an agent-in take the three topics off a broker. */
export function attachIntake (agentInId: string, brokerId: string, handler: IntakeHandler, options: IntakeOptions): Intake {
  for (const [id, slot] of slots) if (id !== brokerId) closeIntake(slot, agentInId)
  const slot = slotOf(brokerId)
  const { intakes } = slot
  const intake = intakes.get(agentInId) ?? new Intake(options, () => slot.owners)
  intakes.set(agentInId, intake)
  intake.attach(handler, options)
  return intake
}

/** The agent-in goes: what comes meanwhile waits for its next instance. */
export function detachIntake (agentInId: string, brokerId: string): void {
  slots.get(brokerId)?.intakes.get(agentInId)?.detach()
}

function closeIntake (slot: BrokerSlot, agentInId: string): void {
  const intake = slot.intakes.get(agentInId)
  slot.intakes.delete(agentInId)
  intake?.close()
}

function sharesPort (slot: BrokerSlot, { listeners }: BrokerOptions): boolean {
  return slot.ports.some(port => listeners.some(listener => listener.port === port))
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

/** The flows started: what a deploy lost on its way is sent again. */
export function flowsStarted (): void {
  clearTimeout(leaving)
  const started = performance.now()
  // What is on a wire at this moment arrives; only what does not is sent again.
  setTimeout(() => {
    for (const { intakes } of slots.values()) for (const intake of intakes.values()) intake.resend(started)
  }, 250).unref()
}

/** The flows run, or will not soon: what no node took up is closed. */
export async function closeOrphanBrokers (): Promise<void> {
  await Promise.all([...slots].map(async ([id, slot]) => {
    // The broker first: without its intakes it would acknowledge what nobody stores.
    const closing = slot.attached ? undefined : slot.close()
    for (const [agentInId, intake] of slot.intakes) if (!intake.attached) closeIntake(slot, agentInId)
    if (closing === undefined) return
    await closing
    if (!slot.attached && slot.intakes.size === 0 && slot.eventNames().length === 0 && !slot.isHeard) slots.delete(id)
  }))
}

/** Close every broker and forget every agent-in. */
export async function closeAllBrokers (): Promise<void> {
  clearTimeout(leaving)
  for (const slot of slots.values()) {
    slot.attached = false
    for (const id of [...slot.intakes.keys()]) closeIntake(slot, id)
  }
  await Promise.all([...slots.values()].map(slot => slot.close()))
  slots.clear()
}
