import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { agentsIn } from '../../lib/overview/agents.ts'
import { readAsked, readName, type Asked } from '../../lib/overview/asked.ts'
import { clientsOf } from '../../lib/overview/clients.ts'
import { retainedOf } from '../../lib/overview/retained.ts'
import type { AgentsInDatabase, Overview, RetainedInBroker } from '../../lib/overview/shown.ts'
import { attachedBrokers, type RegisteredBroker } from '../../lib/registry/registry.ts'
import type { Language } from '../../lib/texts/languages.ts'
import { refusalOf, serveAdmin } from '../shared/admin.ts'
import type { RED } from '../shared/red.ts'
import { brokerOverviews, databaseOverviews, databasesById } from './surroundings.ts'

/**
 * What the sidebar asks of the runtime, below `platziverse/sidebar/` of the admin API (see shared/admin.ts):
 *
 * - `look` `{parts, search, database, broker, clients, agents, retained, read, open}` → `Overview`; see `Asked`
 * - `disconnect` `{broker, clientId}` → `{disconnected}`
 * - `clear` `{broker, topic}` → `{cleared}`, of a retained message
 * - `forget` `{database, uuid}` → `{forgotten}`: the agent with all its metrics, and whose it is at every broker
 *
 * @param looked called whenever somebody looks
 */
export function registerAdmin (RED: RED, looked: () => void): void {
  serveAdmin(RED, 'sidebar', {
    look: {
      permission: 'read',
      answer (body, language) {
        const asked = readAsked(body)
        looked()
        return look(RED, asked, language)
      }
    },
    disconnect: {
      permission: 'write',
      answer: ({ broker, clientId }) => ({ disconnected: brokerOf(broker).control.disconnect(readName('clientId', clientId)) })
    },
    clear: {
      permission: 'write',
      answer: async ({ broker, topic }) => ({ cleared: await brokerOf(broker).control.clearRetained(readName('topic', topic)) })
    },
    forget: {
      permission: 'write',
      answer: async ({ database, uuid }) => ({ forgotten: await forget(readName('database', database), readName('uuid', uuid)) })
    }
  })
}

async function look (RED: RED, { parts, search, database, broker, clients, agents, retained, read, open }: Asked, language: Language): Promise<Overview> {
  return {
    now: Date.now(),
    ...parts.includes('brokers') && { brokers: brokerOverviews(RED, language), databases: databaseOverviews(language) },
    ...parts.includes('clients') && { clients: clientsOf(attachedBrokers(), { search, most: clients }) },
    ...parts.includes('agents') && { agents: await lookAtAgents(database, { search, most: agents, open }, language) },
    ...parts.includes('retained') && { retained: await lookAtRetained(RED, broker, { search, most: retained, read }, language) }
  }
}

async function lookAtAgents (wanted: string, asked: { search: string, most: number, open: string[] }, language: Language): Promise<AgentsInDatabase> {
  const known = databasesById()
  const node = known.get(wanted) ?? known.get(databaseOverviews(language)[0]?.id ?? '')
  if (node === undefined) return {}
  const { id, store } = node
  try {
    // It would wait for a database that is away.
    if (store.state.state === 'waiting') throw store.state.error
    return { database: id, list: await agentsIn(await store.read(), asked) }
  } catch (error) {
    return { database: id, refusal: refusalOf(error instanceof PlatziverseError ? error : new PlatziverseError('QUERY_FAILED', `${reasonOf(error)}.`), language) }
  }
}

async function lookAtRetained (RED: RED, wanted: string, asked: { search: string, most: number, read: boolean }, language: Language): Promise<RetainedInBroker> {
  const known = new Map(attachedBrokers())
  const id = known.has(wanted) ? wanted : brokerOverviews(RED, language)[0]?.id
  const broker = known.get(id ?? '')
  if (id === undefined || broker === undefined) return {}
  const elsewhere = broker.isElsewhere ? { isElsewhere: true } : {}
  if (broker.isElsewhere && !asked.read) return { broker: id, ...elsewhere }
  try {
    return { broker: id, ...elsewhere, list: await retainedOf(broker, asked) }
  } catch (error) {
    const refused = (error as Error).name === 'AbortError' ? new PlatziverseError('BROKER_MISSING', 'The broker is not open.') : error
    if (!(refused instanceof PlatziverseError)) throw refused
    return { broker: id, ...elsewhere, refusal: refusalOf(refused, language) }
  }
}

async function forget (database: string, uuid: string): Promise<boolean> {
  const node = databasesById().get(database)
  if (node === undefined) throw new PlatziverseError('DATABASE_MISSING', 'There is no such database.')
  const isForgotten = await node.forgetting.forget(uuid)
  // A broker that is not open keeps what it knows.
  await Promise.allSettled(attachedBrokers().map(([, broker]) => broker.control.forgetAgent(uuid)))
  return isForgotten
}

function brokerOf (id: unknown): RegisteredBroker {
  const broker = attachedBrokers().find(([known]) => known === id)?.[1]
  if (broker === undefined) throw new PlatziverseError('BROKER_MISSING', 'There is no such broker.')
  return broker
}
