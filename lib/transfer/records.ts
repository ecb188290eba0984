import type { AgentDescription } from '../store/dialects/agent-columns.ts'
import type { Aggregate } from '../store/rollup/rollup-columns.ts'

/** What a line of an export is. Times are UTC ms; `hour` and `day` are their start. */
export type TransferRecord =
  | { agent: AgentRecord }
  | { series: SeriesRecord }
  | MetricRecord
  | RollupRecord

export interface AgentRecord extends AgentDescription {
  uuid: string
  createdAt: number
  lastSeenAt: number | null
  /** What the agent said last of its presence, by its own clock. Absent where it said nothing, and in the exports of older versions. */
  presence?: PresenceRecord
}

/** `timestamp` and `seq` of the newest `agent/connected` and `agent/disconnected`, and the newest timestamp of its messages. */
export interface PresenceRecord { cameAt: number | null, cameSeq: number | null, leftAt: number | null, leftSeq: number | null, spokeAt: number | null }

/** The columns of these. */
export const presenceColumns = { cameAt: 'came_at', cameSeq: 'came_seq', leftAt: 'left_at', leftSeq: 'left_seq', spokeAt: 'spoke_at' } as const satisfies Record<keyof PresenceRecord, string>

export interface SeriesRecord {
  uuid: string
  type: string
  rawFrom: number
  hoursFrom: number
  /** The newest metric, which retention may have deleted. Absent: there never was one, or an older version wrote the export. */
  latest?: { timestamp: number, value: number | string }
}

export interface MetricRecord { uuid: string, type: string, timestamp: number, seq: number, value: number | string }

export type RollupRecord = { uuid: string, type: string } & Omit<Aggregate, keyof RollupDetails> & RollupDetails & ({ hour: number } | { day: number })

/** Absent where the database has null, and in the exports of older versions. */
export interface RollupDetails {
  /** Of the metric that is `last`. */
  lastTs?: number
  lastSeq?: number
  /** The sum divided by 2^64, where it leaves the range of a double. */
  scaledSum?: number
}

/** The file that is standard input or output. */
export const standard = '-'

/** The columns of a CSV export, which has metrics alone; a text is in `text`, a number in `value`. */
export const csvColumns = ['uuid', 'type', 'timestamp', 'seq', 'value', 'text'] as const

/**
 * A text that a spreadsheet would take for a formula, and that an agent may have sent (OWASP, "CSV Injection"), after any number of apostrophes.
 * CSV gets one apostrophe more, which an import takes off again.
 */
const formula = /^'*[=+\-@\t\r\n＝＋－＠]/

/** A text as CSV has it. */
function neutralised (text: string): string {
  return formula.test(text) ? `'${text}` : text
}

/** The text that `neutralised` was given. */
export function restored (text: string): string {
  return text.startsWith("'") && formula.test(text) ? text.slice(1) : text
}

/** A record as JSON whose end is this value: JSON has a negative zero, JSON.stringify has none. */
export function jsonLine (record: object, value: number | string | undefined): string {
  const line = JSON.stringify(record)
  return Object.is(value, -0) ? line.replace(/0(\}+)$/, '-0$1') : line
}

/** A metric as a line of CSV [RFC 4180]. */
export function csvLine ({ uuid, type, timestamp, seq, value }: MetricRecord): string {
  const [number, text] = typeof value === 'string' ? ['', quoted(value)] : [Object.is(value, -0) ? '-0' : String(value), '']
  return `${quoted(uuid)},${quoted(type)},${timestamp},${seq},${number},${text}`
}

function quoted (given: string): string {
  const text = neutralised(given)
  return /[",\r\n]/.test(text) || text === '' ? `"${text.replaceAll('"', '""')}"` : text
}
