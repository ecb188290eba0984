/**
 * Whether an agent is connected, in SQL. Its messages may come in any order and more than once, so an agent's row keeps the newest of each kind,
 * by the agent's own clock: `agent/connected` in `came_*`, `agent/disconnected` in `left_*`, `agent/message` in `spoke_at`. What follows from these
 * does not depend on the order:
 *
 * - No goodbye: it is connected.
 * - It says `agent/connected` with a time: the newer of `came` and `left` counts, by time and then `seq`, and `left` where they are equal. Its messages do
 *   not count: a last will has the time of connecting, before all of them.
 * - Otherwise it is connected if a message is newer than the goodbye.
 *
 * What comes without a time is believed when it comes. After such a goodbye it takes something that is newer than everything before: than what has a time
 * that can be, because messages without a time get that of their receipt, and the clock of this machine may have been set back since.
 */

/** How a statement writes the new and the old value of a column. */
export interface PresenceWords {
  given (column: string): string
  there (column: string): string
}

/** The `seq` of a goodbye that has a time and no `seq`: after everything else of that time. */
export const lastSeq = Number.MAX_SAFE_INTEGER

/** ms by which the clocks of two processes that write to one database may differ. */
const mostSkew = 60_000

const or = (value: string): string => `coalesce(${value}, -1)`

/** Whether the clock was ahead when the agent was seen last. For a statement that is given the time of writing. */
export function wasAhead ({ given, there }: PresenceWords): string {
  return `${there('last_seen_at')} > ${given('updated_at')} + ${mostSkew}`
}

/** The words of such a statement, in which a message of a time to come is forgotten if the clock was ahead. */
export function inTime (words: PresenceWords): PresenceWords {
  const { given, there } = words
  const spoke = `(case when ${wasAhead(words)} and ${there('spoke_at')} > ${given('updated_at')} then null else ${there('spoke_at')} end)`
  return { given, there: column => column === 'spoke_at' ? spoke : there(column) }
}

/** The newer of two values, of which each may be null. */
export function newest (there: string, given: string): string {
  return `case when ${given} > ${or(there)} then ${given} else ${there} end`
}

/**
 * How often an agent usually reports: the longest of its recent pauses, by its own clock; null until there are two messages. Pauses of less than a second
 * are one message in parts. One long pause may be an outage, so it counts as four times the usual one at most, and fades by a sixteenth with each message.
 * @param ts of a message; may be null
 */
export function usualInterval (ts: string, { there }: PresenceWords): string {
  const [usual, pause] = [there('usual_interval'), `(${ts} - ${there('spoke_at')})`]
  const faded = `(${usual} - ${usual} / 16)`
  return `case when coalesce(${pause}, 0) < 1000 then ${usual} when ${usual} is null then ${pause}
    when ${pause} > 4 * ${usual} then 4 * ${usual} when ${pause} > ${faded} then ${pause} else ${faded} end`
}

/** The same, of the usual interval before; both may be null. */
export function usualIntervalAfter (ts: number, spokeAt: number | null, usual: number | null): number | null {
  const pause = spokeAt === null ? 0 : ts - spokeAt
  if (pause < 1_000) return usual
  return usual === null ? pause : Math.min(4 * usual, Math.max(pause, usual - Math.floor(usual / 16)))
}

/** Whether the agent came in anew. */
export function cameLater ({ given, there }: PresenceWords): string {
  return `(${or(given('came_at'))}, ${or(given('came_seq'))}) > (${or(there('came_at'))}, ${or(there('came_seq'))})`
}

/** Whether a value is newer than everything that the agent said before, but for goodbyes. */
function isNews (value: string, { there }: PresenceWords): string {
  return `(${value} > ${or(there('came_at'))} and ${value} > ${or(there('spoke_at'))})`
}

/** What follows for an agent that did not come in anew and whose newest message is of the time `spoke`. */
function remains (spoke: string, { there }: PresenceWords): string {
  return `(${there('left_at')} is null or case when ${there('came_at')} is null then ${spoke} > ${there('left_at')}
    else (${there('came_at')}, ${there('came_seq')}) > (${there('left_at')}, ${there('left_seq')}) end)`
}

/** `connected` after a message with a metric of that time. @param ts never null */
export function connectedAfterMessage (ts: string, words: PresenceWords): string {
  return `(${words.there('connected')} or (${isNews(ts, words)} and ${remains(ts, words)}))`
}

/** `connected_at` after such a message, which may find that another process disconnected the agent meanwhile. @param at when it was received */
export function connectedSinceMessage (ts: string, at: string, words: PresenceWords): string {
  return `case when not ${words.there('connected')} and ${connectedAfterMessage(ts, words)} then ${at} else ${words.there('connected_at')} end`
}

/** `connected` after the new row of an agent that was heard. Its `connected` is false if the last that it said was a goodbye without a time. */
export function connectedAfter (words: PresenceWords): string {
  const { given, there } = words
  return `(case when not ${given('connected')} or (${given('came_at')} is null and ${given('spoke_at')} is null) then ${given('connected')}
    when ${cameLater(words)} then (${there('connected')} or ${isNews(or(given('came_at')), words)} or ${isNews(or(given('spoke_at')), words)} or not ${remains(or(there('spoke_at')), words)})
      and (${there('left_at')} is null or (${given('came_at')}, ${given('came_seq')}) > (${there('left_at')}, ${there('left_seq')}))
    else ${connectedAfterMessage(or(given('spoke_at')), words)} end)`
}

/**
 * The assignments for goodbyes; what looks at another column comes first. One without a time counts if it is of the process that has the agent and
 * was not received before something that the agent said since. A time of the agent that is later than when the goodbye began to wait shows a clock that was
 * set back: what came after it in the same process waits behind it. How late it is now does not show that, because the clock may be right again.
 * @param target how the statement writes a column that it changes
 */
export function changesOfGoodbyes ({ given, there }: PresenceWords, target: (column: string) => string = column => column): string {
  const isLater = `(${given('left_at')}, ${given('left_seq')}) > (${or(there('left_at'))}, ${or(there('left_seq'))})`
  const untimed = `(${given('received_at')} >= 0 and coalesce(${there('instance')}, ${given('instance')}) = ${given('instance')}
    and (${given('received_at')} >= ${or(there('last_seen_at'))} or ${or(there('last_seen_at'))} > ${given('queued_at')}))`
  const stays = `case when ${there('came_at')} is null then ${or(there('spoke_at'))} > ${given('left_at')}
    else (${there('came_at')}, ${there('came_seq')}) > (${given('left_at')}, ${given('left_seq')}) end`
  return `${target('connected')} = (${there('connected')} and not ${untimed} and (not ${isLater} or ${stays})),
    ${target('left_seq')} = case when ${isLater} then ${given('left_seq')} else ${there('left_seq')} end,
    ${target('left_at')} = ${newest(there('left_at'), given('left_at'))},
    ${target('updated_at')} = ${given('updated_at')}`
}
