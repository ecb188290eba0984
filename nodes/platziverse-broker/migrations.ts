import { adds, upgradeBy } from '../shared/migrations.ts'
import { brokerDefaults, listenerDefaults, ruleDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(brokerDefaults, [
  {
    to: '0.2.0',
    migrate: adds({
      mode: 'embedded', login: 'users', userCount: 0, listeners: [], origins: '', tls: '', rules: [], limits: {},
      persistence: 'memory', folder: '', sys: 0, prometheus: false
    })
  }
], { items: { listeners: listenerDefaults, rules: ruleDefaults } })
