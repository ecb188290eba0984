import { adds, upgradeBy } from '../shared/migrations.ts'
import { agentDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(agentDefaults, [
  { to: '0.2.0', migrate: adds({ hasLogin: false }) }
])
