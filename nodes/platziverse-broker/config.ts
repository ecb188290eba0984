/** What a platziverse-broker node saves. Numbers may be text: the editor and `${ENV}` give text. */
export interface BrokerConfig {
  name: string
  /** Whether this Node-RED is the broker, or one of the clients of a broker elsewhere. Each mode has properties of its own: those of the other one are kept. */
  mode: 'embedded' | 'elsewhere'
  /** Address of the first listener, plain TCP; empty: 127.0.0.1, or every address when `anonymous` or when there are users. */
  host: string
  /** 1 to 65535; 0: any free port. */
  port: number | string
  /** Whether clients from the network may connect without a user. */
  anonymous: boolean
  /** What decides on usernames and passwords: the list of users, or the flow, which is asked on output 1. */
  login: 'users' | 'flow'
  /** How many users were saved, without their secrets: a broker that lost them with the credentials stays closed. */
  userCount: number
  /** Listeners beside the first. */
  listeners: SavedListener[]
  /**
   * Web origins such as `https://example.org`, separated by blanks or commas: their pages may connect by WebSocket, as those of the same
   * host may; `*`: any.
   */
  origins: string
  /** The tls-config node: with the certificate of the TLS listeners, or with what a broker elsewhere is trusted by. */
  tls: string
  /** Who may publish and subscribe to what; none: everybody to everything. */
  rules: SavedRule[]
  /** Limits that differ from the defaults, by the names in lib/broker/limits.ts. */
  limits: Record<string, number | string>
  /** Where retained messages, sessions and offline queues are: in memory, or on disk in `folder`. */
  persistence: 'memory' | 'disk'
  /** Relative to the user directory; empty: `platziverse-broker/<id of the node>`. */
  folder: string
  /** Seconds between two messages on the statistics output; 0: none. */
  statistics: number | string
  /** Seconds between two publications of `$SYS/broker/…`; 0: none. */
  sys: number | string
  /** Whether Node-RED serves this broker's counters to Prometheus at `/platziverse/metrics`. */
  prometheus: boolean

  // Of a broker elsewhere; its user and password are credentials.

  /** Address, such as mqtts://192.0.2.1:8883. */
  url: string
  /** Whether a login was saved, without its secrets: a node that lost it with the credentials does not connect without one. */
  hasLogin: boolean
  /** Of MQTT; `auto`: 5 where the broker speaks it. */
  version: 'auto' | '5' | '3.1.1'
  /** Workers of one group share the messages; empty: this one gets all of them. */
  group: string
  /** The shards that are this worker's, separated by blanks or commas, where agents publish on `agent/<shard>/message`; empty: there are none. */
  shards: string
  /** Empty: made of the host's name, the user directory and the node's id. */
  clientId: string
  /** Seconds; 0: none. */
  keepalive: number | string
  /** Hours for which the broker keeps what comes while this worker is away. */
  sessionHours: number | string
  /** Most messages on their way to the database at one time. */
  receiveMaximum: number | string
  /** Which broker's own account of its clients is listened to. */
  clientEvents: 'none' | 'mosquitto' | 'emqx'
}

export interface SavedListener {
  /** `path` is WebSocket on a path of Node-RED's own HTTP server. */
  transport: 'tcp' | 'tls' | 'ws' | 'wss' | 'path'
  /** Empty: as for the first listener. */
  host: string
  port: number | string
  /** For `path` only: where below `httpNodeRoot`. */
  path: string
  /** For `tls` and `wss`: whether clients need a certificate, and whether its common name is the username. */
  certificates: 'none' | 'required' | 'username'
}

export interface SavedRule {
  subject: 'everyone' | 'anonymous' | 'user'
  username: string
  access: 'read' | 'write' | 'readwrite' | 'deny'
  /** A topic filter; `%u` and `%c` stand for the username and the client id. */
  topic: string
}

/** An address under which devices reach this machine. */
export interface NetworkAddress {
  address: string
  /** What the system calls the network, such as `eth0`. */
  network: string
}

/** Where a broker is reached. */
export interface Reached {
  addresses: NetworkAddress[]
  /** Of its first listener; absent: it does not listen. */
  port?: number
}

export interface BrokerCredentials {
  /** JSON: an array of `{username, hash}`, the hashes made by `POST /platziverse/broker/hash`. */
  users?: string
  /** The login at a broker elsewhere. */
  user?: string
  password?: string
}

export const brokerDefaults: BrokerConfig = {
  name: '',
  mode: 'embedded',
  host: '',
  port: 8083,
  anonymous: false,
  login: 'users',
  userCount: 0,
  listeners: [],
  origins: '',
  tls: '',
  rules: [],
  limits: {},
  persistence: 'memory',
  folder: '',
  statistics: 0,
  sys: 0,
  prometheus: false,
  url: '',
  hasLogin: false,
  version: 'auto',
  group: '',
  shards: '',
  clientId: '',
  keepalive: 60,
  sessionHours: 168,
  receiveMaximum: 1000,
  clientEvents: 'none'
}

/** What a listener and a rule have that a program wrote down in part. */
export const listenerDefaults: SavedListener = { transport: 'tcp', host: '', port: '', path: '', certificates: 'none' }
export const ruleDefaults: SavedRule = { subject: 'everyone', username: '', access: 'deny', topic: '' }

/** Mosquitto's customary ports. */
export const customaryPorts: Record<Exclude<SavedListener['transport'], 'path'>, number> = { tcp: 1883, tls: 8883, ws: 8080, wss: 8081 }
export const customaryCertificatePort = 8884
