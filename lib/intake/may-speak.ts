import type { AgentOwnership, Ownership } from '../broker/agent-ownership.ts'
import type { Connection, Publication, Publisher } from '../broker/publication.ts'
import type { Message } from '../messages/parse.ts'
import type { Presence } from './presence.ts'
import type { Cause } from './readings.ts'

/** Why a message is rejected whose sender may not speak for the agent. */
const refusals: Record<Exclude<Ownership, 'theirs'>, Cause> = {
  another: { reason: 'AGENT_NOT_THEIRS', detail: 'The user may not speak for this agent.' },
  tooMany: { reason: 'AGENTS_TOO_MANY', detail: 'The user, or all anonymous clients together, speak for as many agents as the limit agentsPerUser allows.' }
}

/** Why the publisher of a message may not send it; undefined: it may. */
export function whyNot (message: Message, { connection, publisher = connection }: Publication, owners: AgentOwnership, presence: Presence): Cause | undefined {
  const ownership = maySpeak(message, publisher, connection, owners, presence)
  return ownership === 'theirs' ? undefined : refusals[ownership]
}

/** Whether an agent is another user's than the publisher's. An agent that is nobody's stays so. */
export function isAnothers ({ uuid, username: named }: { uuid: string, username?: string }, { connection, publisher = connection }: Publication, owners: AgentOwnership): boolean {
  const username = usernameOf(publisher)
  return (named !== undefined && username !== undefined && named !== username) || owners.mayEnd(uuid, username) === false
}

/**
 * Whether somebody may speak for an agent: a user for one that carries the user's name or none, and anybody for one that is not
 * another user's. Who speaks for an agent that is nobody's becomes its owner.
 * @param connection over which the message came, where it is still open
 */
function maySpeak (
  { kind, payload: { agent } }: Message, publisher: Publisher | undefined, connection: Connection | undefined, owners: AgentOwnership, presence: Presence
): Ownership {
  const username = usernameOf(publisher)
  // A goodbye makes nobody an owner: anybody can say one for agents that are not there.
  if (kind === 'disconnected') return owners.mayEnd(agent.uuid, username) === false ? 'another' : 'theirs'
  if (username !== undefined && 'username' in agent && agent.username !== undefined && agent.username !== username) return 'another'
  const ownership = owners.claim(agent.uuid, username)
  return ownership === 'theirs' && connection !== undefined && !presence.hasRoomFor(agent.uuid, connection, owners.mostPerUser) ? 'tooMany' : ownership
}

/** Undefined: no password or certificate proved one. */
function usernameOf (publisher: Publisher | undefined): string | undefined {
  return publisher?.verified === true ? publisher.username ?? '' : undefined
}
