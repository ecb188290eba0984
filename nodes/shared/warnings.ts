import type { Say } from './language.ts'
import type { RedNode } from './red.ts'

export interface Warnings {
  /** Warns now, or counts the warning in the next one of its kind: of each kind there is at most one a minute. */
  warn (kind: string, text: string): void
  close (): void
}

interface Minute { more: number, last: string, timer: NodeJS.Timeout }

const aMinute = 60_000
/** The most kinds in one minute; further ones count as one kind, because a stranger may choose them. */
const mostKinds = 20

/** Warnings of a node about what strangers send, which must not fill the log however often it comes. */
export function warningsOf (node: Pick<RedNode, 'warn'>, say: Say, every = aMinute): Warnings {
  const minutes = new Map<string, Minute>()

  function tell (kind: string, text: string): void {
    node.warn(text)
    minutes.set(kind, { more: 0, last: '', timer: setTimeout(() => { next(kind) }, every).unref() })
  }

  function next (kind: string): void {
    const { more, last } = minutes.get(kind) as Minute
    minutes.delete(kind)
    if (more > 0) tell(kind, more === 1 ? last : say('{1} And {2} more like it in the last {3} s.', last, String(more - 1), String(every / 1000)))
  }

  return {
    warn (given, text) {
      const kind = minutes.has(given) || minutes.size < mostKinds ? given : 'others'
      const minute = minutes.get(kind)
      if (minute === undefined) return tell(kind, text)
      minute.more++
      minute.last = text
    },
    close () {
      for (const { timer } of minutes.values()) clearTimeout(timer)
    }
  }
}
