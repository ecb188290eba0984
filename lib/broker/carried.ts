/** What a message carries that the engine does not know of. */
export interface Carried {
  /**
   * The properties of MQTT 5 that are passed on as they are, as they stand in a packet, without the length in front: payload format, content type,
   * response topic, correlation data and user properties, in the publisher's order [MQTT-3.3.2-18]. Empty: none.
   */
  properties: Buffer
  /** When it is no longer to be delivered, in UTC ms; absent: never. */
  expiresAt?: number
  /** Seconds for which it is worth delivering, of a last will that was not published yet; absent: for ever. */
  lifetime?: number
  /** The client id of its publisher, if that wants none of its own messages by one of its subscriptions. */
  publisher?: string
  /** Whether its topic always goes out in full, and takes none of a subscriber's topic aliases; absent: one may stand for it. */
  noAlias?: boolean
  /** Whether its publisher asked for it to be retained. */
  retain: boolean
  /** On its way to one client: ids of the subscriptions that bring it, where others match, too; absent: all that match do. */
  ids?: readonly number[]
}

const none = Buffer.alloc(0)

/** By the payload, because it is the one thing that aedes passes on untouched. */
const byPayload = new WeakMap<Uint8Array, Carried>()

/** Let a message carry something. @param payload a Buffer of this message alone */
export function carry (payload: Uint8Array, carried: Carried): void {
  byPayload.set(payload, carried)
}

/** A last will is published: from now on its time runs. */
export function beginLifetime (payload: Uint8Array | string): void {
  const carried = carriedBy(payload)
  if (carried?.lifetime !== undefined) carried.expiresAt = Date.now() + carried.lifetime * 1000
}

export function carryPublisher (payload: Uint8Array, publisher: string): void {
  const carried = byPayload.get(payload)
  if (carried === undefined) byPayload.set(payload, { properties: none, retain: false, publisher })
  else carried.publisher = publisher
}

export function carriedBy (payload: Uint8Array | string): Carried | undefined {
  return typeof payload === 'string' ? undefined : byPayload.get(payload)
}

/** @returns the same payload for one client alone, whose subscriptions with these ids bring it */
export function withIds (payload: Uint8Array | string, ids: readonly number[]): Buffer {
  const own = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  carry(own, { properties: none, retain: false, ...carriedBy(payload), ids })
  return own
}

/** A payload that was copied carries what the original does. @returns the copy */
export function carryOver<P extends Uint8Array> (from: Uint8Array, copy: P): P {
  const carried = byPayload.get(from)
  if (carried !== undefined && copy !== from) byPayload.set(copy, carried)
  return copy
}
