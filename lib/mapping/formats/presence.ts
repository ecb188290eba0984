import { isObject } from '../../is-object.ts'
import { decode } from '../../messages/decode.ts'
import { show } from '../../messages/metrics.ts'
import { agentOf } from '../agent.ts'
import type { MakeReader, Read } from '../reading.ts'
import { fieldAt } from '../template.ts'
import { timeOf } from '../time.ts'
import { invalid } from '../topic-pattern.ts'

const nothing: Read = { ok: true, readings: [] }

/**
 * Whether an agent is there: a text that says so, or one in a field of JSON, for which the text alone stands as well. Several texts are parted by `|`. An empty payload
 * clears what was retained: the device was renamed or removed, and nobody would say any more that it went.
 */
export const presence: MakeReader = rule => {
  const { online = 'online', offline = 'offline', path } = rule.presence ?? {}
  const agents = agentOf(rule, Boolean(path))
  const { time } = rule
  const [stateAt, timeAt] = [path ? fieldAt(path) : undefined, time && fieldAt(time.path)]
  if (time !== undefined && !path) throw invalid('A payload that is one text has no time: leave the time empty.')
  const [came, went] = [online.split('|'), offline.split('|')]
  const both = came.find(text => went.includes(text))
  if (both !== undefined) throw invalid(`The text ${show(both)} cannot say both that an agent is there and that it is not.`)
  return matched => {
    const decoded = path ? decode(matched.text ?? matched.payload, matched.weight) : undefined
    // Some devices send an object since a newer version, and the text alone before.
    const fields = decoded?.ok && isObject(decoded.value) ? decoded.value : undefined
    const text = stateAt !== undefined && fields !== undefined ? stateAt(fields) : (matched.text ?? matched.payload.toString()).trim()
    const isCleared = matched.payload.length === 0
    const kind = isCleared ? 'disconnected' : came.includes(String(text)) ? 'connected' : went.includes(String(text)) ? 'disconnected' : undefined
    if (kind === undefined) return { ok: false, reason: 'FIELD_INVALID', detail: `${show(text)} says neither that the agent is there (${online}) nor that it is not (${offline}).` }
    const found = agents.find(matched, fields)
    if (!found.ok) return isCleared ? nothing : found
    const timed = time === undefined || timeAt === undefined || isCleared ? undefined : timeOf(timeAt(fields), time.unit)
    if (timed?.ok === false) return timed
    return { ok: true, readings: [{ kind, agent: found.agent, ...timed?.timestamp === undefined ? {} : { timestamp: timed.timestamp } }] }
  }
}
