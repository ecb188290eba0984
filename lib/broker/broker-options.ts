import type { Access } from './access/given-access.ts'
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

/** Everything that describes a broker. Each engine has options of its own; so far there is one. */
export type BrokerOptions = EmbeddedBrokerOptions
