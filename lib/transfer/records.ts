/** What a line of an export is. Times are UTC ms; `hour` and `day` are their start. */
export type TransferRecord =
  | { agent: AgentRecord }
  | { series: { uuid: string, type: string, rawFrom: number, hoursFrom: number } }
  | MetricRecord
  | RollupRecord

export interface AgentRecord {
  uuid: string
  username: string | null
  name: string | null
  hostname: string | null
  pid: number | null
  createdAt: number
  lastSeenAt: number | null
}

export interface MetricRecord { uuid: string, type: string, timestamp: number, seq: number, value: number | string }

export type RollupRecord = { uuid: string, type: string, n: number, sum: number, min: number, max: number, last: number } & ({ hour: number } | { day: number })

/** The file that is standard input or output. */
export const standard = '-'

/** The columns of a CSV export, which has metrics alone; a text is in `text`, a number in `value`. */
export const csvColumns = ['uuid', 'type', 'timestamp', 'seq', 'value', 'text'] as const

/** A metric as a line of CSV [RFC 4180]. */
export function csvLine ({ uuid, type, timestamp, seq, value }: MetricRecord): string {
  const [number, text] = typeof value === 'string' ? ['', quoted(value)] : [String(value), '']
  return `${quoted(uuid)},${quoted(type)},${timestamp},${seq},${number},${text}`
}

function quoted (text: string): string {
  return /[",\r\n]/.test(text) || text === '' ? `"${text.replaceAll('"', '""')}"` : text
}
