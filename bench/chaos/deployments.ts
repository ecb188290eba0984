/** What the chaos happens to: what brokers, works and stores. */
export interface Deployment {
  id: string
  title: string
  /** Inside Node-RED, or a server of its own. */
  broker: BrokerKind
  /** How many Node-REDs there are. */
  workers: number
  database: DatabaseKind
  /** What the nodes save differently from the example, by their types. */
  saved?: Record<string, Record<string, unknown>>
}

export type BrokerKind = 'embedded' | 'mosquitto'
export type DatabaseKind = 'sqlite' | 'postgresql' | 'mariadb'

export const deployments: readonly Deployment[] = [
  { id: 'sqlite', title: 'SQLite', broker: 'embedded', workers: 1, database: 'sqlite' },
  { id: 'postgresql', title: 'PostgreSQL', broker: 'embedded', workers: 1, database: 'postgresql' },
  { id: 'mariadb', title: 'MariaDB', broker: 'embedded', workers: 1, database: 'mariadb' },
  {
    id: 'spool',
    title: 'PostgreSQL and a spool, sessions on disk',
    broker: 'embedded',
    workers: 1,
    database: 'postgresql',
    saved: { 'platziverse-database': { spool: 100 }, 'platziverse-broker': { persistence: 'disk' } }
  },
  { id: 'mosquitto', title: 'Two workers on Mosquitto, PostgreSQL', broker: 'mosquitto', workers: 2, database: 'postgresql' }
]
