import { readAccess } from '../../lib/broker/access/given-access.ts'
import { invalidCommand } from '../../lib/broker/access/invalid-command.ts'
import type { LoginQuestions } from '../../lib/broker/login/login-questions.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { isObject } from '../../lib/is-object.ts'
import type { RegisteredBroker } from '../../lib/registry/registry.ts'

/**
 * Carries out a message to the node's input, whose topic is the command:
 * - `disconnect` {clientId, seconds}: hangs up, and keeps the client id out for that long
 * - `endSession` {clientId}: hangs up, and discards the session, whoever owns it
 * - `forgetAgent` {uuid} or {username}: the agent, or every agent of the user, belongs to whoever speaks for it next
 * - `clients`: the connected clients, with their subscriptions
 * - `clearRetained` {topic}
 * - `reload` {users, rules}: puts others in force
 * - `statistics`
 * - `login` {id, allow}: answers a question
 * @returns the answer; undefined when there is none
 * @throws PlatziverseError BROKER_COMMAND_INVALID, BROKER_MISSING
 */
export async function obey (broker: RegisteredBroker, logins: LoginQuestions, command: unknown, payload: unknown): Promise<unknown> {
  const { clientId, seconds = 0, topic, uuid, username: user } = isObject(payload) ? payload : {}
  switch (command) {
    case 'disconnect':
      if (typeof clientId !== 'string' || clientId === '') throw invalidCommand('The payload needs the clientId that is to go.')
      if (typeof seconds !== 'number' || !(seconds >= 0)) throw invalidCommand('seconds must be a number from 0 up.')
      return { clientId, seconds, disconnected: broker.control.disconnect(clientId, seconds) }
    case 'endSession': {
      if (typeof clientId !== 'string' || clientId === '') throw invalidCommand('The payload needs the clientId whose session is to end.')
      const { disconnected, ended } = await broker.control.endSession(clientId)
      if (!disconnected && !ended) throw invalidCommand(`No client ${JSON.stringify(clientId)} is connected or has a session.`)
      return { clientId, disconnected, ended }
    }
    case 'forgetAgent': {
      if (uuid === undefined && typeof user === 'string' && user !== '') {
        const agents = await broker.control.forgetAgentsOf(user)
        if (agents === 0) throw invalidCommand(`No agent belongs to ${JSON.stringify(user)}.`)
        return { username: user, agents }
      }
      if (typeof uuid !== 'string' || uuid === '') {
        throw invalidCommand('The payload needs the uuid of the agent to forget, or the username whose agents to forget.')
      }
      const username = await broker.control.forgetAgent(uuid)
      if (username === undefined) throw invalidCommand(`The agent ${JSON.stringify(uuid)} belongs to nobody.`)
      return { uuid, username }
    }
    case 'clients':
      return broker.clients()
    case 'clearRetained':
      if (typeof topic !== 'string' || topic === '') throw invalidCommand('The payload needs the topic whose retained message is to go.')
      return { topic, cleared: await broker.control.clearRetained(topic) }
    case 'reload': {
      const { users, rules } = await broker.control.reload(now => readAccess(payload, now))
      return { users: users.length, rules: rules.length }
    }
    case 'statistics':
      return broker.statistics()
    case 'login':
      return logins.answer(payload)
    default:
      throw unknown(command)
  }
}

/** What only a broker can do that has the connections of its clients. */
const ofEmbedded: readonly unknown[] = ['disconnect', 'endSession', 'forgetAgent', 'clients', 'clearRetained', 'reload', 'login']

/**
 * Carries out a command to a broker elsewhere, which is `statistics`.
 * @throws PlatziverseError BROKER_COMMAND_INVALID
 */
export async function obeyElsewhere (broker: RegisteredBroker, command: unknown): Promise<unknown> {
  if (command === 'statistics') return broker.statistics()
  if (!ofEmbedded.includes(command)) throw unknown(command)
  throw invalidCommand(`The broker runs elsewhere: ${JSON.stringify(command)} is for a broker inside Node-RED. Use the tools of the other one.`)
}

function unknown (command: unknown): PlatziverseError {
  return invalidCommand(`${JSON.stringify(command)} is not a command.`)
}
