import type { Message } from '../../messages/parse.ts'
import { listOf, type Names } from '../series/choice.ts'
import type { Query } from '../parse.ts'

/** Which messages may change the answer to a question. */
export interface Interest {
  /** Of these agents; absent: of any. */
  uuids?: readonly string[]
  /** With metrics of these types; absent: of any. */
  types?: ReadonlySet<string>
  /** Also those without metrics, which say that an agent came or went. */
  presence: boolean
}

export function interestOf (query: Query): Interest {
  switch (query.query) {
    case 'agents':
    case 'connectedAgents':
    case 'agentsOf': return { presence: true }
    case 'agent': return { uuids: [query.uuid], presence: true }
    case 'types':
    case 'latest': return { uuids: listOf(query.uuid), presence: false }
    case 'latestOfAll': return { ...query.type === undefined ? {} : { types: setOf(query.type) }, presence: false }
    case 'series':
    case 'buckets': return { uuids: listOf(query.uuid), types: setOf(query.type), presence: false }
    case 'typeBuckets': return { types: setOf(query.type), presence: false }
  }
}

/** Whether a message of an agent that counts may change the answer. */
export function interests ({ types, presence }: Interest, message: Message): boolean {
  if (message.kind !== 'message') return presence
  return types === undefined || message.payload.metrics.some(({ type }) => types.has(type))
}

function setOf (names: Names): ReadonlySet<string> {
  return new Set(listOf(names))
}
