import { Bridge, type BridgeOptions, type Leftover, type LocalBroker } from '../bridge/bridge.ts'
import type { Connection, Publication } from '../broker/publication.ts'
import { KeptByNode, type Kept } from './kept.ts'
import { findBroker, type RegisteredBroker } from './registry.ts'

/** ms that a stopping node waits for the other broker to acknowledge what was sent: the process may end after it. */
const patience = 300
/** ms after which the agents of a bridge whose connection is lost count as gone. */
const usualAbsence = 300_000

export interface BridgeNodeOptions extends BridgeOptions {
  /** Id of the broker's node. */
  broker: string
  /** The user as whom the bridge publishes here; absent: nobody. */
  localUser?: string
  /** ms without a connection after which agents that came over the bridge are said to be gone. Default: 5 minutes. */
  absence?: number
}

let bridges = 0

/** The bridge of one node, which outlives the node in a deploy. */
class BridgeSlot implements Kept<BridgeNodeOptions> {
  readonly options: BridgeNodeOptions
  readonly bridge: Bridge
  attached = true
  #source: Connection
  #absence: NodeJS.Timeout | undefined
  #closing: Promise<Leftover> | undefined

  constructor (options: BridgeNodeOptions) {
    this.options = options
    // Looked up each time: a broker that was deleted and comes back has another slot.
    const broker = (): RegisteredBroker => findBroker(options.broker)
    const local: LocalBroker = {
      // The same object at each attempt: what takes it may leave a mark on it.
      publish: (publication, origin) => broker().bring(Object.assign(publication, { connection: this.#source, will: false }) as Publication, origin),
      subscribe: (filter, subscriber) => broker().subscribe(filter, subscriber),
      retained: (filters, signal) => broker().retained(filters, signal),
      reads: topic => broker().reads(topic),
      hasClient: clientId => broker().clients().some(client => client.clientId === clientId)
    }
    this.bridge = new Bridge(local, options)
    this.#source = this.#newSource()
    this.bridge.on('state', ({ state }) => {
      if (state === 'connected') {
        clearTimeout(this.#absence)
        this.#absence = undefined
      } else {
        // Counts from the first attempt that fails.
        this.#absence ??= setTimeout(() => { this.#gone() }, options.absence ?? usualAbsence).unref()
      }
    })
  }

  get closed (): boolean { return this.bridge.state.state === 'closed' }

  /** End, and leave what is unsent to the next bridge. */
  close (): Promise<Leftover> {
    this.#closing ??= this.bridge.leave().then(left => {
      clearTimeout(this.#absence)
      this.#gone()
      return left
    })
    return this.#closing
  }

  /** The agents that came over the bridge are gone. */
  #gone (): void {
    const source = this.#source
    source.gone = true
    this.#source = this.#newSource()
    findBroker(this.options.broker).gone(source)
  }

  /** To takers the bridge is a client. Real clients have numbers above 0. */
  #newSource (): Connection {
    const { localUser } = this.options
    const { clientId, origin } = this.bridge
    return { number: -++bridges, clientId, username: localUser, verified: localUser !== undefined, address: undefined, gone: false, origin }
  }
}

const slots = new KeptByNode<BridgeNodeOptions, BridgeSlot>()
/** By node, what a closed bridge had not sent: flows that were stopped may start again. */
const unsent = new Map<string, { url: string, left: Promise<Leftover> }>()

/**
 * The bridge of a node: the one that the node's last instance left running or, where its options changed, a new one that takes over.
 * @throws PlatziverseError BRIDGE_OPTION_INVALID
 */
export function attachBridge (nodeId: string, options: BridgeNodeOptions): Bridge {
  return slots.attach(nodeId, options, before => {
    const slot = new BridgeSlot(options)
    const stored = unsent.get(nodeId)
    unsent.delete(nodeId)
    const left = before === undefined ? stored : { url: before.options.url, left: before.close() }
    // Another address gets only what is published from now on.
    slot.bridge.open(left?.left.then(leftover => left.url === options.url ? leftover : { unsent: [], taken: new Set() }))
    return slot
  }).bridge
}

/** The node goes, perhaps to come again. Resolves when what was sent is acknowledged, or had its time. */
export async function detachBridge (nodeId: string): Promise<void> {
  await slots.detach(nodeId)?.bridge.settled(patience)
}

/**
 * The flows run, or will not run soon: closes the bridges that have no node.
 * @param isKept whether a node may come again, because it was disabled or its flows are stopped; what waits with any other node is dropped
 */
export async function closeOrphanBridges (isKept: (nodeId: string) => boolean): Promise<void> {
  for (const nodeId of unsent.keys()) if (!isKept(nodeId)) unsent.delete(nodeId)
  await Promise.all(slots.takeOrphans().map(async ([nodeId, slot]) => {
    const left = slot.close()
    if (isKept(nodeId)) unsent.set(nodeId, { url: slot.options.url, left })
    await left
  }))
}

/** Close every bridge, for tests. */
export async function closeAllBridges (): Promise<void> {
  slots.detachAll()
  await closeOrphanBridges(() => false)
}
