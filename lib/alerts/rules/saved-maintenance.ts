/** Times at which nothing is announced, as they are saved. */
export interface SavedMaintenance {
  /** A line of cron, of five or six fields: when it begins. */
  cron: string
  minutes: number | string
  /** IANA; empty: that of the process. */
  timezone: string
  /** Patterns of uuids and names; empty: all agents. */
  agents: string
}

export const savedMaintenanceDefaults: SavedMaintenance = { cron: '', minutes: 60, timezone: '', agents: '' }

/** Whether there is such a time zone; an empty one is that of the process. */
export function isTimezone (name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', name.trim() === '' ? {} : { timeZone: name.trim() })
    return true
  } catch {
    return false
  }
}
