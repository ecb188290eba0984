import { decode } from '../../messages/decode.ts'
import { show } from '../../messages/metrics.ts'
import { agentOf } from '../agent.ts'
import type { MakeReader, Read } from '../reading.ts'
import { fieldOf } from '../template.ts'
import { timeOf } from '../time.ts'
import { invalid } from '../topic-pattern.ts'

const nothing: Read = { ok: true, readings: [] }

/** Whether an agent is there: a text that says so, or one in a field of JSON. Several texts are parted by `|`. */
export const presence: MakeReader = rule => {
  const { online = 'online', offline = 'offline', path } = rule.presence ?? {}
  const agents = agentOf(rule, Boolean(path))
  const { time } = rule
  if (time !== undefined && !path) throw invalid('A payload that is one text has no time: leave the time empty.')
  const [came, went] = [online.split('|'), offline.split('|')]
  const both = came.find(text => went.includes(text))
  if (both !== undefined) throw invalid(`The text ${show(both)} cannot say both that an agent is there and that it is not.`)
  return matched => {
    if (matched.payload.length === 0) return nothing
    const decoded = path ? decode(matched.payload) : { ok: true as const, value: matched.payload.toString().trim() }
    if (!decoded.ok) return decoded
    const text = path ? fieldOf(decoded.value, path) : decoded.value
    const kind = came.includes(String(text)) ? 'connected' : went.includes(String(text)) ? 'disconnected' : undefined
    if (kind === undefined) return { ok: false, reason: 'FIELD_INVALID', detail: `${show(text)} says neither that the agent is there (${online}) nor that it is not (${offline}).` }
    const found = agents.find(matched, decoded.value)
    if (!found.ok) return found
    const timed = time === undefined ? undefined : timeOf(fieldOf(decoded.value, time.path), time.unit)
    if (timed?.ok === false) return timed
    return { ok: true, readings: [{ kind, agent: found.agent, ...timed?.timestamp === undefined ? {} : { timestamp: timed.timestamp } }] }
  }
}
