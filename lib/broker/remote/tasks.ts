import { apart } from '../../mqtt/apart.ts'
import type { Publication, Settle, Taker } from '../publication.ts'
import { clientIdBeside } from './client-ids.ts'
import type { RemoteSettings } from './settings.ts'

/** What a consumer is for. */
export interface Task {
  /** The client id of its session. */
  readonly clientId: string
  /** Stands before what it has problems with. */
  readonly name: string
  /** Whether it takes the three messages of agents: it is of no use if the broker refuses a subscription, and what was retained before is no news. */
  readonly isOfAgents: boolean
  /** The topic as the taker knows it. */
  topicOf (topic: string): string
  /** Give a message to the taker. @returns false: it is not for the taker */
  give (publication: Publication, settle: Settle): boolean
}

/** Takes the three messages of agents. */
export function agentsTask (taker: Taker, { clientId, contractTopic }: RemoteSettings): Task {
  return {
    clientId,
    name: '',
    isOfAgents: true,
    topicOf: contractTopic,
    give (publication, settle) {
      const isWanted = taker.takes(publication.topic)
      if (isWanted) taker.take(publication, settle)
      else taker.passes?.(publication.topic, '')
      return isWanted
    }
  }
}

/** Reads the other topics. In a session of its own: what comes for them, which may be much, does not keep agents waiting, and no filter of theirs overlaps with that of agents. */
export function topicsTask (taker: Taker, { clientId, contractTopic, shards }: RemoteSettings): Task {
  return {
    clientId: clientIdBeside(clientId, 'topics'),
    name: 'topics ',
    isOfAgents: false,
    topicOf: topic => topic,
    give (publication, settle) {
      const { topic } = publication
      const isTaken = taker.takes(topic) || (shards.length > 0 && taker.takes(contractTopic(topic)))
      if (isTaken || taker.reads?.(topic) !== true) return false
      taker.read!(publication, settle)
      return true
    }
  }
}

/** What `topicsTask` subscribes to: each publication is to come once. */
export function topicsFilters (taker: Taker, { share }: RemoteSettings): string[] {
  return apart(taker.readFilters ?? []).map(share)
}
