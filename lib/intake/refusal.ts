import type { Refusal } from '../broker/publication.ts'
import type { RejectReason } from '../messages/parse.ts'
import { reasonCodes, type ReasonCode } from '../mqtt/reason-codes.ts'

/** Bytes of UTF-8 that a publisher is told: more would be a load for the small ones, and a detail quotes what was sent. */
const mostBytes = 500

/** What a publisher is told of a rejected message. Only codes that an acknowledgement may carry. [MQTT-3.4.2-1] */
const codes: Record<RejectReason, ReasonCode> = {
  TOPIC_UNKNOWN: reasonCodes.topicNameInvalid,
  PAYLOAD_NOT_UTF8: reasonCodes.payloadFormatInvalid,
  PAYLOAD_NOT_JSON: reasonCodes.payloadFormatInvalid,
  PAYLOAD_TOO_DEEP: reasonCodes.payloadFormatInvalid,
  PAYLOAD_TOO_LARGE: reasonCodes.quotaExceeded,
  FIELD_INVALID: reasonCodes.payloadFormatInvalid,
  TIMESTAMP_INVALID: reasonCodes.payloadFormatInvalid,
  TIMESTAMP_OUT_OF_RANGE: reasonCodes.payloadFormatInvalid,
  METRIC_TYPE_REPEATED: reasonCodes.payloadFormatInvalid,
  AGENT_NOT_THEIRS: reasonCodes.notAuthorized,
  AGENTS_TOO_MANY: reasonCodes.quotaExceeded,
  PAYLOAD_MALFORMED: reasonCodes.payloadFormatInvalid,
  BIRTH_UNKNOWN: reasonCodes.implementationSpecific
}

/** What the publisher of a rejected message gets with its acknowledgement, where it speaks MQTT 5. */
export function refusalOf ({ reason, detail }: { reason: RejectReason, detail: string }): Refusal {
  const text = `${reason}: ${detail}`
  // Writes whole characters only.
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(mostBytes))
  return { code: codes[reason], text: text.slice(0, read) }
}
