import type { RegisteredBroker } from '../../lib/registry/registry.ts'
import { invalid } from './invalid.ts'
import type { Logins } from './login.ts'
import { readReload } from './reload.ts'

/**
 * What the broker is told through the node's input.
 * `disconnect` {clientId, seconds}: hang up, and keep the client id out for so long · `endSession` {clientId}: hang up, and discard
 * the session, whoever's it is · `forgetAgent` {uuid} or {username}: let the agent, or all of a user, belong to who speaks for it
 * next · `clients`: who is connected, with subscriptions · `clearRetained` {topic} · `reload` {users, rules}: put others in force · `statistics` · `login` {id, allow}: answer a
 * question
 * @returns the answer; undefined: there is none
 * @throws PlatziverseError BROKER_COMMAND_INVALID, BROKER_MISSING
 */
export async function obey (broker: RegisteredBroker, logins: Logins, command: unknown, payload: unknown): Promise<unknown> {
  const { clientId, seconds = 0, topic, uuid, username: user } = (typeof payload === 'object' && payload !== null ? payload : {}) as Record<string, unknown>
  switch (command) {
    case 'disconnect':
      if (typeof clientId !== 'string' || clientId === '') throw invalid('The payload needs the clientId that is to go.')
      if (typeof seconds !== 'number' || !(seconds >= 0)) throw invalid('seconds must be a number from 0 up.')
      return { clientId, seconds, disconnected: broker.disconnect(clientId, seconds) }
    case 'endSession': {
      if (typeof clientId !== 'string' || clientId === '') throw invalid('The payload needs the clientId whose session is to end.')
      const { disconnected, ended } = await broker.endSession(clientId)
      if (!disconnected && !ended) throw invalid(`No client ${JSON.stringify(clientId)} is connected or has a session.`)
      return { clientId, disconnected, ended }
    }
    case 'forgetAgent': {
      if (uuid === undefined && typeof user === 'string' && user !== '') {
        const agents = await broker.forgetAgentsOf(user)
        if (agents === 0) throw invalid(`No agent belongs to ${JSON.stringify(user)}.`)
        return { username: user, agents }
      }
      if (typeof uuid !== 'string' || uuid === '') throw invalid('The payload needs the uuid of the agent that is to be forgotten, or the username whose agents are.')
      const username = await broker.forgetAgent(uuid)
      if (username === undefined) throw invalid(`The agent ${JSON.stringify(uuid)} belongs to nobody.`)
      return { uuid, username }
    }
    case 'clients':
      return broker.clients()
    case 'clearRetained':
      if (typeof topic !== 'string' || topic === '') throw invalid('The payload needs the topic whose retained message is to go.')
      return { topic, cleared: await broker.clearRetained(topic) }
    case 'reload': {
      const { users, rules } = await broker.reload(now => readReload(payload, now))
      return { users: users.length, rules: rules.length }
    }
    case 'statistics':
      return broker.statistics()
    case 'login':
      return logins.answer(payload)
    default:
      throw invalid(`${JSON.stringify(command)} is no command.`)
  }
}
