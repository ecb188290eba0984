import { adds, upgradeBy } from '../shared/migrations.ts'
import { databaseDefaults, overrideDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(databaseDefaults, [
  {
    to: '0.2.0',
    migrate: adds({
      connection: 'fields', host: '127.0.0.1', port: '', database: 'platziverse', hasLogin: false, secure: false, tls: '', poolSize: '5',
      gather: '0', spool: '0', prometheus: '0', rawDays: '0', hourDays: '0', dayDays: '0', overrides: []
    })
  }
], { items: { overrides: overrideDefaults } })
