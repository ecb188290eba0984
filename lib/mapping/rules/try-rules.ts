import { isUtf8 } from 'node:buffer'
import { parse, topics } from '../../messages/parse.ts'
import type { RuleTable } from './rule-table.ts'
import type { Tried } from './tried.ts'

/** Characters of a payload, lines of a publication and metrics of a line that are shown. */
const [mostCharacters, mostLines, mostMetrics] = [200, 10, 20]

/** @param receivedAt UTC ms */
export function tryRules (table: RuleTable, topic: string, payload: Buffer, receivedAt: number): Tried {
  const text = isUtf8(payload) ? payload.toString() : payload.toString('hex')
  const tried: Tried = { topic, payload: shortened(text) }
  const read = table.read(topic, payload, receivedAt)
  if (read === undefined) return tried
  if (!read.ok) return { ...tried, lines: [], detail: read.detail }
  const lines: NonNullable<Tried['lines']> = []
  let detail: string | undefined
  for (const { kind, ...message } of read.readings.slice(0, mostLines)) {
    const parsed = parse(topics[kind], message, receivedAt)
    detail ??= parsed.ok ? parsed.bad[0]?.detail : parsed.detail
    if (!parsed.ok) continue
    const { agent } = parsed.message.payload
    if (parsed.message.kind !== 'message') lines.push({ uuid: agent.uuid, is: parsed.message.kind })
    else {
      const { metrics, timestamp } = parsed.message.payload
      const values = metrics.slice(0, mostMetrics).map(({ type, value }) => `${type} = ${shortened(String(value))}`)
      lines.push(`${agent.uuid}${parsed.untimed ? '' : ` ${new Date(timestamp).toISOString()}`}: ${[...values, ...metrics.length > mostMetrics ? ['…'] : []].join(', ')}`)
    }
  }
  if (read.readings.length > mostLines) lines.push('…')
  return { ...tried, lines, ...detail === undefined ? {} : { detail } }
}

function shortened (text: string): string {
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text
}
