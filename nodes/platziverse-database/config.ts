/** The databases that a platziverse-database can be. */
export const databaseClients = ['sqlite'] as const
export type DatabaseClient = typeof databaseClients[number]

/** What a platziverse-database node saves. */
export interface DatabaseConfig {
  name: string
  client: DatabaseClient
  /** The SQLite file; relative to Node-RED's user directory. */
  filename: string
}

export const databaseDefaults: DatabaseConfig = { name: '', client: 'sqlite', filename: 'platziverse.sqlite' }
