import { TopicTree } from '../../mqtt/topic-tree.ts'
import type { Context } from './context.ts'
import type { Subscription } from './journal/records.ts'
import type { QueuedSubscription } from './subscriptions.ts'

/** The members of `$share/group/filter` that have sessions. */
interface Group {
  filter: string
  members: Map<string, QueuedSubscription>
  /** How many messages members took in turn. */
  turns: number
}

/** Shared subscriptions of the sessions: for whom a message waits while no member of its group is connected. */
export class SharedQueues {
  #context: Context
  /** By the filter in `$share/group/filter`, and by the whole. */
  #groups = new TopicTree<Map<string, Group>>()

  constructor (context: Context) {
    this.#context = context
  }

  get isEmpty (): boolean { return this.#groups.size === 0 }

  /** As for subscriptions that are not shared: with QoS 0 nothing is queued. */
  route (clientId: string, subscription: Subscription): void {
    const { topic: filter, qos } = subscription
    const inner = filter.slice(filter.indexOf('/', 7) + 1)
    const groups = this.#groups.get(inner) ?? new Map<string, Group>()
    const group = groups.get(filter) ?? { filter, members: new Map(), turns: 0 }
    if (qos > 0) group.members.set(clientId, { clientId, ...subscription })
    else group.members.delete(clientId)
    if (group.members.size > 0) groups.set(filter, group)
    else groups.delete(filter)
    if (groups.size > 0) this.#groups.set(inner, groups)
    else this.#groups.delete(inner)
  }

  /** Whether a message of the topic would wait for anybody. */
  queues (topic: string): boolean { return this.#away(topic).length > 0 }

  /** One member of each group of which none is connected: they take turns. */
  matching (topic: string): QueuedSubscription[] {
    return this.#away(topic).map(group => [...group.members.values()][group.turns++ % group.members.size]!)
  }

  #away (topic: string): Group[] {
    if (this.isEmpty) return []
    return this.#groups.matchingFilters(topic).flatMap(groups => [...groups.values()]).filter(({ filter }) => this.#context.broker?.hasMembers?.(filter) !== true)
  }
}
