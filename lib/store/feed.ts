import type { ReceivedMessage } from './writer/batch-writer.ts'

/** Called with messages that were committed; must not throw. */
export type FeedListener = (messages: ReadonlyArray<Pick<ReceivedMessage, 'message'>>) => void

/** Tells what this process has stored in a database, through whichever of its stores. */
export class Feed {
  readonly #listeners = new Set<FeedListener>()

  /** Whether anybody listens: if not, there is nothing to tell. */
  get isHeard (): boolean { return this.#listeners.size > 0 }

  /** @returns call it to listen no longer */
  listen (listener: FeedListener): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  tell (messages: Parameters<FeedListener>[0]): void {
    for (const listener of this.#listeners) listener(messages)
  }
}

const feeds = new Map<string, Feed>()

/** The one feed of a database. @param identity the same text for the same database */
export function feedOf (identity: string): Feed {
  let feed = feeds.get(identity)
  if (feed === undefined) feeds.set(identity, feed = new Feed())
  return feed
}
