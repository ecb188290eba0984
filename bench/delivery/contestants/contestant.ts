import type { Contestant } from '../../contestants/contestant.ts'
import { startServer, untilListening, type Server } from '../../server.ts'
import type { Settings } from '../../measure.ts'

export interface Broker extends Pick<Contestant, 'name' | 'prepare'> { id: 'm' | 'e' | 'p' | 'n' }

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
