import type { AgentOwnership, Connection, Ownership, Publication, Publisher, Settle, Taker } from '../broker/broker.ts'
import { PlatziverseError } from '../errors.ts'
import { fingerprint, nextSeq } from '../messages/fingerprint.ts'
import type { BadMetric } from '../messages/metrics.ts'
import { NearTopics } from '../messages/near-topics.ts'
import { parse, type Message, type RejectReason, type Notice, type Rules } from '../messages/parse.ts'
import { kindOf, topics } from '../messages/topics.ts'
import { mostUnfolded, weigh, type Weight } from '../messages/weigh.ts'
import { InFlightWindow, type InFlightLimits } from './in-flight-window.ts'
import { addUnsettled, endDelivery, hasStrayed, nextDeliveryId, unsettledOf, type Delivery, type Unsettled } from './pending-deliveries.ts'
import { Presence } from './presence.ts'

export interface IntakeOptions {
  /** When the publisher is acknowledged: once a store said so, or on arrival. */
  acknowledge: 'stored' | 'arrival'
  /** ms that a delivery may wait until somebody takes it to store it. */
  timeLimit: number
  /** Most unsettled deliveries of one client. */
  clientWindow: number
  /** Most unsettled deliveries in all. */
  totalWindow: number
  /** Most bytes of memory that the unsettled deliveries of one client take; absent: 8 MB. */
  clientBytes?: number
  /** … and all of them together; absent: 64 MB. */
  totalBytes?: number
  /** What messages have to keep to beyond the contract; absent: nothing. */
  rules?: Rules
}

export interface Rejected {
  topic: string
  /** The original bytes as text. */
  payload: string
  reason: RejectReason
  detail: string
  /** Of a metric that alone was left out: its place in `metrics`. The rest of the message went on. */
  index?: number
}

/** `unit`: a time in another unit than ms; `receipt`: the time of receipt in its place; `topic`: nearly one of the three topics. */
export type NoticeKind = 'unit' | 'receipt' | 'topic'

/** Who gets what an intake takes. None of these may throw. */
export interface IntakeHandler {
  message (message: Message, delivery: Delivery): void
  rejected (rejected: Rejected, delivery: Delivery): void
  /** `count` deliveries found nobody within the time limit and were not acknowledged; these two are of one of them. */
  /** Something that a sender should mend, and that goes on all the same. */
  noticed? (kind: NoticeKind, detail: string, clientId: string): void
  unsettled (error: PlatziverseError, count: number, message: Message, delivery: Delivery): void
}

export interface IntakeStatistics {
  /** Agents connected now. */
  agents: number
  /** Messages taken off the broker that keep to the contract. */
  messages: number
  rejected: number
  /** Metrics that were left out of messages. */
  rejectedMetrics: number
  /** Times that were in another unit than ms. */
  timesConverted: number
  /** Times that the time of receipt replaced. */
  timesReplaced: number
  /** Topics that are nearly one of the three. */
  nearTopics: number
  /** Deliveries that somebody still has to settle. */
  unsettled: number
  /** Publications that wait for room in the window; their sockets are not read meanwhile. */
  waiting: number
  /** Deliveries that nobody stored within the time limit. */
  timedOut: number
  /** Waiting publications of clients that went, and that were not kept. */
  abandoned: number
}

/** With what was published: a flow may change what it is given, and is given the same once more. */
type Entry = Unsettled & { source: Buffer | Message, topic: string, rules: Rules | undefined }

/** What a client is told that may not speak for an agent. */
const refusals: Record<Exclude<Ownership, 'theirs'>, Pick<Rejected, 'reason' | 'detail'>> = {
  another: { reason: 'AGENT_NOT_THEIRS', detail: 'The user may not speak for this agent.' },
  tooMany: { reason: 'AGENTS_TOO_MANY', detail: 'The user, or all anonymous clients together, speak for as many agents as the limit agentsPerUser allows.' }
}

const removed = new Error('agent-in was removed')
const abandoned = new Error('its client went before its turn came')
const sweepEvery = 1_000
/** How much of what waits from clients that went is kept, and for how many ms. */
const mostKept = 10_000
const longestKept = 300_000
/** The window's source for what the intake itself says. */
const itself = 0
/** What a goodbye takes that the intake itself says, and how many it says in one turn of the event loop. */
const goodbyeBytes = 1_000
const goodbyesPerTurn = 100

/** What is to be said for an agent; UTC ms. */
interface Goodbye { connection: Connection, receivedAt: number }

/** A publication's turn in the window. */
interface Turn {
  source: number
  bytes: number
  qos: number
  settle: Settle
}

/**
 * Takes the three topics off a broker for one agent-in: checks each message, tracks presence, hands it on, and keeps
 * the publisher waiting until the delivery is settled. It outlives the node: without a handler everything waits.
 */
export class Intake implements Taker {
  #handler: IntakeHandler | undefined
  #options: IntakeOptions
  #window: InFlightWindow
  #presence = new Presence()
  /** Agents whose client went, and whose goodbye is not said yet. */
  #goodbyes = new Map<string, Goodbye>()
  /** Goes through them, as long as there are any: to begin anew for each would pass by all that were said. */
  #saying: Iterator<[string, Goodbye]> | undefined
  #nearTopics = new NearTopics()
  #owners: () => AgentOwnership
  #unsettled = 0
  #sweep: NodeJS.Timeout | undefined
  #closed = false
  #counters = { messages: 0, rejected: 0, rejectedMetrics: 0, timesConverted: 0, timesReplaced: 0, nearTopics: 0, timedOut: 0, abandoned: 0 }

  /** @param owners which user each agent belongs to, as the broker knows it now */
  constructor (options: IntakeOptions, owners: () => AgentOwnership) {
    this.#options = options
    this.#owners = owners
    this.#window = new InFlightWindow(limitsOf(options))
    this.#window.pause()
  }

  get attached (): boolean { return this.#handler !== undefined }

  statistics (): IntakeStatistics {
    return { agents: this.#presence.size, unsettled: this.#unsettled, waiting: this.#window.waiting, ...this.#counters }
  }

  /** Hand everything to `handler` from now on, first of all what is still unsettled. */
  attach (handler: IntakeHandler, options: IntakeOptions): void {
    this.#handler = handler
    this.#options = options
    this.#window.limits = limitsOf(options)
    clearInterval(this.#sweep)
    this.#sweep = setInterval(() => { this.#timeOut() }, Math.min(sweepEvery, options.timeLimit)).unref()
    this.resend(performance.now())
    this.#window.resume()
  }

  /** Let everything wait until the next `attach`. */
  detach (): void {
    this.#handler = undefined
    this.#window.pause()
    clearInterval(this.#sweep)
  }

  /** End for good: what no store has in its hands is not acknowledged. */
  close (): void {
    this.detach()
    this.#closed = true
    this.#goodbyes.clear()
    for (const entry of unsettledOf(this)) if (entry.holds === 0) endDelivery(entry, removed)
    this.#window.resume()
  }

  /** Send what was sent before `before` (ms of `performance.now()`) and is in nobody's hands once more: a deploy may have lost it on its way. */
  resend (before: number): void {
    for (const entry of unsettledOf(this) as Entry[]) {
      if (entry.holds > 0 || entry.since >= before) continue
      entry.since = performance.now()
      entry.last = undefined
      this.#handler?.message(messageOf(entry), entry.delivery)
    }
  }

  takes (topic: string): boolean {
    return kindOf(topic) !== undefined
  }

  passes (topic: string, clientId: string): void {
    const meant = this.#nearTopics.look(topic)
    if (meant === undefined) return
    this.#counters.nearTopics++
    this.#handler?.noticed?.('topic', `The topic ${JSON.stringify(topic)} is not ${meant}: what comes on it goes to subscribers, and is not stored.`, clientId)
  }

  take (publication: Publication, settle: Settle): void {
    const receivedAt = publication.receivedAt ??= Date.now()
    const source = publication.connection?.number ?? itself
    const weight = weigh(publication.payload)
    // What will be rejected for its size is never unfolded.
    const bytes = weight.bytes > mostUnfolded ? publication.payload.length : weight.bytes
    const turn = { source, bytes, qos: publication.qos, settle }
    if (this.#window.tryEnter(source, bytes)) this.#process(publication, weight, receivedAt, turn)
    else this.#window.wait(source, () => { this.#process(publication, weight, receivedAt, turn) }, () => { this.#abandon(publication, settle) }, bytes, publication.qos > 0 && !publication.will)
  }

  gone (connection: Connection, comesBack = true): void {
    this.#window.forget(connection.number, comesBack)
    // Its agents went after their last message.
    if (this.#window.waits(connection.number)) return
    const goodbye = { connection, receivedAt: Date.now() }
    for (const uuid of this.#presence.gone(connection)) this.#goodbyes.set(uuid, goodbye)
    if (this.#saying === undefined) this.#sayGoodbyes()
  }

  #abandon ({ connection }: Publication, settle: Settle): void {
    this.#counters.abandoned++
    settle(abandoned)
    if (connection !== undefined) this.gone(connection)
  }

  #process (publication: Publication, weight: Weight, receivedAt: number, turn: Turn): void {
    this.#pass(publication, weight, receivedAt, turn)
    if (publication.connection?.gone === true) this.gone(publication.connection)
  }

  #pass (publication: Publication, weight: Weight, receivedAt: number, turn: Turn): void {
    const { connection, publisher = connection, will, topic, qos, retain } = publication
    if (this.#closed) return this.#settle(turn, removed)
    const delivery: Delivery = { id: '', clientId: publisher?.clientId ?? '', username: publisher?.username, qos, retain, receivedAt }
    if (connection?.origin !== undefined) delivery.origin = connection.origin
    const parsed = parse(topic, publication.payload, receivedAt, weight, this.#options.rules)
    if (!parsed.ok) {
      this.#reject(publication, [parsed], delivery)
      return this.#settle(turn)
    }
    const { message } = parsed
    const { uuid } = message.payload.agent
    const claim = this.#claim(message, publisher, connection)
    if (claim !== 'theirs') {
      this.#reject(publication, [refusals[claim]], delivery)
      return this.#settle(turn)
    }
    this.#counters.messages++
    if (message.kind === 'disconnected') {
      if (!this.#presence.saysGoodbye(uuid, connection, will)) return this.#settle(turn)
      this.#goodbyes.delete(uuid)
    } else if (connection !== undefined && this.#presence.heard(uuid, connection)) {
      // It would come after what the agent says now.
      this.#goodbyes.delete(uuid)
    }
    if (message.kind === 'message' && message.payload.seq === undefined) {
      // Also in the payload, where it stays whatever the flow does with the rest, and where the next platform finds it.
      if (parsed.untimed) message.payload.seq = delivery.fingerprint = publication.seq ??= nextSeq()
      // Of the bytes, which every redelivery repeats, whatever the flow makes of the message before it is stored.
      else delivery.fingerprint = fingerprint(publication.payload)
    }
    if (parsed.bad.length > 0) this.#reject(publication, parsed.bad, delivery)
    if (parsed.notice !== undefined) this.#notice(parsed.notice, delivery.clientId)
    this.#send(message, delivery, turn, publication.payload)
  }

  #notice ({ kind, detail }: Notice, clientId: string): void {
    if (kind === 'receipt') this.#counters.timesReplaced++
    else this.#counters.timesConverted++
    this.#handler?.noticed?.(kind === 'receipt' ? kind : 'unit', detail, clientId)
  }

  /** Report why a message, or some of its metrics, go no further. */
  #reject ({ topic, payload }: Publication, causes: Array<Pick<Rejected, 'reason' | 'detail'> & Partial<Pick<BadMetric, 'index' | 'more'>>>, delivery: Delivery): void {
    const text = payload.toString()
    for (const { reason, detail, index, more = 0 } of causes) {
      if (index === undefined) this.#counters.rejected++
      else this.#counters.rejectedMetrics += 1 + more
      this.#handler?.rejected({ topic, payload: text, reason, detail, ...index === undefined ? {} : { index } }, { ...delivery, id: nextDeliveryId() })
    }
  }

  /** Whether somebody may speak for an agent: a user for one that carries the user's name or none, and anybody for none that is another user's. */
  #claim ({ kind, payload: { agent } }: Message, publisher: Publisher | undefined, connection: Connection | undefined): Ownership {
    const username = publisher?.verified === true ? publisher.username ?? '' : undefined
    // A goodbye makes nobody an owner: anybody can say one for agents that are not there.
    if (kind === 'disconnected') return this.#owners().mayEnd(agent.uuid, username) === false ? 'another' : 'theirs'
    if (username !== undefined && 'username' in agent && agent.username !== undefined && agent.username !== username) return 'another'
    const owners = this.#owners()
    const claim = owners.claim(agent.uuid, username)
    return claim === 'theirs' && connection !== undefined && !this.#presence.hasRoomFor(agent.uuid, connection, owners.mostPerUser) ? 'tooMany' : claim
  }

  #send (message: Message, delivery: Delivery, turn: Turn, payload: Buffer | Message): void {
    if (this.#options.acknowledge === 'arrival') {
      delivery.id = nextDeliveryId()
      this.#settle(turn)
    } else {
      this.#unsettled++
      const end = (error?: Error): void => {
        this.#unsettled--
        this.#settle(turn, error)
      }
      const entry: Entry = { delivery, owner: this, since: performance.now(), holds: 0, bytes: turn.bytes, topic: message.topic, source: payload, rules: this.#options.rules, end }
      addUnsettled(entry)
    }
    this.#handler?.message(message, delivery)
  }

  #settle ({ source, bytes, qos, settle }: Turn, error?: Error): void {
    this.#window.leave(source, bytes)
    // QoS 0 expects no acknowledgement: hanging up on its sender would help nobody.
    settle(qos === 0 ? undefined : error)
  }

  /** Say for agents that their clients went, while there is room, some in each turn of the event loop: a client may have a hundred thousand. */
  #sayGoodbyes (): void {
    this.#saying ??= this.#goodbyes.entries()
    for (let said = 0; this.#goodbyes.size > 0; said++) {
      if (said === goodbyesPerTurn) return void setImmediate(() => { this.#sayGoodbyes() })
      if (!this.#window.tryEnter(itself, goodbyeBytes)) {
        this.#window.wait(itself, () => {
          this.#sayGoodbye()
          this.#sayGoodbyes()
        }, undefined, goodbyeBytes)
        return
      }
      this.#sayGoodbye()
    }
    this.#saying = undefined
  }

  /** Say the next one; it has its place in the window. */
  #sayGoodbye (): void {
    const turn: Turn = { source: itself, bytes: goodbyeBytes, qos: 0, settle: () => undefined }
    const next = this.#saying?.next()
    // All agents that were left came back meanwhile.
    if (next?.done !== false) return this.#settle(turn)
    const [uuid, { connection: { clientId, username, origin }, receivedAt }] = next.value
    this.#goodbyes.delete(uuid)
    const delivery: Delivery = { id: '', clientId, username, qos: 0, retain: false, receivedAt }
    if (origin !== undefined) delivery.origin = origin
    const message: Message = { kind: 'disconnected', topic: topics.disconnected, payload: { agent: { uuid } } }
    this.#send(message, delivery, turn, structuredClone(message))
  }

  #timeOut (): void {
    const { timeLimit } = this.#options
    const now = performance.now()
    const deadline = now - timeLimit
    this.#window.expire(now - longestKept)
    if (this.#unsettled === 0) return
    const late = (unsettledOf(this) as Entry[]).filter(entry => entry.holds === 0 && entry.since <= deadline)
    const [first] = late
    if (first === undefined) return
    this.#counters.timedOut += late.length
    const message = messageOf(first)
    const count = `${late.length} ${late.length === 1 ? 'message was' : 'messages were'}`
    const error = hasStrayed(message.payload.agent.uuid, first.since)
      ? new PlatziverseError('DELIVERY_LOST', `${count} stored without msg.delivery and msg._msgid.`)
      : new PlatziverseError('DELIVERY_UNSETTLED', `${count} not stored within ${timeLimit / 1000} s.`)
    for (const entry of late) endDelivery(entry, error)
    this.#handler?.unsettled(error, late.length, message, first.delivery)
  }
}

function limitsOf ({ clientWindow, totalWindow, clientBytes = 8_000_000, totalBytes = 64_000_000 }: IntakeOptions): InFlightLimits {
  return { perSource: clientWindow, total: totalWindow, sourceBytes: clientBytes, totalBytes, left: mostKept }
}

function messageOf ({ source, topic, delivery, rules }: Entry): Message {
  if (!Buffer.isBuffer(source)) return structuredClone(source)
  const parsed = parse(topic, source, delivery.receivedAt, undefined, rules)
  if (!parsed.ok) throw new TypeError('A message that was taken is none any more.')
  const { message } = parsed
  if (parsed.untimed && message.kind === 'message' && delivery.fingerprint !== undefined) message.payload.seq = delivery.fingerprint
  return message
}
