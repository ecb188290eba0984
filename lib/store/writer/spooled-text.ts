import { crc32 } from 'node:zlib'
import type { Message } from '../../messages/parse.ts'
import type { Agent } from '../../messages/schema.ts'
import type { ReceivedMessage } from './changes.ts'

/** Characters of the checksum, in hexadecimal. */
const sumLength = 8

type Kept = Message & Pick<ReceivedMessage, 'queuedAt'> & { elsewhere?: true }

/**
 * A message as it is written into the spool: a checksum, because SQLite has none, and JSON.
 * @throws what `JSON.stringify` does
 */
export function spooledText (entry: ReceivedMessage): string {
  const text = JSON.stringify([kept(entry), entry.receivedAt, entry.seq, ...negativeZerosOf(entry)])
  return sumOf(text) + text
}

/** The message that was written. @param spooled what is in its place @returns undefined: that is something else */
export function readSpooledText (spooled: unknown): ReceivedMessage | undefined {
  if (typeof spooled !== 'string') return undefined
  const text = spooled.slice(sumLength)
  if (spooled.slice(0, sumLength) !== sumOf(text)) return undefined
  const [{ elsewhere, queuedAt, ...message }, receivedAt, seq, ...negativeZeros] = JSON.parse(text) as [Kept, number, number, ...number[]]
  if (message.kind === 'message') for (const i of negativeZeros) (message.payload.metrics[i] as { value: number }).value = -0
  return { message: message as Message, receivedAt, seq, ...elsewhere === undefined ? {} : { elsewhere }, ...queuedAt === undefined ? {} : { queuedAt } }
}

function sumOf (text: string): string {
  return crc32(text).toString(16).padStart(sumLength, '0')
}

/** Which of the metrics are −0, which JSON.stringify writes as 0. */
function negativeZerosOf ({ message }: ReceivedMessage): number[] {
  return message.kind === 'message' ? message.payload.metrics.flatMap(({ value }, i) => Object.is(value, -0) ? [i] : []) : []
}

/** The part of a message that the database stores; unknown fields have no place there. */
function kept ({ message: { kind, topic, payload }, elsewhere: isElsewhere, queuedAt }: ReceivedMessage): object {
  const elsewhere = isElsewhere === true ? true : undefined
  const { uuid, username, name, hostname, pid } = payload.agent as Agent
  const agent = { uuid, username, name, hostname, pid }
  if (kind !== 'message') return { kind, topic, elsewhere, queuedAt, payload: { agent, timestamp: payload.timestamp, seq: payload.seq } }
  return { kind, topic, elsewhere, payload: { agent, metrics: payload.metrics.map(({ type, value }) => ({ type, value })), timestamp: payload.timestamp } }
}
