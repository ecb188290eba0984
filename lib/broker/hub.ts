import { EventEmitter } from 'node:events'
import { PlatziverseError } from '../errors.ts'
import type { Broker, BrokerStatistics, ClientEvent, Connection, ListenerOptions, ListenerState, OutgoingPublication, Publication, Settle, Taker } from './broker.ts'
import { openEmbeddedBroker } from './embedded.ts'
import { Intake, type IntakeHandler, type IntakeOptions, type IntakeStatistics } from './intake.ts'

/** ms that a broker without a node is kept after the flows stopped: they may start again, as in a deploy. */
const grace = 5_000

export type Statistics = BrokerStatistics & IntakeStatistics

interface PlaceEvents {
  /** The broker's listener opened, failed or closed. */
  listener: [ListenerState]
  client: [ClientEvent]
}

/**
 * The place of one broker, by the id of its node. It outlives the node, and so does the broker in it: that is why a
 * deploy does not hang up on clients. Others find the broker here, and never keep it.
 */
class Place extends EventEmitter<PlaceEvents> implements Taker {
  readonly intakes = new Map<string, Intake>()
  /** Whether a node stands for the broker now. */
  attached = false
  #broker: Broker | undefined
  #opening: Promise<Broker> | undefined

  get listener (): ListenerState {
    return this.#broker?.listener ?? { state: 'closed' }
  }

  /** False when nobody could receive what is published now; true while the broker is not there, so that it is missed. */
  get hasSubscribers (): boolean {
    return this.#broker?.hasSubscribers ?? true
  }

  get isOpen (): boolean { return this.#opening !== undefined }

  async open (options: ListenerOptions): Promise<void> {
    this.#opening ??= openEmbeddedBroker(this)
    const opening = this.#opening
    const broker = await opening
    if (this.#opening !== opening) return
    if (this.#broker !== broker) {
      this.#broker = broker
      broker.on('listener', state => { this.emit('listener', state) })
      broker.on('client', event => { this.emit('client', event) })
    }
    broker.listen(options)
  }

  async close (): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    this.#broker = undefined
    await (await opening)?.close()
  }

  async publish (publication: OutgoingPublication): Promise<void> {
    const broker = this.#broker ?? await this.#opening
    if (broker === undefined) throw new PlatziverseError('BROKER_MISSING', 'The broker is not there.')
    await broker.publish(publication)
  }

  statistics (): Statistics {
    const broker = this.#broker?.statistics() ?? { clients: 0, connections: 0, refused: 0, received: 0, delivered: 0, dropped: 0, cutOff: 0 }
    const sum: IntakeStatistics = { agents: 0, messages: 0, rejected: 0, unsettled: 0, waiting: 0, timedOut: 0, abandoned: 0 }
    for (const intake of this.intakes.values()) {
      for (const [name, value] of Object.entries(intake.statistics())) sum[name as keyof IntakeStatistics] += value
    }
    return { ...broker, ...sum }
  }

  takes (topic: string): boolean {
    for (const intake of this.intakes.values()) if (intake.takes(topic)) return true
    return false
  }

  /** Each intake gets the publication; it is acknowledged once all of them settled it. */
  take (publication: Publication, settle: Settle): void {
    let open = this.intakes.size
    let failed = false
    for (const intake of this.intakes.values()) {
      intake.take(publication, error => {
        open--
        if (failed || (error === undefined && open > 0)) return
        failed = error !== undefined
        settle(error)
      })
    }
  }

  gone (connection: Connection): void {
    for (const intake of this.intakes.values()) intake.gone(connection)
  }
}

const places = new Map<string, Place>()

function placeOf (brokerId: string): Place {
  let place = places.get(brokerId)
  if (place === undefined) {
    place = new Place().setMaxListeners(0)
    places.set(brokerId, place)
  }
  return place
}

/** What others may do with a broker: watch it, and publish to it. */
export type BrokerPlace = Pick<Place, 'on' | 'off' | 'listener' | 'hasSubscribers' | 'publish' | 'statistics'>

/** The place of a broker, whether or not the broker is there yet. */
export function findBroker (brokerId: string): BrokerPlace {
  return placeOf(brokerId)
}

/** Open the broker of a node, or take over the one that a deploy left open. */
export async function attachBroker (brokerId: string, options: ListenerOptions): Promise<void> {
  const place = placeOf(brokerId)
  place.attached = true
  // Another broker that a deploy left behind may still have the port.
  await Promise.all([...places.values()].filter(other => !other.attached && other.isOpen && sharesPort(other, options)).map(other => other.close()))
  if (place.attached) await place.open(options)
}

/** The node of a broker goes: for good when it was `removed`, otherwise the broker stays open for the node's next instance. */
export async function detachBroker (brokerId: string, removed: boolean): Promise<void> {
  const place = placeOf(brokerId)
  place.attached = false
  if (removed) await place.close()
}

/** Let an agent-in take the three topics off a broker. */
export function attachIntake (agentInId: string, brokerId: string, handler: IntakeHandler, options: IntakeOptions): Intake {
  for (const [id, place] of places) if (id !== brokerId) closeIntake(place, agentInId)
  const { intakes } = placeOf(brokerId)
  const intake = intakes.get(agentInId) ?? new Intake(options)
  intakes.set(agentInId, intake)
  intake.attach(handler, options)
  return intake
}

/** The agent-in goes: for good when it was `removed`, otherwise what comes meanwhile waits for its next instance. */
export function detachIntake (agentInId: string, brokerId: string, removed: boolean): void {
  const place = placeOf(brokerId)
  if (removed) closeIntake(place, agentInId)
  else place.intakes.get(agentInId)?.detach()
}

function closeIntake (place: Place, agentInId: string): void {
  const intake = place.intakes.get(agentInId)
  place.intakes.delete(agentInId)
  intake?.close()
}

function sharesPort (place: Place, options: ListenerOptions): boolean {
  return place.listener.state === 'listening' && place.listener.port === options.port
}

let leaving: NodeJS.Timeout | undefined

/** The flows stopped: whatever they do not take up again soon is closed. */
export function flowsStopped (): void {
  clearTimeout(leaving)
  leaving = setTimeout(() => { void closeOrphans() }, grace)
}

export function flowsStarting (): void {
  clearTimeout(leaving)
}

/** The flows started: what no node took up again is closed, and what a deploy lost on its way is sent again. */
export async function flowsStarted (): Promise<void> {
  clearTimeout(leaving)
  const started = performance.now()
  // What is on a wire at this moment arrives; only what does not is sent again.
  setTimeout(() => {
    for (const { intakes } of places.values()) for (const intake of intakes.values()) intake.resend(started)
  }, 250).unref()
  await closeOrphans()
}

async function closeOrphans (): Promise<void> {
  await Promise.all([...places].map(async ([id, place]) => {
    for (const [agentInId, intake] of place.intakes) if (!intake.attached) closeIntake(place, agentInId)
    if (place.attached) return
    await place.close()
    if (!place.attached && place.intakes.size === 0 && place.eventNames().length === 0) places.delete(id)
  }))
}

/** Close every broker and forget every agent-in. */
export async function closeAllBrokers (): Promise<void> {
  clearTimeout(leaving)
  for (const place of places.values()) {
    place.attached = false
    for (const id of [...place.intakes.keys()]) closeIntake(place, id)
  }
  await Promise.all([...places.values()].map(place => place.close()))
  places.clear()
}
