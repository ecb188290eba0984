/** What can be asked. */
export const queryNames = ['agents', 'connectedAgents', 'agentsOf', 'agent', 'types', 'latest', 'latestOfAll', 'series', 'buckets', 'typeBuckets'] as const
export type QueryName = typeof queryNames[number]

/** `objects`: all rows at once; `parts`: page by page; `chart`: all rows at once, as points of a chart. */
export const resultKinds = ['objects', 'parts', 'chart'] as const
export type ResultKind = typeof resultKinds[number]

/** Buckets that are as long as the calendar says; weeks begin on Monday. */
export const calendarUnits = ['day', 'week', 'month', 'year'] as const
export type CalendarUnit = typeof calendarUnits[number]

/** What a bucket says about its metrics. */
export const aggregates = ['avg', 'min', 'max', 'sum', 'count', 'last'] as const
export type Aggregate = typeof aggregates[number]
