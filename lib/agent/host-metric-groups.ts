/** The groups of host metrics that an agent can report. */
export const hostMetricGroups = ['cpu', 'memory', 'temperature', 'disk', 'network'] as const
export type HostMetricGroup = typeof hostMetricGroups[number]
