import type { FaultName } from './faults.ts'

/** What the chaos happens to: what brokers, works and stores. */
export interface Deployment {
  id: string
  title: string
  /** Inside Node-RED, or a server of its own. */
  broker: BrokerKind
  /** How many Node-REDs there are. */
  workers: number
  /** How several of them divide the messages among them: by a shared subscription, or by topics. */
  split?: 'share' | 'shards'
  /** How a broker of its own makes known that an agent left: by the agent's last will, or by what it says of its clients. The one inside Node-RED knows. */
  presence?: 'wills' | 'client events'
  database: DatabaseKind
  /** What the nodes save differently from the example, by their types. */
  saved?: Record<string, Record<string, unknown>>
  /** What it does not promise to survive. */
  without?: readonly FaultName[]
}

export type BrokerKind = 'embedded' | 'mosquitto' | 'rabbitmq' | 'nats'
export type DatabaseKind = 'sqlite' | 'postgresql' | 'mariadb'

export const deployments: readonly Deployment[] = [
  { id: 'sqlite', title: 'SQLite', broker: 'embedded', workers: 1, database: 'sqlite' },
  { id: 'postgresql', title: 'PostgreSQL', broker: 'embedded', workers: 1, database: 'postgresql' },
  { id: 'mariadb', title: 'MariaDB', broker: 'embedded', workers: 1, database: 'mariadb' },
  { id: 'spool', title: 'PostgreSQL and a spool', broker: 'embedded', workers: 1, database: 'postgresql', saved: { 'platziverse-database': { spool: 100 } } },
  { id: 'shards', title: 'Two workers on Mosquitto, by topics', broker: 'mosquitto', workers: 2, split: 'shards', presence: 'wills', database: 'postgresql' },
  {
    id: 'share',
    title: 'Two workers on Mosquitto, by `$share`',
    broker: 'mosquitto',
    workers: 2,
    split: 'share',
    presence: 'client events',
    database: 'postgresql',
    // A kept session has no shared subscription any more when Mosquitto 2.0 was restarted: until a worker is back, what comes reaches nobody.
    without: ['broker-stop']
  },
  { id: 'rabbitmq', title: 'Two workers on RabbitMQ, by topics', broker: 'rabbitmq', workers: 2, split: 'shards', presence: 'wills', database: 'postgresql' },
  { id: 'nats', title: 'Two workers on NATS, by topics', broker: 'nats', workers: 2, split: 'shards', presence: 'wills', database: 'postgresql' }
]
