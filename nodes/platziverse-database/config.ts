/** For how long metrics of one type are kept, where it differs; days, 0 = for ever. */
export interface SavedOverride { type: string, rawDays: number | string, hourDays: number | string, dayDays: number | string }

/** What a platziverse-database node saves. Numbers may come as text. */
export interface DatabaseConfig {
  name: string
  client: 'sqlite' | 'postgresql' | 'mysql'
  /** The SQLite file; relative to Node-RED's user directory. */
  filename: string
  /** How the server is given: by the fields below, or by a URL, which is a credential. */
  connection: 'fields' | 'url'
  host: string
  /** Empty: the usual one. */
  port: number | string
  database: string
  /** Whether a login was saved, without its secrets: a node that lost it with the credentials does not connect without one. */
  hasLogin: boolean
  /** Whether to speak TLS. */
  secure: boolean
  /** A tls-config node for it; empty: the machine's own authorities. */
  tls: string
  /** Most connections that readers have. */
  poolSize: number | string
  /** ms that a message waits at the most for others to share its commit; 0: not at all. */
  gather: number | string
  /** MB on this machine's disk for messages that come while the database is away; 0: none. */
  spool: number | string
  /** Most newest values that Prometheus gets at `/platziverse/metrics`; 0: none. */
  prometheus: number | string
  /** Days, 0 = for ever: metrics as they came, by hour, by day. */
  rawDays: number | string
  hourDays: number | string
  dayDays: number | string
  overrides: SavedOverride[]
}

export interface DatabaseCredentials { user?: string, password?: string, url?: string }

export const databaseDefaults: DatabaseConfig = {
  name: '',
  client: 'sqlite',
  filename: 'platziverse.sqlite',
  connection: 'fields',
  host: '127.0.0.1',
  port: '',
  database: 'platziverse',
  hasLogin: false,
  secure: false,
  tls: '',
  poolSize: '5',
  gather: '0',
  spool: '0',
  prometheus: '0',
  rawDays: '0',
  hourDays: '0',
  dayDays: '0',
  overrides: []
}

/** What an override has that a program wrote down in part. */
export const overrideDefaults: SavedOverride = { type: '', rawDays: '0', hourDays: '0', dayDays: '0' }

/** Most ms of `gather`: a minute, which the keepalive of many clients is, too. */
export const mostGather = 60_000

export const usualPorts = { postgresql: 5432, mysql: 3306 } as const

/** The driver that a server needs; it is not installed with this package. */
export const driverPackages = { postgresql: 'pg', mysql: 'mysql2' } as const

/** Most of `prometheus`: each question of Prometheus reads as many rows. */
export const mostPrometheus = 10_000

/** Stands for a saved secret in the editor, which never gets the secret itself, and in what the editor sends. */
export const keptSecret = '__PWRD__'
