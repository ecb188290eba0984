import type { SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import type { SavedMaintenance } from '../../lib/alerts/rules/saved-maintenance.ts'

/** What a metric-alert node saves. */
export interface MetricAlertConfig {
  name: string
  /** Id of the platziverse-database. */
  database: string
  rules: SavedRule[]
  maintenance: SavedMaintenance[]
  /** More changes than these within so many seconds become one message; 0: never. */
  digest: number | string
  digestWithin: number | string
  /** Where the dashboard shows an agent, with `{uuid}` and `{type}`; empty: messages have no link. */
  link: string
}

export const metricAlertDefaults: MetricAlertConfig = { name: '', database: '', rules: [], maintenance: [], digest: 10, digestWithin: 60, link: '' }
