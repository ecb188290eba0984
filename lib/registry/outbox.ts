import type { Claim } from '../intake/pending-deliveries.ts'
import { Travel, type Watched } from './travel.ts'

/** Turns of the event loop for which the publisher of a message waits after it was sent. Node-RED takes one turn for each wire. */
const wireTurns = 6
/** The most bytes of messages that are still on a wire after their publishers stopped waiting. */
const mostTravelling = 8_000_000

/** A message that is to be sent. */
export interface Parcel {
  msg: object
  /** Settled when the message has passed the wires. Undefined: nobody would send the message again. */
  claim: Claim | undefined
  /** The message was sent, or could not be. Must not throw. */
  sent (error?: Error): void
}

export interface OutboxHandler {
  /** The node gets a message that its last instance could not handle. */
  receive (msg: object): void
  send (msg: object): void
  /** @returns a copy that stays as it is whatever the flow does to the message */
  clone (msg: object): object
}

/** Messages that were sent in one turn, and may be on a wire. */
interface Batch {
  messages: Array<Pick<Parcel, 'claim'> & { copy?: object }>
  watched: Watched | undefined
  /** Of the copies, once their publishers stopped waiting. */
  bytes: number
}

/**
 * What a node is to send, kept while nobody can receive it. Node-RED drops messages that are sent to or by a node that a deploy stops,
 * or on the way to it. So messages that are ready between the stop and the start of the flows wait, for the node's next instance as
 * well, and those that were on a wire at the stop are sent again. Where a flow takes longer than the publisher waits, copies are kept.
 */
export class Outbox {
  #handler: OutboxHandler | undefined
  #kept: Parcel[] = []
  #unread: Array<{ msg: object, lost: () => void }> = []
  /** The batch of this turn. */
  #batch: Batch | undefined
  /** Batches that may be on a wire. */
  #wires = new Set<Batch>()
  #travel = new Travel()
  /** Of all copies whose publishers stopped waiting. */
  #bytes = 0
  #closed = false

  get attached (): boolean { return this.#handler !== undefined }

  /** Whether a message that is passed now is sent at once. */
  get isOpen (): boolean { return running && this.#handler !== undefined }

  attach (handler: OutboxHandler): void {
    this.#handler = handler
  }

  /** @param handler the one that goes; that of the next instance stays */
  detach (handler: OutboxHandler): void {
    if (this.#handler === handler) this.#handler = undefined
  }

  pass (parcel: Parcel): void {
    if (this.#closed) end(parcel)
    else if (!running || this.#handler === undefined) this.#kept.push(parcel)
    else this.#send(parcel, this.#handler)
  }

  /**
   * Give a message to the node's next instance.
   * @param lost called when there is no next instance
   */
  forward (msg: object, lost: () => void): void {
    if (this.#closed) lost()
    else this.#unread.push({ msg, lost })
  }

  /** The flows stop: what is on a wire is lost. */
  stop (): void {
    for (const { messages } of this.#wires) {
      for (const { claim, copy } of messages) {
        // The intake sends it again, as it was when it came; the flow may have changed this one.
        if (claim !== undefined) claim.release()
        else if (copy !== undefined) this.#kept.push({ msg: copy, claim: undefined, sent: nothing })
      }
    }
    this.#wires.clear()
    this.#batch = undefined
    this.#bytes = 0
    this.#travel.interrupt()
  }

  /** The flows run. */
  start (): void {
    const handler = this.#handler
    for (const { msg } of this.#unread.splice(0)) handler?.receive(msg)
    if (handler !== undefined) for (const parcel of this.#kept.splice(0)) this.#send(parcel, handler)
  }

  /** There is no next instance. */
  close (): void {
    this.#closed = true
    this.#kept.splice(0).forEach(end)
    for (const { lost } of this.#unread.splice(0)) lost()
  }

  #send (parcel: Parcel, { send, clone }: OutboxHandler): void {
    const { msg, claim, sent } = parcel
    try {
      const copy = claim === undefined || this.#travel.ms > 0 ? clone(msg) : undefined
      send(msg)
      this.#onWire(copy === undefined ? parcel : { claim, copy }, msg)
      sent()
    } catch (error) {
      // Node-RED may fail to clone a message.
      claim?.settle()
      sent(error as Error)
    }
  }

  #onWire (message: Batch['messages'][number], msg: object): void {
    if (this.#batch === undefined) {
      const batch: Batch = this.#batch = { messages: [], watched: this.#travel.sent((msg as { _msgid?: unknown })._msgid), bytes: 0 }
      this.#wires.add(batch)
      this.#wait(batch, wireTurns)
    }
    this.#batch.messages.push(message)
  }

  #wait (batch: Batch, turns: number): void {
    setImmediate(() => {
      if (this.#batch === batch) this.#batch = undefined
      if (turns > 1) return this.#wait(batch, turns - 1)
      if (!this.#wires.has(batch)) return
      if (batch.watched !== undefined) batch.watched.late = true
      this.#settle(batch)
    })
  }

  /** The publishers are acknowledged. */
  #settle (batch: Batch): void {
    const { ms } = this.#travel
    for (const message of batch.messages) {
      if (ms > 0 && message.copy !== undefined) batch.bytes += message.claim?.bytes ?? bytesOf(message.copy)
      message.claim?.settle()
      message.claim = undefined
    }
    if (batch.bytes === 0) return void this.#wires.delete(batch)
    this.#bytes += batch.bytes
    setTimeout(() => { this.#forget(batch) }, ms * 1.5 + 100).unref()
    for (const oldest of this.#wires) {
      if (this.#bytes <= mostTravelling) break
      this.#forget(oldest)
    }
  }

  #forget (batch: Batch): void {
    if (this.#wires.delete(batch)) this.#bytes -= batch.bytes
  }
}

function nothing (): void {}

/** An estimate, rather too high. */
function bytesOf (msg: object): number {
  return 8 * JSON.stringify((msg as { payload?: unknown }).payload ?? '').length
}

function end ({ claim, sent }: Parcel): void {
  claim?.settle()
  sent()
}

const outboxes = new Map<string, Outbox>()
/** Whether all nodes of the flows are running. */
let running = false

/** The outbox of a node, which waits for the node's next instance when this one goes. */
export function attachOutbox (nodeId: string, handler: OutboxHandler): Outbox {
  let outbox = outboxes.get(nodeId)
  if (outbox === undefined) {
    outbox = new Outbox()
    outboxes.set(nodeId, outbox)
  }
  outbox.attach(handler)
  return outbox
}

/** Nodes are about to be stopped. */
export function stopOutboxes (): void {
  running = false
  for (const outbox of outboxes.values()) outbox.stop()
}

/** The flows run again, or will not run soon: closes the outboxes that have no node. */
export function startOutboxes (): void {
  running = true
  for (const [nodeId, outbox] of outboxes) {
    if (outbox.attached) {
      outbox.start()
    } else {
      outboxes.delete(nodeId)
      outbox.close()
    }
  }
}
