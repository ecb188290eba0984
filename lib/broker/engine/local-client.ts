import type { AedesPublishPacket, PublishPacket } from 'aedes'
import { PlatziverseError, reasonOf } from '../../errors.ts'
import { propertiesOf, withProperties } from '../carried-properties.ts'
import { clientOrigin } from '../origin.ts'
import type { Delivered, OutgoingPublication, Subscriber } from '../publication.ts'
import type { Engine } from './engine.ts'

/** Marks a publication of this process: the client id of its packet is this and the origin. No client may have a NUL in its id. */
const originPrefix = '\0'

type StoredPacket = AedesPublishPacket & { clientId?: string }

/** What this process publishes, subscribes to and reads, without being a client. */
export class LocalClient {
  /** Subscriptions of this process. */
  subscriptions = 0
  #engine: Engine

  constructor (engine: Engine) {
    this.#engine = engine
  }

  /** @throws PlatziverseError PUBLISH_FAILED */
  publish (publication: OutgoingPublication, origin = ''): Promise<void> {
    return new Promise((resolve, reject) => {
      const { topic, qos, retain, properties, noAlias = false } = publication
      const payload = properties === undefined && !retain && !noAlias ? publication.payload : withProperties(publication)
      // aedes passes the client id on to subscribers, and keeps it with a retained message.
      const clientId = originPrefix + origin
      const done = (error?: Error | null): void => {
        if (error) reject(new PlatziverseError('PUBLISH_FAILED', `${reasonOf(error)}.`, { cause: error }))
        else resolve()
      }
      this.#engine.aedes.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false, clientId } as PublishPacket, done)
    })
  }

  /** @returns ends the subscription */
  subscribe (filter: string, subscriber: Subscriber): () => void {
    const { aedes, counters } = this.#engine
    const isWild = filter.startsWith('+') || filter.startsWith('#')
    let ended = false
    const handle = (packet: AedesPublishPacket, done: () => void): void => {
      // aedes ends a subscription a turn of the event loop later. [MQTT-4.7.2-1]
      if (ended || (isWild && packet.topic.startsWith('$'))) return done()
      let result: unknown
      try {
        result = subscriber(deliveredOf(packet))
      } catch {
        // The publisher and the other subscribers must not pay for it.
        counters.dropped('subscriber')
      }
      if (result instanceof Promise) result.then(done, done)
      else done()
    }
    aedes.subscribe(filter, handle, () => undefined)
    this.subscriptions++
    return () => {
      if (ended) return
      ended = true
      this.subscriptions--
      aedes.unsubscribe(filter, handle, () => undefined)
    }
  }

  async * retained (filters: string[]): AsyncGenerator<Delivered> {
    const stream = this.#engine.persistence.createRetainedStreamCombi(filters)
    for await (const packet of stream) yield deliveredOf(packet as AedesPublishPacket)
  }
}

/** Whether a client published the packet, or this process did in its name. */
export function isFrom (id: string, packet: AedesPublishPacket): boolean {
  const { clientId } = packet as StoredPacket
  return clientId === id || clientId === originPrefix + clientOrigin(id)
}

function deliveredOf (packet: AedesPublishPacket): Delivered {
  const { topic, qos, retain, clientId = originPrefix } = packet as StoredPacket
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
  const isOurs = clientId.startsWith(originPrefix)
  const properties = propertiesOf(payload)
  const from = isOurs ? { clientId: undefined, origin: clientId.slice(1) || undefined } : { clientId, origin: undefined }
  return { topic, payload, qos, retain, ...from, ...properties === undefined ? {} : { properties } }
}
