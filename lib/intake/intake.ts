import type { AgentOwnership } from '../broker/agent-ownership.ts'
import type { Connection, OutgoingPublication, Publication, Refusal, Settle, Taker } from '../broker/publication.ts'
import { PlatziverseError } from '../errors.ts'
import { NearTopics } from '../messages/near-topics.ts'
import { parse, type Message, type Notice, type Parsed } from '../messages/parse.ts'
import { kindOf, topics } from '../messages/topics.ts'
import { mostUnfolded, weigh, weighMessage, type Weight } from '../messages/weigh.ts'
import { Awaited } from './awaited.ts'
import { deliveryOf, identify, isFromElsewhere, messageOf, type Entry, type Turn } from './delivery-of.ts'
import { goodbyeBytes, Goodbyes, itself, type Goodbye } from './goodbyes.ts'
import { InFlightWindow } from './in-flight-window.ts'
import type { IntakeHandler, Source } from './intake-handler.ts'
import { limitsOf, type IntakeOptions } from './intake-options.ts'
import type { IntakeStatistics } from './intake-statistics.ts'
import { isAnothers, whyNot } from './may-speak.ts'
import { addUnsettled, endDelivery, hasStrayed, nextDeliveryId, unsettledOf, type Delivery } from './pending-deliveries.ts'
import { Presence } from './presence.ts'
import { Asking, copyOf, readingsOf, shortened, type Cause } from './readings.ts'
import { refusalOf } from './refusal.ts'

const removed = new Error('agent-in was removed')
const abandoned = new Error('its client left before its turn came')
const sweepEvery = 1_000
const readWeight = 8
/** The window's source for other topics of a broker elsewhere, which may be many: they take turns with agents. */
const elsewhere = -1
/** For how many ms waiting publications of clients that went are kept. */
const longestKept = 300_000

/** The turn of a goodbye that the intake says by itself. */
const goodbyeTurn: Turn = { source: itself, bytes: goodbyeBytes, qos: 0, settle: () => undefined, parts: undefined }

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
  #asking: Asking
  #unsettled = 0
  #sweep: NodeJS.Timeout | undefined
  #closed = false
  #counters = { messages: 0, rejected: 0, rejectedMetrics: 0, timesConverted: 0, timesReplaced: 0, nearTopics: 0, timedOut: 0, abandoned: 0 }

  /** @param owners which user each agent belongs to, as the broker knows it now. @param publish gives a message to the broker's subscribers */
  constructor (options: IntakeOptions, owners: () => AgentOwnership, publish: (publication: OutgoingPublication) => Promise<void>) {
    this.#options = options
    this.#owners = owners
    this.#asking = new Asking(publish)
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
    const { otherTopics: before } = this.#options
    // Readers remember what devices said before, such as the names of their metrics.
    this.#options = before?.isSameAs(options.otherTopics) === true ? { ...options, otherTopics: before } : options
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
      this.#handler?.message(messageOf(entry), entry.delivery, entry.source)
    }
  }

  takes (topic: string): boolean {
    return kindOf(topic) !== undefined
  }

  reads (topic: string): boolean {
    return this.#options.otherTopics?.matches(topic) === true
  }

  /** Whether there are rows of "Other topics", of which none has read anything yet. */
  get awaitsOthers (): boolean {
    const { otherTopics } = this.#options
    return otherTopics !== undefined && !otherTopics.isEmpty && !otherTopics.hasRead
  }

  get readFilters (): readonly string[] {
    return this.#options.otherTopics?.filters ?? []
  }

  passes (topic: string, clientId: string): void {
    const meant = this.#nearTopics.look(topic)
    if (meant === undefined) return
    this.#counters.nearTopics++
    this.#handler?.noticed?.('topic', `The topic ${JSON.stringify(topic)} is not ${meant}: messages on it go to subscribers, and are not stored.`, clientId)
  }

  take (publication: Publication, settle: Settle): void {
    this.#enter(publication, settle, false)
  }

  read (publication: Publication, settle: Settle): void {
    this.#enter(publication, settle, true)
  }

  #enter (publication: Publication, settle: Settle, isRead: boolean): void {
    const receivedAt = publication.receivedAt ??= Date.now()
    const source = publication.connection?.number ?? (isRead ? elsewhere : itself)
    const weight = weigh(publication.payload)
    // A message that will be rejected for its size is never unfolded.
    const unfolded = weight.bytes > mostUnfolded ? publication.payload.length : weight.bytes
    // Formats other than JSON are not weighed: what a byte of theirs becomes is about this at most.
    const own = isRead ? Math.max(unfolded, publication.payload.length * readWeight) : unfolded
    const bytes = publication.properties === undefined ? own : own + weighMessage({ payload: publication.properties })
    const turn: Turn = { source, bytes, qos: publication.qos, settle, parts: undefined }
    if (this.#window.tryEnter(source, bytes)) return this.#process(publication, weight, receivedAt, turn, isRead)
    const enter = (): void => { this.#process(publication, weight, receivedAt, turn, isRead) }
    this.#window.wait(source, enter, () => { this.#abandon(publication, settle) }, bytes, publication.qos > 0 && !publication.will)
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

  #process (publication: Publication, weight: Weight, receivedAt: number, turn: Turn, isRead: boolean): void {
    if (isRead) this.#passReadings(publication, weight, receivedAt, turn)
    else this.#pass(publication, weight, receivedAt, turn)
    if (publication.connection?.gone === true) this.gone(publication.connection)
  }

  #pass (publication: Publication, weight: Weight, receivedAt: number, turn: Turn): void {
    if (this.#closed) return this.#settle(turn, removed)
    const delivery = deliveryOf(publication, receivedAt)
    const parsed = this.#check(publication.topic, publication.payload, publication, receivedAt, weight)
    if (!parsed.ok) {
      // Its publisher is acknowledged, because to send it again is of no use.
      this.#reject(publication, [parsed], delivery)
      return this.#settle(turn, undefined, refusalOf(parsed))
    }
    const { message, untimed, bad, notice } = parsed
    if (!this.#isNews(message, publication)) return this.#settle(turn)
    identify(message, untimed, publication, delivery)
    if (bad.length > 0) this.#reject(publication, bad, delivery)
    if (notice !== undefined) this.#notice(notice, delivery.clientId)
    this.#send(message, delivery, turn, publication.payload)
  }

  /** A publication on another topic: each message that a row makes of it goes the way of one that an agent sent itself. */
  #passReadings (publication: Publication, weight: Weight, receivedAt: number, turn: Turn): void {
    const table = this.#options.otherTopics
    if (this.#closed || table === undefined) return this.#settle(turn, removed)
    const { messages, causes, source, asks } = readingsOf(table, publication, weight, receivedAt)
    turn.parts = { open: messages.length, error: undefined }
    // One that is many messages would be read as often.
    const again = messages.length === 1 && table.readsAlike(publication.topic) ? { table, publication, weight } : undefined
    messages.forEach(({ kind, payload }, index) => {
      const parsed = this.#check(topics[kind], payload, publication, receivedAt)
      causes.push(...parsed.ok ? parsed.bad : [parsed])
      if (!parsed.ok || !this.#isNews(parsed.message, publication)) return this.#settle(turn)
      const { message, untimed, notice } = parsed
      const delivery = deliveryOf(publication, receivedAt)
      identify(message, untimed, publication, delivery, index)
      // Units other than ms are what rows are for.
      if (notice?.kind === 'receipt') this.#notice(notice, delivery.clientId)
      this.#send(message, delivery, turn, again ?? copyOf(message), Math.ceil(turn.bytes / messages.length), source)
    })
    if (causes.length > 0) this.#reject(publication, shortened(causes), deliveryOf(publication, receivedAt))
    if (asks !== undefined && !isAnothers(asks.agent, publication, this.#owners())) this.#asking.ask(asks)
    if (messages.length === 0) this.#settle(turn)
  }

  /** Whether a message keeps to the contract, and its publisher may send it. */
  #check (topic: string, payload: unknown, publication: Publication, receivedAt: number, weight?: Weight): Parsed {
    const parsed = parse(topic, payload, receivedAt, weight, this.#options.rules)
    const cause = parsed.ok ? whyNot(parsed.message, publication, this.#owners(), this.#presence) : undefined
    return cause === undefined ? parsed : { ok: false, ...cause }
  }

  /** Note who is there and who went. @returns whether the message tells anything: not that an agent went which is not there */
  #isNews (message: Message, publication: Publication): boolean {
    const { connection, publisher = connection, will } = publication
    const { uuid } = message.payload.agent
    this.#counters.messages++
    if (message.kind === 'disconnected') {
      if (!isFromElsewhere(publication) && !this.#presence.saysGoodbye(uuid, connection, will, publisher)) return false
      this.#goodbyes.delete(uuid)
    } else if (connection !== undefined && this.#presence.spoke(uuid, connection)) {
      // Said now, it would come after the agent's message.
      this.#goodbyes.delete(uuid)
    }
    return true
  }

  #notice ({ kind, detail }: Notice, clientId: string): void {
    if (kind === 'receipt') this.#counters.timesReplaced++
    else this.#counters.timesConverted++
    this.#handler?.noticed?.(kind === 'receipt' ? kind : 'unit', detail, clientId)
  }

  /** Report why a message, or some of its metrics, go no further. */
  #reject ({ topic, payload }: Publication, causes: Cause[], delivery: Delivery): void {
    const text = payload.toString()
    for (const { reason, detail, index, more = 0 } of causes) {
      if (index === undefined) this.#counters.rejected += 1 + more
      else this.#counters.rejectedMetrics += 1 + more
      this.#handler?.rejected({ topic, payload: text, reason, detail, ...index === undefined ? {} : { index } }, { ...delivery, id: nextDeliveryId() })
    }
  }

  /** @param given the message as it was published, from which it is made again */
  #send (message: Message, delivery: Delivery, turn: Turn, given: Entry['given'], bytes = turn.bytes, source?: Source): void {
    if (this.#options.acknowledge === 'arrival') {
      delivery.id = nextDeliveryId()
      this.#settle(turn)
    } else {
      this.#unsettled++
      const end = (error?: Error): void => {
        this.#unsettled--
        this.#settle(turn, error)
      }
      const entry: Entry = { id: '', delivery, owner: this, since: performance.now(), claims: 0, bytes, topic: message.topic, given, rules: this.#options.rules, source, end }
      addUnsettled(entry)
    }
    this.#handler?.message(message, delivery, source)
  }

  #settle ({ source, bytes, qos, settle, parts }: Turn, error?: Error, refusal?: Refusal): void {
    if (parts !== undefined) {
      parts.error ??= error
      if (--parts.open > 0) return
      error = parts.error
    }
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
