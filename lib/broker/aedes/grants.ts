import type { Client } from 'aedes'
import { isShared, matches, parseSubscription, type Filter } from '../../mqtt/topic-filters.ts'
import type { SubscriptionOptions } from '../persistence/broker-persistence.ts'
import { subscriptionsOf, type RoutingAedes } from './routing-aedes.ts'

export type Qos = 0 | 1 | 2

/** How a client gets what is published on one topic. */
export interface Grant {
  /** Highest QoS of the matching subscriptions; undefined: none matches. */
  qos: Qos | undefined
  /** … of those that also ask for the client's own messages. */
  own: Qos | undefined
  /** Whether only shared subscriptions match: then the message is in nobody's queue yet. */
  shared: boolean
  /** Whether one of them leaves the flag retain as its publisher set it. */
  asPublished: boolean
  /** Identifiers of those that match, and of those that also ask for the client's own messages. */
  ids: number[]
  ownIds: number[]
  /** The same without those of groups, where both match; undefined: it makes no difference. */
  alone: Pick<Grant, 'ids' | 'ownIds'> | undefined
}

/** Topics whose grant is remembered for a client. Publishers choose topics, so long ones are not remembered. */
const mostGrants = 1_000
const mostTopicLength = 128

const noOptions = { asPublished: false, ids: [] }

/** What the subscriptions of one client grant it, by topic. */
export class Grants {
  readonly #client: Client
  readonly #aedes: RoutingAedes
  // Made once there is something to remember: most clients of a large broker only publish.
  #filters: Map<string, Filter | undefined> | undefined
  #grants: Map<string, Grant> | undefined
  /** By filter, of clients that speak MQTT 5. */
  #options: Map<string, SubscriptionOptions> | undefined
  /** How many of them leave out the client's own messages, and how many have an identifier. */
  #hiding = 0
  #identified = 0
  #changes = -1

  constructor (client: Client, aedes: RoutingAedes) {
    this.#client = client
    this.#aedes = aedes
  }

  /** What a subscription asks for beyond its QoS, from now on; undefined: nothing. */
  setOptions (filter: string, options: SubscriptionOptions | undefined): void {
    if (this.#options?.get(filter)?.noLocal === true) this.#hiding--
    if (options?.noLocal === true) this.#hiding++
    if (this.#options?.get(filter)?.id !== undefined) this.#identified--
    if (options?.id !== undefined) this.#identified++
    if (options !== undefined) (this.#options ??= new Map()).set(filter, options)
    else if (this.#options?.delete(filter) !== true) return
    this.#grants = undefined
  }

  /** Whether a subscription leaves out what the client publishes itself. */
  get hideOwn (): boolean { return this.#hiding > 0 }

  /** Whether any subscription has an identifier. */
  get useIds (): boolean { return this.#identified > 0 }

  /** Whether any subscription has asked for anything beyond its QoS. */
  get haveOptions (): boolean { return this.#options !== undefined }

  /** What the subscriptions that match a topic say about its messages. */
  optionsOf (topic: string, isOwn: boolean): Pick<Grant, 'asPublished' | 'ids'> {
    if (this.#options === undefined) return noOptions
    const grant = this.of(topic)
    return isOwn ? { asPublished: grant.asPublished, ids: grant.ownIds } : grant
  }

  /** The highest QoS of the subscriptions with one identifier that match a topic. */
  qosOf (topic: string, id: number): number {
    const levels = topic.split('/')
    const subscriptions = subscriptionsOf(this.#client)
    let highest = 0
    for (const [text, options] of this.#options ?? []) {
      const qos = options.id === id ? subscriptions[text]?.qos ?? 0 : 0
      const filter = qos > highest ? this.#filters?.get(text) ?? parseSubscription(text) : undefined
      if (filter !== undefined && matches(filter, levels)) highest = qos
    }
    return highest
  }

  of (topic: string): Grant {
    if (this.#changes !== this.#aedes.changes) this.#filters = this.#grants = undefined
    else if (this.#grants !== undefined && this.#grants.size >= mostGrants) this.#grants = undefined
    this.#changes = this.#aedes.changes
    let grant = this.#grants?.get(topic)
    if (grant !== undefined) return grant
    grant = this.#find(topic)
    if (topic.length <= mostTopicLength) (this.#grants ??= new Map()).set(topic, grant)
    return grant
  }

  #find (topic: string): Grant {
    const grant: Grant = { qos: undefined, own: undefined, shared: true, asPublished: false, ids: [], ownIds: [], alone: undefined }
    const alone: Grant['alone'] = { ids: [], ownIds: [] }
    let [isInGroup, isAlone] = [false, false]
    const levels = topic.split('/')
    const subscriptions = subscriptionsOf(this.#client)
    for (const text in subscriptions) {
      let filter = this.#filters?.get(text)
      if (filter === undefined) (this.#filters ??= new Map()).set(text, filter = parseSubscription(text))
      if (filter === undefined || !matches(filter, levels)) continue
      const { qos } = subscriptions[text]!
      const { noLocal, asPublished, id } = this.#options?.get(text) ?? {}
      if (grant.qos === undefined || qos > grant.qos) grant.qos = qos
      if (noLocal !== true && (grant.own === undefined || qos > grant.own)) grant.own = qos
      if (asPublished === true) grant.asPublished = true
      const isOfGroup = isShared(text)
      if (isOfGroup) isInGroup = true
      else isAlone = true
      if (id !== undefined) {
        for (const { ids, ownIds } of isOfGroup ? [grant] : [grant, alone]) {
          ids.push(id)
          if (noLocal !== true) ownIds.push(id)
        }
      }
      if (qos > 0 && !isOfGroup) grant.shared = false
    }
    if (isInGroup && isAlone) grant.alone = alone
    return grant
  }
}
