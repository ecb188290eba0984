import { topics } from '../messages/topics.ts'
import type { ReceivedMessage } from './writer/changes.ts'

/** What must not throw. */
export interface FeedListener {
  /** Called with messages that were committed; one without `seq` is about an agent that did not say itself that it went. */
  stored (messages: ReadonlyArray<Pick<ReceivedMessage, 'message'> & Partial<ReceivedMessage>>): void
  /** Called with the uuid of an agent that the database knows no longer. */
  forgotten (uuid: string): void
}

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

  tell (messages: Parameters<FeedListener['stored']>[0]): void {
    for (const listener of this.#listeners) listener.stored(messages)
  }

  /** Agents were disconnected that did not say so themselves. */
  tellGone (uuids: readonly string[]): void {
    if (uuids.length > 0) this.tell(uuids.map(uuid => ({ message: { kind: 'disconnected', topic: topics.disconnected, payload: { agent: { uuid } } } })))
  }

  tellForgotten (uuid: string): void {
    for (const listener of this.#listeners) listener.forgotten(uuid)
  }
}

const feeds = new Map<string, Feed>()

/** The one feed of a database. @param identity the same text for the same database */
export function feedOf (identity: string): Feed {
  let feed = feeds.get(identity)
  if (feed === undefined) feeds.set(identity, feed = new Feed())
  return feed
}
