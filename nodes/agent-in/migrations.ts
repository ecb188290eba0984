import { adds, upgradeBy } from '../shared/migrations.ts'
import { agentInDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(agentInDefaults, [
  { to: '0.2.0', migrate: adds({ clientMemory: 8, totalMemory: 64, pastDays: 3650, futureDays: 1, outside: 'reject', numericText: false, otherTopics: [] }) }
])
