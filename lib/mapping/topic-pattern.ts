import { errorsOf } from '../errors.ts'
import { show } from '../messages/metrics.ts'
import { kindOf } from '../messages/topics.ts'
import { parseFilter } from '../mqtt/topic-filters.ts'

/** What is wrong with a row of "Other topics". */
export const invalid = errorsOf('TOPIC_RULE_INVALID')

/** A topic filter whose levels may have names. */
export interface TopicPattern {
  /** As MQTT writes it: a name is a `+`. */
  readonly filter: string
  readonly names: readonly string[]
  /** Whether a topic that the filter matches has an agent where `{uuid}` is, and not what belongs to another program. */
  hasAgent (topic: string): boolean
  /** What the names stand for in a topic that the filter matches. */
  read (topic: string): Readonly<Record<string, string>>
}

/**
 * What topics of programs begin with that are no devices: `{uuid}/status` is not meant for Home Assistant's own `homeassistant/status`, nor `{uuid}/sensor/{type}/state` for
 * a property of a Homie device.
 */
const programs: ReadonlySet<string> = new Set(['homeassistant', 'zigbee2mqtt', 'tasmota', 'shellies', 'homie', 'spBv1.0', 'telegraf'])

const name = /^\{([A-Za-z]\w*)\}$/

/**
 * `tele/{uuid}/SENSOR`: each name stands for one whole level, `+` for a level that nobody needs, and a `#` at the end for the rest.
 * @throws PlatziverseError TOPIC_RULE_INVALID
 */
export function parsePattern (text: unknown): TopicPattern {
  if (typeof text !== 'string' || text === '') throw invalid('There is no topic.')
  const places: Array<[name: string, level: number]> = []
  const levels = text.split('/').map((level, i) => {
    const [, named] = name.exec(level) ?? []
    if (named === undefined) {
      if (/[{}]/.test(level)) throw invalid(`In the topic ${show(text)}, ${show(level)} is no name: a name has letters and digits, and stands for a whole level, such as {uuid}.`)
      return level
    }
    if (places.some(([other]) => other === named)) throw invalid(`The topic ${show(text)} has the name {${named}} twice.`)
    places.push([named, i])
    return '+'
  })
  const filter = levels.join('/')
  if (parseFilter(filter) === undefined) throw invalid(`The topic ${show(text)} is no topic filter: + stands for a whole level, and # only at the end.`)
  if (filter.startsWith('$SYS/') || filter.startsWith('$share/')) throw invalid(`The topic ${show(text)} is the broker's own: nobody publishes on it.`)
  if (kindOf(filter) !== undefined) throw invalid(`The topic ${show(text)} is one of the three of agents, which need no row.`)
  const [, agentAt = -1] = places.find(([named]) => named === 'uuid') ?? []
  return {
    filter,
    hasAgent: topic => {
      if (agentAt < 0) return true
      const level = topic.split('/', agentAt + 1)[agentAt] as string
      // As MQTT's own wildcards do not stand for what begins with it: `homie/$broadcast` is no device.
      return !level.startsWith('$') && !(agentAt === 0 && programs.has(level))
    },
    names: places.map(([named]) => named),
    read: topic => {
      const given = topic.split('/')
      const names: Record<string, string> = {}
      for (const [named, level] of places) names[named] = given[level] as string
      return names
    }
  }
}
