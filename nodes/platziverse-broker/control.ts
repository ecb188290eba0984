import type { BrokerPlace } from '../../lib/broker/hub.ts'
import { PlatziverseError } from '../../lib/errors.ts'

/**
 * What the broker is told through the node's input.
 * `disconnect` {clientId, seconds}: hang up, and keep the client id out for so long · `clients`: who is connected, with
 * subscriptions · `clearRetained` {topic} · `statistics`
 * @returns the answer
 * @throws PlatziverseError BROKER_COMMAND_INVALID
 */
export async function obey (broker: BrokerPlace, command: unknown, payload: unknown): Promise<unknown> {
  const { clientId, seconds = 0, topic } = (typeof payload === 'object' && payload !== null ? payload : {}) as Record<string, unknown>
  switch (command) {
    case 'disconnect':
      if (typeof clientId !== 'string' || clientId === '') throw invalid('The payload needs the clientId that is to go.')
      if (typeof seconds !== 'number' || !(seconds >= 0)) throw invalid('seconds must be a number from 0 up.')
      return { clientId, seconds, disconnected: broker.disconnect(clientId, seconds) }
    case 'clients':
      return broker.clients()
    case 'clearRetained':
      if (typeof topic !== 'string' || topic === '') throw invalid('The payload needs the topic whose retained message is to go.')
      return { topic, cleared: await broker.clearRetained(topic) }
    case 'statistics':
      return broker.statistics()
    default:
      throw invalid(`${JSON.stringify(command)} is no command.`)
  }
}

function invalid (detail: string): PlatziverseError {
  return new PlatziverseError('BROKER_COMMAND_INVALID', detail)
}
