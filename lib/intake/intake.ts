import type { AgentOwnership, Ownership } from '../broker/agent-ownership.ts'
import type { Connection, Publication, Refusal, Settle, Taker } from '../broker/publication.ts'
import { PlatziverseError } from '../errors.ts'
import { fingerprint, nextSeq } from '../messages/fingerprint.ts'
import type { BadMetric } from '../messages/metrics.ts'
import { NearTopics } from '../messages/near-topics.ts'
import { parse, type Message, type Notice, type Rules } from '../messages/parse.ts'
import { kindOf, topics } from '../messages/topics.ts'
import { mostUnfolded, weigh, weighMessage, type Weight } from '../messages/weigh.ts'
import { Awaited } from './awaited.ts'
import { goodbyeBytes, Goodbyes, itself, type Goodbye } from './goodbyes.ts'
import { InFlightWindow } from './in-flight-window.ts'
import type { IntakeHandler, Rejected } from './intake-handler.ts'
import { limitsOf, type IntakeOptions } from './intake-options.ts'
import type { IntakeStatistics } from './intake-statistics.ts'
import { maySpeak } from './may-speak.ts'
import { addUnsettled, endDelivery, hasStrayed, nextDeliveryId, unsettledOf, type Delivery, type Unsettled } from './pending-deliveries.ts'
import { Presence } from './presence.ts'
import { refusalOf } from './refusal.ts'

/** With the message as it was published: a flow may change the one that it gets, and may get it again. */
type Entry = Unsettled & { source: Buffer | Message, topic: string, rules: Rules | undefined }

/** Why a message is rejected whose sender may not speak for the agent. */
const refusals: Record<Exclude<Ownership, 'theirs'>, Pick<Rejected, 'reason' | 'detail'>> = {
  another: { reason: 'AGENT_NOT_THEIRS', detail: 'The user may not speak for this agent.' },
  tooMany: { reason: 'AGENTS_TOO_MANY', detail: 'The user, or all anonymous clients together, speak for as many agents as the limit agentsPerUser allows.' }
}

const removed = new Error('agent-in was removed')
const abandoned = new Error('its client left before its turn came')
const sweepEvery = 1_000
/** For how many ms waiting publications of clients that went are kept. */
const longestKept = 300_000

/** A publication's turn in the window. */
interface Turn {
  source: number
  bytes: number
  qos: number
  settle: Settle
}

/** The turn of a goodbye that the intake says by itself. */
const goodbyeTurn: Turn = { source: itself, bytes: goodbyeBytes, qos: 0, settle: () => undefined }

/**
 * Takes the three topics off a broker for one agent-in: checks each message, tracks presence, hands it on, and keeps
 * the publisher waiting until the delivery is settled. It outlives the node: without a handler everything waits.
 */
export class Intake implements Taker {
  #handler: IntakeHandler | undefined
  #options: IntakeOptions
  #window: InFlightWindow
  #presence = new Presence(connection => { this.#awaited.delete(connection) })
  #goodbyes: Goodbyes
  #nearTopics = new NearTopics()
  #awaited = new Awaited(connection => { this.gone(connection) })
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
    this.#goodbyes = new Goodbyes(this.#window, (uuid, goodbye) => { this.#sayGoodbye(uuid, goodbye) })
  }

  get attached (): boolean { return this.#handler !== undefined }

  get mostUnsettled (): number { return this.#options.clientWindow }

  statistics (): IntakeStatistics {
    return { agents: this.#presence.size, unsettled: this.#unsettled, waiting: this.#window.waiting, ...this.#counters }
  }

  /** Hand everything to `handler` from now on; first what is still unsettled. */
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

  /** End for good: deliveries that no store claimed are not acknowledged. */
  close (): void {
    this.detach()
    this.#closed = true
    this.#goodbyes.clear()
    this.#awaited.clear()
    for (const entry of unsettledOf(this)) if (entry.claims === 0) endDelivery(entry, removed)
    this.#window.resume()
  }

  /** Send again what was sent before `before` (ms of `performance.now()`) and nobody claimed: a deploy may have lost it on its way. */
  resend (before: number): void {
    for (const entry of unsettledOf(this) as Entry[]) {
      if (entry.claims > 0 || entry.since >= before) continue
      entry.since = performance.now()
      entry.last = undefined
      // The flow may have changed it the first time.
      entry.delivery.id = entry.id
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
    this.#handler?.noticed?.('topic', `The topic ${JSON.stringify(topic)} is not ${meant}: messages on it go to subscribers, and are not stored.`, clientId)
  }

  take (publication: Publication, settle: Settle): void {
    const receivedAt = publication.receivedAt ??= Date.now()
    const source = publication.connection?.number ?? itself
    const weight = weigh(publication.payload)
    // A message that will be rejected for its size is never unfolded.
    const unfolded = weight.bytes > mostUnfolded ? publication.payload.length : weight.bytes
    const bytes = publication.properties === undefined ? unfolded : unfolded + weighMessage({ payload: publication.properties })
    const turn = { source, bytes, qos: publication.qos, settle }
    if (this.#window.tryEnter(source, bytes)) this.#process(publication, weight, receivedAt, turn)
    else {
      const enter = (): void => { this.#process(publication, weight, receivedAt, turn) }
      this.#window.wait(source, enter, () => { this.#abandon(publication, settle) }, bytes, publication.qos > 0 && !publication.will)
    }
  }

  gone (connection: Connection, comesBack = true, patience = 0): void {
    this.#window.forget(connection.number, comesBack)
    if (this.#awaited.has(connection)) return
    if (patience > 0 && !this.#closed && this.#presence.awaits(connection, this.#owners().mostPerUser)) return this.#awaited.add(connection, patience)
    // Its agents are gone only after their last message.
    if (this.#window.waits(connection.number)) return
    this.#goodbyes.add(this.#presence.gone(connection), connection)
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
    // Every client of a broker in this process has a connection, but for the one whose last will it is.
    const isElsewhere = connection === undefined && publisher === undefined && !will
    if (isElsewhere) delivery.elsewhere = true
    if (publication.observed === true) delivery.observed = true
    if (publication.properties !== undefined) delivery.properties = publication.properties
    const parsed = parse(topic, publication.payload, receivedAt, weight, this.#options.rules)
    if (!parsed.ok) return this.#refuse(publication, parsed, delivery, turn)
    const { message } = parsed
    const { uuid } = message.payload.agent
    const ownership = maySpeak(message, publisher, connection, this.#owners(), this.#presence)
    if (ownership !== 'theirs') return this.#refuse(publication, refusals[ownership], delivery, turn)
    this.#counters.messages++
    if (message.kind === 'disconnected') {
      if (!isElsewhere && !this.#presence.saysGoodbye(uuid, connection, will, publisher)) return this.#settle(turn)
      this.#goodbyes.delete(uuid)
    } else if (connection !== undefined && this.#presence.spoke(uuid, connection)) {
      // Said now, it would come after the agent's message.
      this.#goodbyes.delete(uuid)
    }
    if (message.kind === 'message' && message.payload.seq === undefined) {
      // In the payload as well, where it stays whatever the flow does with the rest, and where the next platform finds it.
      if (parsed.untimed) message.payload.seq = delivery.fingerprint = publication.seq ??= nextSeq()
      // Of the bytes, which every redelivery repeats, whatever the flow does to the message before it is stored.
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

  /** The message goes no further, and its publisher is acknowledged, because to send it again is of no use. */
  #refuse (publication: Publication, cause: Pick<Rejected, 'reason' | 'detail'>, delivery: Delivery, turn: Turn): void {
    this.#reject(publication, [cause], delivery)
    this.#settle(turn, undefined, refusalOf(cause))
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
      const entry: Entry = { id: '', delivery, owner: this, since: performance.now(), claims: 0, bytes: turn.bytes, topic: message.topic, source: payload, rules: this.#options.rules, end }
      addUnsettled(entry)
    }
    this.#handler?.message(message, delivery)
  }

  #settle ({ source, bytes, qos, settle }: Turn, error?: Error, refusal?: Refusal): void {
    this.#window.leave(source, bytes)
    // With QoS 0 there is no acknowledgement to refuse, and hanging up on the sender would help nobody.
    settle(qos === 0 ? undefined : error, refusal)
  }

  /** Say for an agent that its client is gone. */
  #sayGoodbye (uuid: string, { connection: { clientId, username, origin }, receivedAt }: Goodbye): void {
    const delivery: Delivery = { id: '', clientId, username, qos: 0, retain: false, receivedAt }
    if (origin !== undefined) delivery.origin = origin
    const message: Message = { kind: 'disconnected', topic: topics.disconnected, payload: { agent: { uuid } } }
    this.#send(message, delivery, goodbyeTurn, structuredClone(message))
  }

  #timeOut (): void {
    const { timeLimit } = this.#options
    const now = performance.now()
    const deadline = now - timeLimit
    this.#window.expire(now - longestKept)
    if (this.#unsettled === 0) return
    const late = (unsettledOf(this) as Entry[]).filter(entry => entry.claims === 0 && entry.since <= deadline)
    const [first] = late
    if (first === undefined) return
    this.#counters.timedOut += late.length
    const message = messageOf(first)
    const count = `${late.length} ${late.length === 1 ? 'message was' : 'messages were'}`
    const error = hasStrayed(message.payload.agent.uuid, first.since)
      ? new PlatziverseError('DELIVERY_LOST', `${count} stored without msg.delivery and msg._msgid as agent-in sent them.`)
      : new PlatziverseError('DELIVERY_UNSETTLED', `${count} not stored within ${timeLimit / 1000} s.`)
    for (const entry of late) endDelivery(entry, error)
    this.#handler?.unsettled(error, late.length, message, first.delivery)
  }
}

function messageOf ({ source, topic, delivery, rules }: Entry): Message {
  if (!Buffer.isBuffer(source)) return structuredClone(source)
  const parsed = parse(topic, source, delivery.receivedAt, undefined, rules)
  if (!parsed.ok) throw new TypeError('A message that was accepted cannot be parsed any more.')
  const { message } = parsed
  if (parsed.untimed && message.kind === 'message' && delivery.fingerprint !== undefined) message.payload.seq = delivery.fingerprint
  return message
}
