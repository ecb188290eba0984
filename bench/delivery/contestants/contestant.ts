import type { Contestant } from '../../contestants/contestant.ts'
import { startServer, untilListening, type Server } from '../../server.ts'
import type { Version } from '../../packets.ts'
import type { Settings } from '../../measure.ts'

export interface Broker extends Pick<Contestant, 'name' | 'prepare'> {
  id: 'm' | 'e' | 'p' | 'n' | 'm5' | 'p5' | 'n5'
  /** What its clients speak. */
  version: Version
}

/** The same broker, with clients of MQTT 5. */
export function withVersion5 (broker: Broker, id: Broker['id']): Broker {
  return { ...broker, id, name: `${broker.name}, MQTT 5`, version: 5 }
}

/** A contestant's process, listening. */
export async function startBroker (broker: Broker, settings: Settings): Promise<Server> {
  const server = await startServer({ ...broker, id: broker.id as string, acknowledges: 'on arrival' } as Contestant, settings)
  try {
    await untilListening(server, 30)
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** How to start one of the programs beside this file: `<program> <port>`. */
export function program (name: string): Contestant['prepare'] {
  return async ({ port, folder }) => ({ args: [new URL(`program/${name}.ts`, import.meta.url).pathname, String(port)], cwd: folder })
}
