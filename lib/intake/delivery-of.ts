import type { Publication, Settle } from '../broker/publication.ts'
import { fingerprint, nextSeq } from '../messages/fingerprint.ts'
import type { RuleTable } from '../mapping/rules/rule-table.ts'
import { parse, type Message, type Rules } from '../messages/parse.ts'
import type { Weight } from '../messages/weigh.ts'
import type { Source } from './intake-handler.ts'
import type { Delivery, Unsettled } from './pending-deliveries.ts'
import { readingsOf } from './readings.ts'

/** A publication's turn in the window. */
export interface Turn {
  source: number
  bytes: number
  qos: number
  settle: Settle
  /** The messages of one publication: it is settled once they all are. */
  parts: { open: number, error: Error | undefined } | undefined
}

/** A publication on another topic that says one thing, however often it is read. */
export interface Reread { table: RuleTable, publication: Publication, weight: Weight }

/** With the message as it was published: a flow may change the one that it gets, and may get it again. */
export type Entry = Unsettled & { given: Buffer | Reread | Message, topic: string, rules: Rules | undefined, source: Source | undefined }

/** Whether a broker elsewhere gave it, which does not say who published it: every client of one in this process has a connection, but for the one whose last will it is. */
export function isFromElsewhere ({ connection, publisher = connection, will }: Publication): boolean {
  return connection === undefined && publisher === undefined && !will
}

/** The delivery of a publication, without its id. */
export function deliveryOf (publication: Publication, receivedAt: number): Delivery {
  const { connection, publisher = connection, qos, retain, observed, properties } = publication
  const delivery: Delivery = { id: '', clientId: publisher?.clientId ?? '', username: publisher?.username, qos, retain, receivedAt }
  if (connection?.origin !== undefined) delivery.origin = connection.origin
  if (isFromElsewhere(publication)) delivery.elsewhere = true
  if (observed === true) delivery.observed = true
  if (properties !== undefined) delivery.properties = properties
  return delivery
}

/**
 * Give a message that has no `seq` what tells it from others, and what every redelivery repeats if it has a timestamp.
 * @param untimed whether its timestamp is the time of receipt
 * @param index its place among the messages of one publication
 */
export function identify (message: Message, untimed: boolean, publication: Publication, delivery: Delivery, index = 0): void {
  if (message.kind !== 'message' || message.payload.seq !== undefined) return
  // Of the bytes, which every redelivery repeats, whatever the flow does to the message before it is stored.
  const first = untimed ? publication.seq ??= nextSeq() : fingerprint(publication.payload)
  delivery.fingerprint = index === 0 ? first : fingerprint(`${first}/${index}`)
  // In the payload as well, where it stays whatever the flow does with the rest, and where the next platform finds it.
  if (untimed) message.payload.seq = delivery.fingerprint
}

/** The message of a delivery, as it was before the flow got it. */
export function messageOf ({ given, topic, delivery, rules }: Entry): Message {
  if ('kind' in given) return structuredClone(given)
  const parsed = parse(topic, 'table' in given ? payloadOf(given, delivery.receivedAt) : given, delivery.receivedAt, undefined, rules)
  if (!parsed.ok) throw new TypeError('A message that was accepted cannot be parsed any more.')
  const { message } = parsed
  if (parsed.untimed && message.kind === 'message' && delivery.fingerprint !== undefined) message.payload.seq = delivery.fingerprint
  return message
}

function payloadOf ({ table, publication, weight }: Reread, receivedAt: number): object | undefined {
  return readingsOf(table, publication, weight, receivedAt).messages[0]?.payload
}
