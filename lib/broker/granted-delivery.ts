import type { AedesPublishPacket, Client } from 'aedes'
import type { BrokerPersistence } from './persistence.ts'
import { subscriptionsOf, type TakingAedes } from './taking-aedes.ts'
import { matches, parseSubscription, type Filter } from './topic-filters.ts'

type Qos = 0 | 1 | 2
type Packet = AedesPublishPacket & { qos: Qos, brokerId?: string | null, brokerCounter: number }
type Deliver = (packet: Packet, done: (error?: Error) => void) => void
/** What aedes delivers by; not in its types. */
type Delivering = Client & { deliver0: Deliver, deliverQoS: Deliver, duplicates: Record<string, number> }
type Persistence = Pick<BrokerPersistence, 'outgoingEnqueue'>

/** How a client gets what is published on one topic. */
interface Grant {
  /** Highest QoS of the subscriptions that match; undefined: none does. */
  qos: Qos | undefined
  /** Whether a shared subscription alone is the reason: then the message is in nobody's queue yet. */
  shared: boolean
}

export interface Delivery {
  /** Call it from authorizeForward: what the session's queue held does not come a second time. */
  sentFromQueue (packet: AedesPublishPacket): void
}

/** Topics of which a client's grant is remembered. */
const mostGrants = 1_000
/** Messages that wait until a session's queue was sent. */
const mostHeld = 10_000

/**
 * Let a client get each message once, at the highest QoS that its matching subscriptions grant [MQTT-3.3.5-1] and no higher
 * than that [MQTT-3.8.4-6], and after what waited in its session [MQTT-4.6.0-6]. By itself aedes delivers for whichever filter it finds first,
 * lowers the QoS only for a filter without wildcards, and mixes the session's queue with what comes in meanwhile.
 */
export function deliverAsGranted (client: Client, aedes: TakingAedes, persistence: Persistence): Delivery {
  const delivering = client as Delivering
  const { deliver0, deliverQoS } = delivering
  // Made when there is something to remember: most clients of a large broker only publish.
  let filters: Map<string, Filter | undefined> | undefined
  let grants: Map<string, Grant> | undefined
  let changes = -1
  let held: Packet[] | undefined = []

  const find = (topic: string): Grant => {
    const grant: Grant = { qos: undefined, shared: true }
    const levels = topic.split('/')
    const subscriptions = subscriptionsOf(client)
    for (const text in subscriptions) {
      let filter = filters?.get(text)
      if (filter === undefined) (filters ??= new Map()).set(text, filter = parseSubscription(text))
      if (filter === undefined || !matches(filter, levels)) continue
      const { qos } = subscriptions[text]!
      if (grant.qos === undefined || qos > grant.qos) grant.qos = qos
      if (qos > 0 && !text.startsWith('$share/')) grant.shared = false
    }
    return grant
  }

  const grantOf = (topic: string): Grant => {
    if (changes !== aedes.changes) filters = grants = undefined
    else if (grants !== undefined && grants.size >= mostGrants) grants = undefined
    changes = aedes.changes
    let grant = grants?.get(topic)
    if (grant === undefined) (grants ??= new Map()).set(topic, grant = find(topic))
    return grant
  }

  const deliver: Deliver = (packet, done) => {
    if (held !== undefined && !client.clean && !client.connected) {
      // It is in the session's queue as well: the client gets it when it comes again.
      if (held.length >= mostHeld) client.close()
      else held.push(packet)
      return void setImmediate(done)
    }
    // Another of its filters brought it. aedes would see that too, but then forgets the queued one.
    if (typeof packet.brokerId === 'string' && (delivering.duplicates[packet.brokerId] ?? 0) >= packet.brokerCounter) return void setImmediate(done)
    const { qos: granted, shared } = grantOf(packet.topic)
    // [MQTT-4.7.2-1] Retained messages of `$` topics, which aedes finds for `#` too.
    if (granted === undefined) return void setImmediate(done)
    packet.qos = Math.min(packet.qos, granted) as Qos
    if (packet.qos === 0) return deliver0(packet, done)
    if (shared && !client.clean && !packet.retain) {
      persistence.outgoingEnqueue({ clientId: client.id }, packet).then(() => { send(packet, done) }, done)
      return
    }
    send(packet, done)
  }

  const send: Deliver = (packet, done) => {
    // aedes lowers the QoS to that of the filter which is the topic itself, when its immediate runs.
    const exact = subscriptionsOf(client)[packet.topic] as { qos: number } | undefined
    if (exact === undefined || exact.qos >= packet.qos) return deliverQoS(packet, done)
    const { qos } = exact
    setImmediate(() => { exact.qos = packet.qos })
    deliverQoS(packet, done)
    setImmediate(() => { exact.qos = qos })
  }

  delivering.deliver0 = delivering.deliverQoS = deliver
  client.once('connected', () => {
    const waiting = held ?? []
    held = undefined
    for (const packet of waiting) deliver(packet, () => undefined)
  })

  return {
    sentFromQueue ({ brokerId, brokerCounter }) {
      if (!client.connected && typeof brokerId === 'string') delivering.duplicates[brokerId] = Math.max(delivering.duplicates[brokerId] ?? 0, brokerCounter)
    }
  }
}
