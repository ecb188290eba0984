/** What a metric-store node saves. */
export interface MetricStoreConfig {
  name: string
  /** Id of the platziverse-database. */
  database: string
  /** Seconds that agents have to come back after Node-RED started, before they count as disconnected. */
  grace: number | string
  /** Seconds without a message after which an agent counts as disconnected; 0: these do not count. */
  silence: number | string
  /** … and how many of its usual intervals without one; 0: these do not count. */
  intervals: number | string
}

export const metricStoreDefaults: MetricStoreConfig = { name: '', database: '', grace: 60, silence: 0, intervals: 0 }
