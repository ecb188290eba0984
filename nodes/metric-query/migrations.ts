import { upgradeBy } from '../shared/migrations.ts'
import { metricQueryDefaults, type MetricQueryConfig } from './config.ts'

/** Lists had no limit; what a form once had of a series was not looked at. */
const lists: unknown[] = ['agents', 'connectedAgents', 'agentsOf', 'latestOfAll']

/** What a message may say as well is checked with what it says. */
const asked: Array<keyof MetricQueryConfig> = [
  'query', 'uuid', 'metricType', 'username', 'from', 'to', 'limit', 'order', 'bucket', 'points', 'timezone', 'aggregates', 'fill', 'result', 'follow'
]

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(metricQueryDefaults, [
  { to: '0.2.0', migrate: saved => saved.follow === undefined && lists.includes(saved.query) ? { ...saved, limit: '' } : saved }
], { any: asked })
