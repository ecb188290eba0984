import type { MessageProperties } from '../mqtt/message-properties.ts'
import type { ReasonCode } from '../mqtt/reason-codes.ts'

/** A client's connection, from CONNECT to the end of its socket. */
export interface Connection {
  /** Tells apart two connections of one client id. */
  readonly number: number
  readonly clientId: string
  /** As the client gave it. */
  readonly username: string | undefined
  /** Whether a password or a certificate proved the username. */
  readonly verified: boolean
  /** Remote address, where there is one. */
  readonly address: string | undefined
  /** True once the client went. */
  gone: boolean
  /** Names the bridge that stands for the client. What came over a bridge is not carried back by it. */
  readonly origin?: string
}

/** The client that published something. */
export type Publisher = Pick<Connection, 'clientId' | 'username' | 'verified'>

/** One MQTT PUBLISH on its way in. */
export interface Publication {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  retain: boolean
  /** Whether the broker publishes it as the last will of `connection`. */
  will: boolean
  connection: Connection | undefined
  /** What published it; absent: `connection`. A last will may be of a client that never came in, or did not come back after a restart. */
  publisher?: Publisher | undefined
  /** Whether it came because somebody subscribed to what another broker retained: it is no news, and its time is not known. */
  replayed?: boolean
  /** Like `replayed`, of a topic that is not of agents: subscribers get it, and who reads along learns from it only who is there now. */
  retainedBefore?: boolean
  /** Whether subscribers have it already, so that another attempt is only for who reads along: set by the broker. */
  routed?: boolean
  /** Whether a broker elsewhere said so of its client, to each of its workers. */
  observed?: boolean
  /** What its publisher said of it in MQTT 5; absent: nothing, or it is not known. */
  properties?: MessageProperties
  /** When it came, in UTC ms, and the `seq` that it gets if it carries nothing that identifies it: set by the first taker, so that all agree. */
  receivedAt?: number
  seq?: number
}

/** Why a publication goes no further although it is acknowledged. A publisher that speaks MQTT 5 is told. */
export interface Refusal {
  code: ReasonCode
  /** Begins with a code of ours. */
  text: string
}

/**
 * Ends a taken publication: without an error the publisher is acknowledged, with one it is not and has to send again.
 * @param refusal with the acknowledgement: the publication was refused, and to send it again is of no use
 */
export type Settle = (error?: Error, refusal?: Refusal) => void

/** Takes publications off the broker before it routes them: the broker delivers what is taken to nobody. */
export interface Taker {
  /** How many publications of one client it takes before it settles the first of them; absent or undefined: any number. */
  readonly mostUnsettled?: number | undefined
  takes (topic: string): boolean
  /** Whether it reads along what is published on a topic that it does not take: subscribers get that all the same. Absent: nothing. */
  reads? (topic: string): boolean
  /** Filters that match every topic that it reads along, and maybe others. Absent: none. */
  readonly readFilters?: readonly string[]
  /** As `take`, of what it reads along. */
  read? (publication: Publication, settle: Settle): void
  /** A client published what is neither taken nor read. */
  passes? (topic: string, clientId: string): void
  take (publication: Publication, settle: Settle): void
  /**
   * The client went, cleanly or not; its last will was taken before.
   * @param comesBack whether to expect that it comes back and sends again what was not acknowledged; absent: yes
   * @param patience ms in which it may come back as if nothing had happened: so long its last will is held back; absent: none
   */
  gone (connection: Connection, comesBack?: boolean, patience?: number): void
}

export interface OutgoingPublication {
  topic: string
  payload: string | Buffer
  qos: 0 | 1 | 2
  retain: boolean
  /** As in `Publication`. */
  replayed?: boolean
  retainedBefore?: boolean
  /** Where whoever gets it speaks MQTT 5. */
  properties?: MessageProperties
  /** Whether no topic alias of MQTT 5 is to stand for its topic; absent: one may, where whoever gets it allows some. */
  noAlias?: boolean
}

/** A message as a subscriber inside this process sees it. */
export interface Delivered {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  /** Whether the publisher asked for it to be retained. */
  retain: boolean
  /** The client that published it; undefined: this process did, or it is a retained message whose publisher is not known any more. */
  clientId: string | undefined
  /** As given to `publish`. */
  origin: string | undefined
  /** What its publisher said of it in MQTT 5, the expiry counted from now; absent: nothing. */
  properties?: MessageProperties
}

/** Receives messages; while it works on one, the publisher waits. */
export type Subscriber = (message: Delivered) => void | Promise<void>
