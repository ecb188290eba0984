import type { Hold } from '../broker/deliveries.ts'

/**
 * Turns of the event loop after which a message that was sent has reached the end of its wires. Node-RED takes one for each
 * wire; what a node on the way delays is not waited for.
 */
const wireTurns = 6

/** A message that is to be sent. */
export interface Parcel {
  msg: object
  /** Ends when the message has passed the wires. Absent: nobody would send the message again. */
  hold: Hold | undefined
  /** The message was sent, or could not be. Must not throw. */
  sent (error?: Error): void
}

export interface OutboxHandler {
  /** The node gets a message that its last instance could not deal with. */
  receive (msg: object): void
  send (msg: object): void
  /** @returns a copy that stays as it is whatever the flow does to the message */
  clone (msg: object): object
}

/**
 * What a node is to send, kept while nobody could get it. Node-RED drops what is sent to, by, or on the way to a node that a deploy
 * stops; so messages that are ready between the stop and the start of the flows wait, also for the node's next instance, and those
 * that were on a wire at the stop go a second time.
 */
export class Outbox {
  #handler: OutboxHandler | undefined
  #kept: Parcel[] = []
  #unread: Array<{ msg: object, lost: () => void }> = []
  /** What was sent in one turn. */
  #batch: Parcel[] | undefined
  /** Batches that may be on a wire. */
  #wires = new Set<Parcel[]>()
  #closed = false

  get attached (): boolean { return this.#handler !== undefined }

  /** Whether what is passed now is sent at once. */
  get isOpen (): boolean { return running && this.#handler !== undefined }

  attach (handler: OutboxHandler): void {
    this.#handler = handler
  }

  /** @param handler that goes; the next instance's stays */
  detach (handler: OutboxHandler): void {
    if (this.#handler === handler) this.#handler = undefined
  }

  pass (parcel: Parcel): void {
    if (this.#closed) end(parcel)
    else if (!running || this.#handler === undefined) this.#kept.push(parcel)
    else this.#send(parcel, this.#handler)
  }

  /**
   * Give a message to the next instance, as if it came then.
   * @param lost called when there is none
   */
  forward (msg: object, lost: () => void): void {
    if (this.#closed) lost()
    else this.#unread.push({ msg, lost })
  }

  /** The flows stop: what is on a wire is lost. */
  stop (): void {
    for (const batch of this.#wires) {
      for (const parcel of batch) {
        // Whoever sent it gives it another time, as it was when it came; the flow may have changed this one.
        if (parcel.hold !== undefined) parcel.hold.release()
        else this.#kept.push(parcel)
      }
    }
    this.#wires.clear()
    this.#batch = undefined
  }

  /** Everybody who is to get it is there. */
  start (): void {
    const handler = this.#handler
    for (const { msg } of this.#unread.splice(0)) handler?.receive(msg)
    if (handler !== undefined) for (const parcel of this.#kept.splice(0)) this.#send(parcel, handler)
  }

  /** Nobody will send what is kept. */
  close (): void {
    this.#closed = true
    this.#kept.splice(0).forEach(end)
    for (const { lost } of this.#unread.splice(0)) lost()
  }

  #send (parcel: Parcel, { send, clone }: OutboxHandler): void {
    const { msg, hold, sent } = parcel
    try {
      const copy = hold === undefined ? clone(msg) : msg
      send(msg)
      this.#onWire(hold === undefined ? { msg: copy, hold, sent: () => undefined } : parcel)
      sent()
    } catch (error) {
      // Node-RED may fail to clone a message.
      hold?.settle()
      sent(error as Error)
    }
  }

  #onWire (parcel: Parcel): void {
    if (this.#batch === undefined) {
      const batch: Parcel[] = this.#batch = []
      this.#wires.add(batch)
      this.#wait(batch, wireTurns)
    }
    this.#batch.push(parcel)
  }

  #wait (batch: Parcel[], turns: number): void {
    setImmediate(() => {
      if (this.#batch === batch) this.#batch = undefined
      if (turns > 1) return this.#wait(batch, turns - 1)
      if (this.#wires.delete(batch)) for (const { hold } of batch) hold?.settle()
    })
  }
}

function end ({ hold, sent }: Parcel): void {
  hold?.settle()
  sent()
}

const outboxes = new Map<string, Outbox>()
/** Whether all nodes of the flows are there. */
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

/** The flows run again, or will not soon: what no node took up is over. */
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
