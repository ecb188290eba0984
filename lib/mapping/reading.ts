import type { RejectReason } from '../messages/parse.ts'
import type { Weight } from '../messages/weigh.ts'
import type { TopicRule } from './topic-rule.ts'

/** What one publication says of one agent. `parse` checks it like a message that an agent sent itself. */
export type Reading =
  | { kind: 'message', agent: ReadAgent, metrics: Array<{ type: string, value: number | boolean | string }>, timestamp?: number | string }
  | { kind: 'connected' | 'disconnected', agent: ReadAgent, timestamp?: number | string }

export interface ReadAgent { uuid: string, name?: string, username?: string, hostname?: string }

export type Read = ({ ok: true, readings: Reading[] } | { ok: false, reason: RejectReason, detail: string }) & { asks?: Asked | undefined }

/** What the sender should be told, so that what it sends can be read. */
export interface Asked {
  /** Whom it concerns: who may not speak for it does not make us ask. */
  agent: ReadAgent
  topic: string
  payload: Buffer
}

/** A publication whose topic a rule matches. */
export interface Matched {
  topic: string
  payload: Buffer
  /** The payload as text; absent: nobody needed it yet, or it is no UTF-8. */
  text?: string | undefined
  /** What it weighs as JSON, where that is known. */
  weight?: Weight | undefined
  /** The levels that the rule names, in the topic: `{ uuid: 'sonoff-1' }`. */
  names: Readonly<Record<string, string>>
  /** UTC ms. */
  receivedAt: number
  /** The user that published it, if a login proved one. */
  user?: string | undefined
}

/**
 * Reads payloads of one format, as one rule wants it. What cannot be read is a `Read` that is not ok, never a throw. A payload may hold nothing of interest: then
 * there are no readings.
 */
export type PayloadReader = (matched: Matched) => Read

/** Makes the reader of a rule. Throws a PlatziverseError for a rule that makes no sense. */
export type MakeReader = (rule: TopicRule) => PayloadReader
