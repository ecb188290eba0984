import { savedRuleDefaults } from '../../lib/alerts/rules/saved-rule.ts'
import { savedMaintenanceDefaults } from '../../lib/alerts/rules/saved-maintenance.ts'
import { upgradeBy } from '../shared/migrations.ts'
import { metricAlertDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(metricAlertDefaults, [], { items: { rules: savedRuleDefaults, maintenance: savedMaintenanceDefaults } })
