import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { IClientPublishOptions, MqttClient } from 'mqtt'
import type { Delivered } from '../broker/publication.ts'
import { PlatziverseError } from '../errors.ts'
import { kindOf } from '../messages/topics.ts'
import { tooLarge } from '../mqtt/link/faults.ts'
import { isTaken, publishSize, refusalOf } from '../mqtt/link/publish-answer.ts'
import { toPacket } from '../mqtt/link/packet-properties.ts'
import { BridgeBuffer, type Unsent } from './buffer.ts'
import type { BridgeContext } from './context.ts'
import { patienceWith } from './loops.ts'
import { problemOf } from './problems.ts'
import { isGivenUp } from './refusal-watch.ts'
import { termsOf, usualWindow, type Terms } from './terms.ts'
import { lowerQos } from './topics.ts'

/** Characters of a topic in what is reported. */
const mostShown = 200
/** Ms after the SUBACK for the other broker's retained messages to arrive: some brokers send them later. */
const retainedDelay = 1000

/** What this broker publishes, on its way to the other one; kept until the other one acknowledged it. */
export class Outward {
  readonly #bridge: BridgeContext
  readonly #buffer: BridgeBuffer
  #subscriptions: Array<() => void> = []
  /** Undefined while there is no connection. */
  #client: MqttClient | undefined
  /** Of the current connection. */
  #terms = termsOf()
  /** Ends with the current connection. */
  #connection = new AbortController()
  /** Topics whose retained messages the other broker is still to get. */
  #due = new Set<string>()
  #pumping = false
  /** Called when the buffer is empty. */
  #drained = new Set<() => void>()
  /** Called when there is room in the window. */
  #roomed: (() => void) | undefined

  /** @param backlog what another bridge of these options left unsent */
  constructor (bridge: BridgeContext, backlog: Unsent[]) {
    this.#bridge = bridge
    this.#buffer = new BridgeBuffer(bridge.settings.buffer, usualWindow)
    for (const message of backlog) this.#keep(message)
  }

  /** Messages that the other broker did not acknowledge yet. */
  get buffered (): number { return this.#buffer.size }

  /** Their bytes. */
  get bytes (): number { return this.#buffer.bytes }

  unsent (): Unsent[] {
    return this.#buffer.all()
  }

  /** Resolves the next time that nothing waits for the other broker. */
  drained (): Promise<void> {
    return new Promise(resolve => { this.#drained.add(resolve) })
  }

  /** Gather what this broker publishes from now on, until `stop`. */
  start (): void {
    const { local, settings } = this.#bridge
    this.#subscriptions = settings.topics.local.map(({ filter }, i) => local.subscribe(filter, message => { this.#published(i, message) }))
  }

  /** Gather nothing more; what is gathered is sent all the same. */
  stop (): void {
    this.#connection.abort()
    for (const end of this.#subscriptions) end()
  }

  /** Send what an earlier bridge left before anything that waits here. */
  prepend (unsent: Unsent[]): void {
    this.#buffer.prepend(unsent)
  }

  connected (client: MqttClient, terms: Terms): void {
    this.#client = client
    this.#terms = terms
    this.#buffer.window = terms.window
    this.#connection = new AbortController()
  }

  disconnected (): void {
    this.#client = undefined
    this.#connection.abort()
  }

  /** Send what waits, as far as the window reaches. */
  pump (): void {
    const client = this.#client
    if (this.#pumping || client === undefined) return
    this.#pumping = true
    try {
      // A client that is being ended refuses at once, which puts the message back: it would be the next one again.
      while (client.connected && !client.disconnecting && this.#client === client) {
        const message = this.#buffer.take()
        if (message === undefined) break
        this.#send(client, message)
      }
    } finally {
      this.#pumping = false
    }
  }

  /**
   * After each connection the other broker gets what is retained here, as Mosquitto's bridges do it: it may have missed all of it.
   * Topics that also come from there are left out where it kept the session: what changed while the two were apart is on its way
   * in both directions, and an older value would undo it. The three topics of agents are left out, too: MQTT has no way to say over
   * there that it is old, so each connection would make news of it.
   */
  sendRetained (sessionPresent: boolean): void {
    const { local, settings: { topics }, origin: here, problems } = this.#bridge
    const { signal } = this.#connection
    const due = this.#due = new Set<string>()
    const send = async (): Promise<void> => {
      // Where both brokers retain a topic, the other one's value stays: else they would swap values.
      if (!sessionPresent && topics.remote.length > 0) await pause(retainedDelay, undefined, { signal })
      let read = 0
      for await (const { topic, origin } of local.retained(topics.local.map(({ filter }) => filter), signal)) {
        // Reading never waits: without a pause nothing else would get its turn.
        if (++read % 500 === 0) await nextTurn()
        const target = topics.outward(topic)
        if (target === undefined || origin === here || kindOf(topic) !== undefined || kindOf(target.topic) !== undefined) continue
        if (!sessionPresent || topics.inward(target.topic) === undefined) due.add(topic)
      }
      for (const topic of due) {
        // Messages that are published meanwhile go first, and find as much room in the buffer as without this.
        while (this.#buffer.size >= usualWindow && !signal.aborted) await new Promise<void>(resolve => { this.#roomed = resolve })
        for await (const message of local.retained([topic], signal)) {
          if (!signal.aborted && due.delete(topic)) this.#carry(message)
        }
        if (signal.aborted) return
      }
    }
    send().catch((error: unknown) => { if (!signal.aborted) problems.always(problemOf(error as Error)) })
  }

  /** This broker published a message. @param i of the subscription that brought it */
  #published (i: number, message: Delivered): void {
    if (!this.#bridge.settings.topics.isFirst(i, message.topic)) return
    if (message.retain) this.#due.delete(message.topic)
    this.#carry(message)
  }

  #carry ({ topic, payload, qos, retain, clientId, origin, properties }: Delivered): void {
    const { settings, loops, mark } = this.#bridge
    const target = settings.topics.outward(topic)
    if (target === undefined || origin === this.#bridge.origin) return
    if (mark.isOn(properties) || loops.leaves(target.topic, payload, origin ?? clientId ?? '', patienceWith(topic))) return this.#bridge.circled(topic)
    // The payload is a part of what its socket read at once, and would keep all of that in memory.
    const own = { topic: target.topic, payload: Buffer.from(payload), qos: lowerQos(qos, target.qos), retain }
    if (properties === undefined) return this.#keep(own)
    const { messageExpiry, ...others } = properties
    this.#keep({ ...own, properties: others, ...messageExpiry === undefined ? {} : { expiresAt: Date.now() + messageExpiry * 1000 } })
  }

  #keep (message: Unsent): void {
    const isLost = message.qos === 0 && this.#client === undefined
    if (!isLost && this.#buffer.add(message)) return this.pump()
    this.#bridge.counters.dropped++
    if (isLost) return
    this.#bridge.problems.report('buffer', new PlatziverseError('BRIDGE_BUFFER_FULL', `${this.#buffer.size} messages wait for the other broker.`))
  }

  /** The other broker does not take a message. @param cause of which one is told once */
  #refused (cause: string | number, detail: string): void {
    this.#bridge.problems.report(`remote ${cause}`, new PlatziverseError('BRIDGE_REMOTE_REFUSED', detail))
  }

  #send (client: MqttClient, message: Unsent): void {
    const { way, settings, loops, counters } = this.#bridge
    const { topic, payload, qos } = message
    const options = this.#optionsOf(message)
    if (options === undefined) {
      counters.dropped++
      return this.#ended(message)
    }
    if (way.hearsItself && settings.topics.inward(topic) !== undefined) loops.echoes(topic, payload)
    client.publish(topic, payload, options, (error, answer) => {
      const isTakenThere = isTaken(error, answer)
      const refusal = refusalOf(error, answer)
      const isHungUpOn = error instanceof Error && isGivenUp(error)
      if (!isTakenThere && qos > 0 && refusal === undefined && !isHungUpOn) return this.#buffer.putBack(message)
      const shown = JSON.stringify(topic.slice(0, mostShown))
      if (refusal !== undefined) this.#refused((error as { code?: number }).code ?? '', `The other broker refused a message on ${shown}: ${refusal}.`)
      if (isHungUpOn) this.#refused('hangs up', `The broker ended the connection each time that it was given a message on ${shown}.`)
      if (isTakenThere) counters.sent++
      else counters.dropped++
      this.#ended(message)
      this.pump()
    })
  }

  /** How a message is published so that the other broker takes it. @returns undefined: it never does, or nobody wants it any more */
  #optionsOf ({ topic, payload, qos, retain, properties, expiresAt }: Unsent): IClientPublishOptions | undefined {
    const { way, mark } = this.#bridge
    const left = expiresAt === undefined ? undefined : Math.ceil((expiresAt - Date.now()) / 1000)
    if (left !== undefined && left <= 0) return undefined
    if (way.version === 4) return { qos, retain }
    const terms = this.#terms
    const packet = toPacket(mark.on({ ...properties, ...left === undefined ? {} : { messageExpiry: left } }))
    const options = { qos: lowerQos(qos, terms.qos), retain: retain && terms.retain, properties: packet }
    const bytes = terms.packetSize === Infinity ? 0 : publishSize({ topic, payload, ...options })
    if (bytes <= terms.packetSize) return options
    this.#refused('size', tooLarge({ topic, bytes }, terms.packetSize).detail)
    return undefined
  }

  /** It is acknowledged, or is not sent again. */
  #ended (message: Unsent): void {
    this.#buffer.remove(message)
    if (this.#buffer.size < usualWindow) this.#roomed?.()
    if (this.#buffer.size > 0) return
    this.#bridge.problems.solved('buffer')
    for (const drained of this.#drained) drained()
    this.#drained.clear()
  }
}
