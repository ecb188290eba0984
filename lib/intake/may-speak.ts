import type { AgentOwnership, Ownership } from '../broker/agent-ownership.ts'
import type { Connection, Publisher } from '../broker/publication.ts'
import type { Message } from '../messages/parse.ts'
import type { Presence } from './presence.ts'

/**
 * Whether somebody may speak for an agent: a user for one that carries the user's name or none, and anybody for one that is not
 * another user's. Who speaks for an agent that is nobody's becomes its owner.
 * @param connection over which the message came, where it is still open
 */
export function maySpeak (
  { kind, payload: { agent } }: Message, publisher: Publisher | undefined, connection: Connection | undefined, owners: AgentOwnership, presence: Presence
): Ownership {
  const username = publisher?.verified === true ? publisher.username ?? '' : undefined
  // A goodbye makes nobody an owner: anybody can say one for agents that are not there.
  if (kind === 'disconnected') return owners.mayEnd(agent.uuid, username) === false ? 'another' : 'theirs'
  if (username !== undefined && 'username' in agent && agent.username !== undefined && agent.username !== username) return 'another'
  const ownership = owners.claim(agent.uuid, username)
  return ownership === 'theirs' && connection !== undefined && !presence.hasRoomFor(agent.uuid, connection, owners.mostPerUser) ? 'tooMany' : ownership
}
