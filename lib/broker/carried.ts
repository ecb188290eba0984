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
  /** Whether the broker had no room to retain it; absent: it is retained, or was not meant to be. */
  isUnretained?: boolean
  /** On its way to one client: ids of the subscriptions that bring it, where others match, too; absent: all that match do. */
  ids?: readonly number[]
}

const none = Buffer.alloc(0)

/** Its constructor hands out the object that it is given, instead of a new one. */
const Same = function (object: object) { return object } as unknown as new (object: object) => object

/**
 * Gives a payload a private field, because the payload is the one thing that aedes passes on untouched. Nobody else sees it, as in a `WeakMap`, in which
 * each message would cost three times as much, and more in each collection.
 */
class Carrier extends Same {
  #carried: Carried

  constructor (payload: Uint8Array, carried: Carried) {
    super(payload)
    this.#carried = carried
  }

  static set (payload: Uint8Array | Carrier, carried: Carried): void {
    if (#carried in payload) payload.#carried = carried
    else new Carrier(payload as Uint8Array, carried)
  }

  static get (payload: Uint8Array | Carrier): Carried | undefined {
    return #carried in payload ? payload.#carried : undefined
  }
}

/** The payload that was asked about last in this turn of the event loop, and what it carries: the next question is mostly about the same, for another subscriber. */
let lastPayload: Uint8Array | undefined
let lastCarried: Carried | undefined

function forgetLast (): void {
  lastPayload = lastCarried = undefined
}

/** Let a message carry something. @param payload a Buffer of this message alone */
export function carry (payload: Uint8Array, carried: Carried): void {
  Carrier.set(payload, carried)
  if (payload === lastPayload) lastCarried = carried
}

/** A last will is published: from now on its time runs. */
export function beginLifetime (payload: Uint8Array | string): void {
  const carried = carriedBy(payload)
  if (carried?.lifetime !== undefined) carried.expiresAt = Date.now() + carried.lifetime * 1000
}

export function carryPublisher (payload: Uint8Array, publisher: string): void {
  const carried = carriedBy(payload)
  if (carried === undefined) carry(payload, { properties: none, retain: false, publisher })
  else carried.publisher = publisher
}

export function carriedBy (payload: Uint8Array | string): Carried | undefined {
  if (payload === lastPayload) return lastCarried
  if (typeof payload === 'string') return undefined
  if (lastPayload === undefined) setImmediate(forgetLast)
  lastPayload = payload
  return lastCarried = Carrier.get(payload)
}

/** Whether a message is no longer to be delivered. */
export function hasExpired (payload: Uint8Array | string): boolean {
  const expiresAt = carriedBy(payload)?.expiresAt
  return expiresAt !== undefined && expiresAt <= Date.now()
}

/** @returns the same payload for one client alone, whose subscriptions with these ids bring it */
export function withIds (payload: Uint8Array | string, ids: readonly number[]): Buffer {
  const own = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  carry(own, { properties: none, retain: false, ...carriedBy(payload), ids })
  return own
}

/** A payload that was copied carries what the original does. @returns the copy */
export function carryOver<P extends Uint8Array> (from: Uint8Array, copy: P): P {
  const carried = carriedBy(from)
  if (carried !== undefined && copy !== from) carry(copy, carried)
  return copy
}
