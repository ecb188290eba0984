import { setTimeout as pause } from 'node:timers/promises'
import type { IClientSubscribeOptions, IPublishPacket, MqttClient } from 'mqtt'
import type { OutgoingPublication } from '../broker/publication.ts'
import { PlatziverseError, reasonOf } from '../errors.ts'
import { topicProblem } from '../messages/topic-template.ts'
import { kindOf } from '../messages/topics.ts'
import { fromPacket } from '../mqtt/link/packet-properties.ts'
import type { BridgeContext } from './context.ts'
import { patienceWith } from './loops.ts'
import type { Way } from './options.ts'
import { problemOf } from './problems.ts'
import { lowerQos } from './topics.ts'

/** Ms between attempts to publish a message here, and how many before it is dropped; a broker that is away is waited for. */
const localRetry = 200
const localAttempts = 3
/** Ms before the next attempt with a message that agent-in took and nobody stored. */
const unsettledRetry = 2000
/** Ms after subscribing in which the other broker sends what it had retained. */
const replayTime = 10_000

/** What the other broker publishes, on its way to this one; acknowledged once this one took it. */
export class Inward {
  readonly #bridge: BridgeContext
  /** How this process subscribed in the other broker's current session; undefined: it did not yet. */
  #subscribed: Way | undefined
  /** Packet ids of messages of QoS 2 that were taken, until the other broker releases them. */
  #taken: Set<number> = new Set()
  /** Topics of the other broker that are taken or read here, and on which something came since this process subscribed in a new session. */
  #heard: Set<string> = new Set()
  /** Until when, by the monotonic clock, the other broker may send what it had retained. */
  #replayUntil = 0

  constructor (bridge: BridgeContext) {
    this.#bridge = bridge
  }

  /** Packet ids of messages of QoS 2 that were taken, though the other broker does not know it yet. */
  get taken (): ReadonlySet<number> { return this.#taken }

  /** Go on in the session of an earlier bridge. */
  resume (taken: ReadonlySet<number>): void {
    this.#taken = new Set(taken)
  }

  /**
   * Take what comes over a client's connections.
   *
   * MQTT.js acknowledges a message when `handleMessage` calls back (README, "mqtt.Client#handleMessage"). For QoS 2 it calls
   * that at PUBREL, which is too late: since PUBREC this broker is responsible for the message.
   */
  receiveFrom (client: MqttClient): void {
    client.on('packetreceive', packet => { if (packet.cmd === 'pubrel') this.#taken.delete(packet.messageId ?? 0) })
    // MQTT.js accepts this as an option for MQTT 5 alone, and yet calls it for every version, before PUBREC.
    client.options.customHandleAcks = (_topic, _payload, packet, done) => {
      const { qos, messageId = 0 } = packet as IPublishPacket
      if (qos < 2 || this.#taken.has(messageId)) return done(0)
      this.#receive(client, packet as IPublishPacket, () => {
        this.#taken.add(messageId)
        done(0)
      })
    }
    client.handleMessage = (packet, done) => {
      if (packet.qos === 2) done()
      else this.#receive(client, packet, done)
    }
  }

  /**
   * A connection is open: subscribe, unless there is nothing to subscribe to or the session still has the subscriptions.
   * @param done called once the other broker answered, or at once where it is not asked
   */
  connected (client: MqttClient, sessionPresent: boolean, done: () => void): void {
    if (this.#bridge.settings.topics.remote.length > 0 && !(sessionPresent && this.#subscribed === this.#bridge.way)) this.#subscribe(client, sessionPresent, done)
    else done()
  }

  /** The other broker began a new session. */
  sessionLost (): void {
    this.#taken.clear()
  }

  #subscribe (client: MqttClient, sessionPresent: boolean, done: () => void): void {
    const { settings, problems, way } = this.#bridge
    this.#heard.clear()
    // In a session that was kept, what came meanwhile comes first, and cannot be told from what was retained: nothing of it may be lost.
    this.#replayUntil = sessionPresent ? 0 : performance.now() + replayTime
    const wanted: Record<string, IClientSubscribeOptions> = {}
    // Of MQTT 5: nothing comes back, and the flag retain stays as it was set.
    for (const { filter, qos } of settings.topics.remote) wanted[filter] = { qos, nl: true, rap: true, rh: 0 }
    client.subscribe(wanted, error => {
      // Without a SUBACK the connection ended before it; the next one subscribes again.
      const granted = error ? (error as { packet?: { granted: number[] } }).packet?.granted : []
      if (granted === undefined) return
      this.#subscribed = way
      const refused = Object.keys(wanted).filter((_, i) => (granted[i] ?? 0) >= 128)
      if (refused.length === 0) problems.solved('subscription')
      else problems.report('subscription', new PlatziverseError('BRIDGE_SUBSCRIPTION_REFUSED', `Refused: ${refused.join(', ')}.`))
      done()
    })
  }

  /** The other broker sent a message, which `done` acknowledges. */
  #receive (client: MqttClient, packet: IPublishPacket, done: () => void): void {
    const { stream } = client
    const isCurrent = (): boolean => client.stream === stream && client.connected
    this.#take(packet, isCurrent).then(() => {
      // A later connection has its own deliveries to acknowledge.
      if (isCurrent()) done()
    }, (error: unknown) => { this.#bridge.problems.always(problemOf(error as Error)) })
  }

  /** Resolves when this broker took the message, or nobody wants it any more. */
  async #take ({ topic, payload, qos, retain, properties: packetProperties }: IPublishPacket, isWanted: () => boolean): Promise<void> {
    const { local, settings, origin, loops, mark, counters, problems } = this.#bridge
    const target = settings.topics.inward(topic)
    // A session of earlier options may still be subscribed to more.
    if (target === undefined) return
    const problem = topicProblem(target.topic)
    if (problem !== undefined) return this.#drop(problem)
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    const properties = fromPacket(packetProperties)
    if (mark.isOn(properties) || loops.returns(topic, bytes, patienceWith(target.topic))) return this.#bridge.circled(topic)
    const isOfAgents = kindOf(target.topic) !== undefined
    const isOld = (isOfAgents || local.reads?.(target.topic) === true) && this.#isReplayed(topic, retain)
    const publication: OutgoingPublication = {
      topic: target.topic,
      payload: bytes,
      qos: lowerQos(qos, target.qos),
      retain,
      replayed: isOld && isOfAgents,
      retainedBefore: isOld && !isOfAgents,
      properties: mark.on(properties)
    }
    for (let attempt = 1; isWanted(); attempt++) {
      try {
        await local.publish(publication, origin)
        counters.received++
        problems.solved('local')
        return
      } catch (error) {
        const code = error instanceof PlatziverseError ? error.code : undefined
        if (code === 'BROKER_MISSING' || code === 'DELIVERY_UNSETTLED') problems.report('local', error as PlatziverseError)
        else if (code === 'PUBLISH_FORBIDDEN' || attempt === localAttempts) return this.#drop(`${reasonOf(error)}.`, error)
        await pause(code === 'DELIVERY_UNSETTLED' ? unsettledRetry : localRetry)
      }
    }
  }

  #drop (detail: string, cause?: unknown): void {
    this.#bridge.counters.dropped++
    this.#bridge.problems.report('local', new PlatziverseError('BRIDGE_LOCAL_REFUSED', detail, { cause }))
  }

  /** To a bridge, Mosquitto marks what it retained and what is retained from now on alike; but what it had comes first, once, and soon. */
  #isReplayed (topic: string, retain: boolean): boolean {
    if (performance.now() > this.#replayUntil || this.#heard.has(topic)) return false
    this.#heard.add(topic)
    return retain
  }
}
