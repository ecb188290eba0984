import { createHash } from 'node:crypto'
import { kindOf } from '../messages/topics.ts'
import { RecentMap } from '../recent-map.ts'

/** Ms for which a message is known again. */
const remembered = 10_000
/** Messages that are known again. */
const mostRemembered = 20_000
/** How often within that time the same message may come round before it counts as one that circles. */
const usualPatience = 20

interface Memory {
  /** Who published it here first, within the time. */
  publisher: string | undefined
  /** How many echoes of it the other broker owes. */
  echoes: number
  sentAt: number
  /** How often it came round since `since`. */
  rounds: number
  since: number
}

/**
 * Recognises messages that a bridge carried before: MQTT 3.1.1 has no way to mark them. A message that circles comes round
 * until it is dropped once. Equal messages of many publishers are dropped only when they look like one that circles, which takes
 * more than two a second.
 */
export class LoopGuard {
  readonly #now: () => number
  #memories = new RecentMap<Memory>(mostRemembered)

  /** @param now ms that never go back */
  constructor (now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * A message is about to leave.
   * @param topic its topic at the other broker
   * @param publisher who published it here
   * @param patience how often it may come round
   * @returns whether it circles: it comes again and again, and not from its first publisher
   */
  leaves (topic: string, payload: Buffer, publisher: string, patience = usualPatience): boolean {
    const memory = this.#recall(keyOf(topic, payload))
    memory.publisher ??= publisher
    return memory.publisher !== publisher && ++memory.rounds > patience
  }

  /** A message was sent to a broker that sends it back to every subscriber, this bridge included. */
  echoes (topic: string, payload: Buffer): void {
    const memory = this.#recall(keyOf(topic, payload))
    memory.echoes++
    memory.sentAt = this.#now()
  }

  /**
   * A message came.
   * @param topic its topic at the other broker
   * @param patience how often it may come round
   * @returns whether it is the echo of one that was sent, or circles
   */
  returns (topic: string, payload: Buffer, patience = usualPatience): boolean {
    const now = this.#now()
    // Nothing went out, such as with a bridge that only fetches: nothing can come back.
    if (this.#memories.isEmpty) return false
    const memory = this.#memories.get(keyOf(topic, payload))
    if (memory === undefined) return false
    if (memory.echoes > 0 && now - memory.sentAt < remembered) {
      memory.echoes--
      return true
    }
    return now - memory.since < remembered && ++memory.rounds > patience
  }

  #recall (key: string): Memory {
    const now = this.#now()
    const known = this.#memories.get(key)
    const memory = known ?? { publisher: undefined, echoes: 0, sentAt: now, rounds: 0, since: now }
    if (now - memory.since >= remembered) Object.assign(memory, { publisher: undefined, rounds: 0, since: now })
    if (now - memory.sentAt >= remembered) memory.echoes = 0
    this.#memories.set(key, memory)
    return memory
  }
}

/**
 * How often a message of this local topic may come round. Platforms publish again what they stored, and no two messages of agents
 * are the same: one that comes round came over another bridge.
 * @returns undefined: as often as usual
 */
export function patienceWith (topic: string): number | undefined {
  const kind = kindOf(topic)
  return kind === undefined ? undefined : kind === 'message' ? 0 : 1
}

function keyOf (topic: string, payload: Buffer): string {
  // A topic has no NUL.
  return createHash('sha1').update(`${topic}\0`).update(payload).digest('base64')
}
