import { upgradeBy } from '../shared/migrations.ts'
import { metricStoreDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(metricStoreDefaults, [])
