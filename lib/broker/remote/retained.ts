import { PlatziverseError, reasonOf } from '../../errors.ts'
import { faultOf, faultOfMessage, unexpected } from '../../mqtt/link/faults.ts'
import { Link } from '../../mqtt/link/link.ts'
import type { Delivered } from '../publication.ts'
import { clientIdBeside } from './client-ids.ts'
import type { RemoteSettings } from './settings.ts'

/** ms without another retained message after which there are no more. */
const quiet = 500
/** Retained messages that are read at most, their bytes, and ms for all of them. */
const most = { messages: 10_000, bytes: 16_000_000, time: 10_000 }

/**
 * The retained messages, as far as they come within a moment: MQTT does not say which is the last. Over a connection of its own, since a broker sends them
 * to a subscription that is new.
 * @throws PlatziverseError BROKER_UNREACHABLE
 */
export async function readRetained (settings: RemoteSettings, filters: string[]): Promise<Delivered[]> {
  const found: Delivered[] = []
  let bytes = 0
  let [resolve, reject] = [(): void => undefined, (_error: Error): void => undefined]
  const read = new Promise<void>((...ends) => { [resolve, reject] = ends })
  let timer: NodeJS.Timeout | undefined
  const limit = setTimeout(() => { resolve() }, most.time).unref()
  const wait = (): void => {
    clearTimeout(timer)
    timer = setTimeout(resolve, quiet).unref()
  }
  const link = new Link(settings, { clientId: clientIdBeside(settings.clientId, 'retained'), clean: true }, {
    letIn (wire) {
      wire.ready()
      wire.send({ cmd: 'subscribe', messageId: 1, subscriptions: filters.map(topic => ({ topic, qos: 1 })), ...link.version === 5 ? { properties: {} } : {} })
    },
    packet (wire, packet) {
      if (packet.cmd === 'suback') return packet.granted.some(code => Number(code) >= 0x80) ? reject(new Error('the broker refused the subscription')) : wait()
      const fault = packet.cmd === 'publish' ? faultOfMessage(packet) : unexpected(packet.cmd)
      if (packet.cmd !== 'publish' || fault !== undefined) return wire.end(fault)
      const { topic, payload, qos, retain, messageId = 0 } = packet
      if (qos > 0) wire.acknowledge(messageId)
      // What is published meanwhile may never end.
      if (!retain || found.length >= most.messages || bytes >= most.bytes) return
      bytes += payload.length + topic.length
      found.push({ topic, payload: typeof payload === 'string' ? Buffer.from(payload) : payload, qos, retain, clientId: undefined, origin: undefined })
      wait()
    },
    // One that is larger than what this process takes is not there for it.
    oversized: () => undefined,
    ended ({ cause }) { reject(faultOf(cause)) }
  })
  try {
    link.open()
    await read
    return found
  } catch (error) {
    throw new PlatziverseError('BROKER_UNREACHABLE', `The retained messages could not be read: ${reasonOf(error)}.`, { cause: error })
  } finally {
    clearTimeout(timer)
    clearTimeout(limit)
    void link.close()
  }
}
