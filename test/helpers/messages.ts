import type { Message } from '../../lib/messages/parse.ts'
import { parse } from '../../lib/messages/parse.ts'

let counter = 0

/** A message's payload as JSON, unlike any other. */
export function reading (uuid = 'agent-1', overrides: object = {}): string {
  counter++
  return JSON.stringify({
    agent: { uuid, username: 'tester', name: `Agent ${uuid}`, hostname: 'host', pid: 7 },
    metrics: [{ type: 'cpu', value: counter / 100 }, { type: 'state', value: 'ok' }, { type: 'on', value: true }],
    timestamp: 1_700_000_000_000 + counter,
    ...overrides
  })
}

/** The checked message of a topic and a payload. */
export function message (topic: string, payload: unknown): Message {
  const parsed = parse(topic, payload, 1_700_000_000_000)
  if (!parsed.ok) throw new Error(parsed.detail)
  return parsed.message
}
