import type { Metric } from '../../messages/schema.ts'
import { agentOf } from '../agent.ts'
import { choiceOf } from '../choice.ts'
import type { Matched, Read } from '../reading.ts'
import { timeOf } from '../time.ts'
import { invalid, parsePattern } from '../topic-pattern.ts'
import type { TopicRule } from '../topic-rule.ts'
import { Gathered, longestType } from './gathered.ts'

/** A measurement as Telegraf and InfluxDB have it, in whatever format. */
export interface Measured {
  name: string
  /** In the order of their keys. */
  tags: Array<[key: string, value: string]>
  fields: Array<[key: string, value: Metric['value']]>
  time: unknown
}

const longestHostname = 255

/**
 * Makes messages of measurements. A metric's type is the measurement, the values of its tags in the order of their keys, and the field:
 * `cpu,cpu=cpu0,host=gw usage_idle=98` is `cpu.cpu0.usage_idle`. Tags of which uuid and name are made are not in it, nor is `host`: it is the agent's
 * host name. Without a uuid in the rule, or in its topic, the agent is `{$.host}`.
 * @param unit of times, where the rule names none
 * @throws PlatziverseError TOPIC_RULE_INVALID
 */
export function seriesOf (rule: TopicRule, unit: 's' | 'ns'): (matched: Matched, measured: Iterable<Measured>) => Read {
  if (rule.time?.unit === 'iso') throw invalid(`A time of the format ${rule.format} is a number: choose s, ms, µs or ns.`)
  const given = rule.time === undefined || rule.time.unit === 'auto' ? unit : rule.time.unit
  const agents = agentOf(rule.uuid || parsePattern(rule.topic).names.includes('uuid') ? rule : { ...rule, uuid: '{$.host}' }, true)
  const typeOf = choiceOf(rule)
  const ofAgent = new Set(['host', ...agents.paths])
  return (matched, measured) => {
    const gathered = new Gathered()
    for (const { name, tags, fields, time } of measured) {
      const found = agents.find(matched, agents.paths.length === 0 ? undefined : Object.fromEntries(tags))
      if (!found.ok) return found
      const timed = timeOf(time, given)
      if (!timed.ok) return timed
      const host = tags.find(([key]) => key === 'host')?.[1]
      if (host !== undefined && host.length <= longestHostname) found.agent.hostname = host
      const prefix = [name, ...tags.filter(([key]) => !ofAgent.has(key)).map(([, value]) => value)].join('.').slice(0, longestType)
      for (const [key, value] of fields) {
        const type = typeOf(`${prefix}.${key.slice(0, longestType)}`)
        if (type !== undefined) gathered.add(found.agent, timed.timestamp, type, value)
      }
      if (gathered.isTooMuch) break
    }
    return gathered.read()
  }
}
