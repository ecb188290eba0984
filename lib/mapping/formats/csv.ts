import { show } from '../../messages/metrics.ts'
import { agentOf } from '../agent.ts'
import { choiceOf } from '../choice.ts'
import { textOf } from '../payload-text.ts'
import type { MakeReader, Read } from '../reading.ts'
import { textValue } from '../text-value.ts'
import { timeOf } from '../time.ts'
import { invalid } from '../topic-pattern.ts'
import { csvRows } from './csv-rows.ts'
import { Gathered, longestType, mostMetrics } from './gathered.ts'

/**
 * Lines of columns, each line a sample; a column is a metric's type. The names are the rule's, or in the first line; a first line that repeats
 * those of the rule is skipped.
 */
export const csv: MakeReader = rule => {
  const delimiter = rule.separator ? rule.separator.replace('\\t', '\t') : ','
  if (delimiter.length !== 1 || '"\r\n'.includes(delimiter)) throw invalid(`${show(rule.separator)} cannot part columns: choose one character, such as ; or \\t.`)
  const agents = agentOf(rule, true)
  const { time } = rule
  const typeOf = choiceOf(rule, [...agents.paths, ...time === undefined ? [] : [time.path]])
  return matched => {
    const decoded = textOf(matched.payload)
    if (!decoded.ok) return decoded
    const table = csvRows(decoded.text, delimiter, mostMetrics)
    if (!table.ok) return table.reason === 'PAYLOAD_MALFORMED' ? malformed(table.detail) : table
    const { rows } = table
    const columns = rule.columns?.length ? rule.columns : rows.shift() ?? []
    if (rows[0]?.every((cell, i) => cell === columns[i])) rows.shift()
    const gathered = new Gathered()
    for (const row of rows) {
      if (row.length > columns.length) return malformed(`${show(row.join(delimiter))} has ${row.length} columns, and ${columns.length} have names.`)
      const cells = row.map((cell, i): [string, string] => [columns[i] as string, cell])
      const fields = Object.fromEntries(cells)
      const found = agents.find(matched, fields)
      if (!found.ok) return found
      const written = time === undefined || !Object.hasOwn(fields, time.path) || fields[time.path] === '' ? undefined : fields[time.path]
      const timed = timeOf(written, time?.unit ?? 'auto')
      if (!timed.ok) return timed
      for (const [column, cell] of cells) {
        const value = textValue(cell)
        const type = value === undefined ? undefined : typeOf(column.slice(0, longestType))
        if (value !== undefined && type !== undefined) gathered.add(found.agent, timed.timestamp, type, value)
      }
      if (gathered.isTooMuch) break
    }
    return gathered.read()
  }
}

function malformed (detail: string): Exclude<Read, { ok: true }> {
  return { ok: false, reason: 'PAYLOAD_MALFORMED', detail: `The payload is no CSV that fits the row: ${detail}` }
}
