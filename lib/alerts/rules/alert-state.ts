import type { Verdict } from './verdict.ts'

/** `pending`: wrong, but not for long enough; `ending`: raised, and right, but not for long enough. */
export type Phase = 'ok' | 'pending' | 'raised' | 'ending'

/** One rule for one series, or one agent. Never changed: what happens makes another one. */
export interface AlertState {
  phase: Phase
  /** Since when it is wrong, by the agent's clock; UTC ms. */
  since: number
  /** Since when it is right again, while `ending`. */
  right: number
  /** When what is pending or ending is so for long enough if nothing comes meanwhile, by our clock; Infinity: never. */
  due: number
}

/** ms for which it has to be wrong, and then right. */
export interface Spans { for: number, endFor: number }

export const ok: AlertState = { phase: 'ok', since: 0, right: 0, due: Infinity }

export function isRaised ({ phase }: AlertState): boolean {
  return phase === 'raised' || phase === 'ending'
}

/**
 * What becomes of a state by a value. It is long enough when the agent's clock says so: values that were kept back while there was no connection count as
 * if they had come in time.
 * @param at when the value was measured, and `now` when it came; UTC ms
 * @returns the same state where nothing changes
 */
export function afterValue (state: AlertState, verdict: Verdict, at: number, now: number, spans: Spans): AlertState {
  switch (state.phase) {
    case 'ok': return verdict === 'wrong' ? wrongSince(at, now, spans.for) : state
    case 'pending':
      if (verdict !== 'wrong') return ok
      return at - state.since >= spans.for ? raisedSince(state.since) : state
    case 'raised': return verdict === 'right' ? rightSince(state, at, now, spans.endFor) : state
    case 'ending':
      if (verdict !== 'right') return raisedSince(state.since)
      return at - state.right >= spans.endFor ? ok : state
  }
}

/** What becomes of a state because nothing came. @returns the same state where nothing changes */
export function afterTime (state: AlertState, now: number): AlertState {
  if (now < state.due) return state
  return state.phase === 'pending' ? raisedSince(state.since) : state.phase === 'ending' ? ok : state
}

function wrongSince (at: number, now: number, span: number): AlertState {
  return span === 0 ? raisedSince(at) : { phase: 'pending', since: at, right: 0, due: now + span }
}

function raisedSince (since: number): AlertState {
  return { phase: 'raised', since, right: 0, due: Infinity }
}

function rightSince ({ since }: AlertState, at: number, now: number, span: number): AlertState {
  return span === 0 ? ok : { phase: 'ending', since, right: at, due: now + span }
}
