import type { IPublishPacket } from 'mqtt-packet'

/** What a test compares of messages: payload, packet id, and `again` where DUP is set. */
export function outline (messages: IPublishPacket[]): string[] {
  return messages.map(({ payload, messageId, dup }) => `${String(payload)} #${messageId}${dup ? ' again' : ''}`)
}

/** Payloads alone. */
export function payloads (messages: IPublishPacket[]): string[] {
  return messages.map(({ payload }) => String(payload))
}
