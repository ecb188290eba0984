import type { Access } from './access/given-access.ts'
import type { TlsOptions } from '../tls.ts'
import type { Limits } from './limits.ts'

export type { Access } from './access/given-access.ts'

/** For Node's tls: certificate and key as PEM, or both in a PKCS#12 file. */
export type TlsMaterial = ({ cert: string | Buffer, key: string | Buffer } | { pfx: Buffer }) & {
  ca?: string | Buffer | Array<string | Buffer>
  passphrase?: string
}

export interface ListenerOptions {
  transport: 'tcp' | 'tls' | 'ws' | 'wss'
  /** Address to listen on; empty: loopback, or every address when anonymous access is allowed or there are users. */
  host: string
  /** 0: any free port. */
  port: number
  /** For `tls` and `wss`. */
  tls?: TlsMaterial
  /** For `tls` and `wss`: whether clients need a certificate, and whether its common name is the username. */
  certificates?: 'none' | 'required' | 'username'
  /** For `ws` and `wss`: web origins in lower case whose pages may connect, besides those of the same host; `*` is any. */
  origins?: string[]
}

/** A login that is decided outside the broker. */
export interface Login {
  clientId: string
  username: string
  /** Undefined: the client sent none. */
  password: string | undefined
  address: string | undefined
}

/** Whether a client may come in under the username that it gives; undefined: nobody decided. May take any time. */
export type Decide = (login: Login) => Promise<boolean | undefined>

/** Everything that describes an embedded broker. Plain data except for `decide`: what is equal stays as it is, with its clients. */
export interface EmbeddedBrokerOptions extends Access {
  /** The state of the first one is shown as the broker's. */
  listeners: ListenerOptions[]
  /** Whether clients from the network may come without a user. */
  anonymous: boolean
  /** Decides on logins in the place of `users`. */
  decide?: Decide
  limits: Limits
  /** Folder for retained messages, sessions, offline queues and the owners of agents; undefined: they are in memory. */
  folder: string | undefined
  /** Seconds between two publications of `$SYS/broker/…`; 0: none. */
  sys: number
}

/** Everything that describes a broker elsewhere, of which this process is a client. Plain data: what is equal stays as it is, connected. */
export interface RemoteBrokerOptions {
  /**
   * `mqtt:`, `mqtts:`, `ws:` or `wss:`; may contain a login, which then is the one that counts. Several addresses of one cluster, separated by
   * blanks or commas, are tried in turn.
   */
  url: string
  username?: string
  password?: string
  /** For `mqtts:` and `wss:`; absent: the certificate is checked against the authorities that Node knows. */
  tls?: TlsOptions
  /** Names this worker's session at the broker, and stays the same over restarts: no other client may have it. */
  clientId: string
  /** Folder in which it is remembered what the session subscribes to; absent: nowhere. */
  folder?: string
  /** MQTT 5 or 3.1.1; `auto`: 5 where the broker speaks it. */
  version: 'auto' | '5' | '3.1.1'
  /** Workers of one group share the messages, by `$share/<group>/…`; empty: this one gets all of them. */
  group: string
  /** Where agents publish on `agent/<shard>/message` and so on, the shards that are this worker's; none: `agent/message`. */
  shards: string[]
  /** Seconds; 0: none. */
  keepalive: number
  /** Seconds for which the broker keeps what comes while this worker is away. With 3.1.1 the broker alone decides. */
  sessionExpiry: number
  /** Most messages on their way to the database at one time: MQTT's receive maximum. */
  receiveMaximum: number
  /** Which broker's own account of its clients is listened to, so that an agent whose client went is disconnected; absent: none. */
  clientEvents?: 'mosquitto' | 'emqx'
}

/** Everything that describes a broker. Each engine has options of its own. */
export type BrokerOptions = EmbeddedBrokerOptions | RemoteBrokerOptions

export function isElsewhere (options: BrokerOptions): options is RemoteBrokerOptions {
  return 'url' in options
}
