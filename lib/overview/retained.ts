import type { Delivered } from '../broker/publication.ts'
import type { RetainedTopic, RetainedTopics } from './shown.ts'

/** Most retained messages that are looked at for a search, and most bytes of a payload that are shown. */
const mostLooked = 20_000
const mostShown = 200
/** Most characters of the topics of an answer: each may have 65,535. */
const mostCharacters = 500_000

/**
 * The retained messages of a broker whose topics have `search` in them, in whatever case.
 * @param most rows
 * @throws AbortError while the broker is not open
 */
export async function retainedOf (
  broker: { retained (filters: string[], signal: AbortSignal): AsyncIterable<Delivered> }, { search, most }: { search: string, most: number }
): Promise<RetainedTopics> {
  const wanted = search.toLowerCase()
  const rows: RetainedTopic[] = []
  let looked = 0
  let characters = 0
  let more = false
  for await (const { topic, payload, qos } of broker.retained(['#'], AbortSignal.abort())) {
    if (looked++ === mostLooked) {
      more = true
      break
    }
    if (!topic.toLowerCase().includes(wanted)) continue
    characters += topic.length
    if (rows.length === most || characters > mostCharacters) {
      more = true
      break
    }
    rows.push({ topic, payload: beginningOf(payload), bytes: payload.length, qos })
  }
  rows.sort((a, b) => a.topic < b.topic ? -1 : 1)
  return { rows, more }
}

function beginningOf (payload: Buffer): string | null {
  // A character may be cut in two.
  const text = payload.toString('utf8', 0, mostShown).replace(payload.length > mostShown ? /\uFFFD+$/ : /$^/, '')
  if (/[\uFFFD\0]/.test(text)) return null
  return payload.length > mostShown ? `${text}…` : text
}
