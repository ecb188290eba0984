// What is shown, as plain data; of the runtime and the editor.

/** What is asked for and shown, each on its own. */
export const parts = ['brokers', 'clients', 'agents', 'retained'] as const
export type Part = typeof parts[number]

/** Most rows of a list: past that one searches. And how many more are shown at a time. */
export const mostRows = 500
export const rowsAtATime = 50
/** Most agents whose metrics are shown at once. */
export const mostOpen = 20

/** The rows of a list that are shown, of those that there are and those that a search finds. */
export interface List<Row> {
  total: number
  found: number
  rows: Row[]
}

export interface BrokerOverview {
  /** Of its node. */
  id: string
  name: string
  state: 'listening' | 'connected' | 'starting' | 'failed' | 'closed'
  ports: number[]
  /** Of a broker elsewhere that is connected. */
  address?: string
  isElsewhere: boolean
  /** Of a listener that failed. */
  code?: string
  detail?: string
  clients: number
  /** PUBLISH packets, and connections and messages that did not come through. */
  received: number
  delivered: number
  refused: number
  dropped: number
}

export interface DatabaseOverview {
  /** Of its node. */
  id: string
  name: string
  state: 'opening' | 'ready' | 'waiting' | 'closed'
  /** Why it takes nothing. */
  code?: string
  detail?: string
  /** In it; absent while they are being counted. `isAll`: otherwise there are more. */
  counted?: { metrics: number, isAll: boolean }
  /** Messages that wait in memory and on disk. */
  queued: number
  spooled: number
}

export interface ClientOverview {
  broker: string
  clientId: string
  username?: string
  address?: string
  clean: boolean
  /** Of MQTT. */
  version: string
  /** UTC ms. */
  connectedAt: number
  /** The first of them, and how many there are. */
  subscriptions: Array<{ topic: string, qos: number }>
  subscribed: number
}

export interface AgentOverview {
  uuid: string
  username: string | null
  name: string | null
  hostname: string | null
  pid: number | null
  connected: boolean
  /** UTC ms. */
  connectedAt: number | null
  lastSeenAt: number | null
  /** The newest metrics of its first types, in the order of the types. */
  values: Array<{ type: string, ts: number, value: number | string | null }>
  /** Whether it has more types than those. */
  more: boolean
}

/** The agents of the database that was asked for, or of the first one; `refusal` where it does not answer. None: there is no database. */
export interface AgentsInDatabase {
  database?: string
  list?: List<AgentOverview> & { connected: number }
  refusal?: ShownRefusal
}

interface ShownRefusal { code: string, detail: string, help: string }

/**
 * The retained messages of the broker that was asked for, or of the first one; `refusal` while it is not open. None: there is no broker.
 * A broker elsewhere has a list only when it was asked for.
 */
export interface RetainedInBroker {
  broker?: string
  isElsewhere?: boolean
  list?: RetainedTopics
  refusal?: ShownRefusal
}

/** What there is to see: the parts that were asked for. */
export interface Overview {
  /** UTC ms. */
  now: number
  brokers?: BrokerOverview[]
  databases?: DatabaseOverview[]
  clients?: List<ClientOverview>
  agents?: AgentsInDatabase
  retained?: RetainedInBroker
}

export interface RetainedTopic {
  topic: string
  /** Its beginning; null where it is no text. */
  payload: string | null
  bytes: number
  qos: number
}

export interface RetainedTopics {
  rows: RetainedTopic[]
  /** Whether there may be more. */
  more: boolean
}
