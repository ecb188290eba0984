import { adds, upgradeBy } from '../shared/migrations.ts'
import { bridgeDefaults, topicDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(bridgeDefaults, [
  { to: '0.2.0', migrate: adds({ hasLogin: false, localUser: '' }) }
], { items: { topics: topicDefaults } })
