import { hostMetricGroups, type HostMetricGroup } from '../../lib/agent/host-metric-groups.ts'
import { adds, upgradeBy } from '../shared/migrations.ts'
import { agentDefaults } from './config.ts'

/** A group of metrics that a node does not name came later, and nobody chose it. */
const noGroups = Object.fromEntries(hostMetricGroups.map(group => [group, false])) as Record<HostMetricGroup, boolean>

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy({ ...agentDefaults, ...noGroups }, [
  { to: '0.2.0', migrate: adds({ hasLogin: false, uuid: '', commands: true, willDelay: 10 }) }
])
